"""Tables keep their values, give the same bytes again, and say how to be made when they cannot."""

import pandas as pd
import pytest

from speech.errors import UserError
from speech.storage.tables import read_folds, read_parquet, write_csv, write_parquet

TABLE = pd.DataFrame(
    {
        "utterance_id": ["84-7-0000", "007-1-0001"],
        "gender": ["F", None],
        "seconds": [2.5, 1 / 3],
        "samples": [40_000, 5_333],
    }
)


@pytest.mark.parametrize("write", [write_parquet, write_csv])
def test_the_same_table_gives_the_same_bytes_whatever_its_index(tmp_path, write):
    write(tmp_path / "first", TABLE)
    write(tmp_path / "again", TABLE.set_index(pd.Index([7, 9])))
    content = (tmp_path / "first").read_bytes()
    assert content == (tmp_path / "again").read_bytes()
    if write is write_parquet:
        pd.testing.assert_frame_equal(read_parquet(tmp_path / "again"), TABLE)
    else:
        assert content.startswith(b"utterance_id,gender,seconds,samples\n84-")


def test_folds_are_read_as_they_were_written_with_ids_as_text(tmp_path):
    names = ["007", "1e3", "NA", "nan", "null", "None", "", "Zoë, the 2nd"]
    folds = pd.DataFrame({"utterance_id": names, "fold": range(8)})
    write_csv(tmp_path / "folds.csv", folds.assign(speaker_id="1"))
    pd.testing.assert_frame_equal(read_folds(tmp_path / "folds.csv"), folds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "utterance_id\n1-2\n",
        "fold\n1\n",
        "utterance_id,fold\n1-2,\n",
        "utterance_id,fold\n1-2,a",
    ],
)
def test_a_damaged_fold_table_is_named(tmp_path, text):
    (tmp_path / "gender.csv").write_text(text)
    with pytest.raises(UserError, match=r"gender\.csv: damaged; delete it and run `dvc repro`"):
        read_folds(tmp_path / "gender.csv")


@pytest.mark.parametrize("damage", [0, 0.1, 0.5, 0.99, b"PAR1" * 10, b"no parquet at all"])
def test_a_damaged_parquet_is_named(tmp_path, damage):
    path = tmp_path / "table.parquet"
    write_parquet(path, TABLE)
    content = path.read_bytes()
    path.write_bytes(damage if isinstance(damage, bytes) else content[: int(damage * len(content))])
    with pytest.raises(UserError, match=r"table\.parquet: damaged; delete it and run `dvc repro`"):
        read_parquet(path)
