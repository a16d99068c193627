"""Files and folders are whole or absent, and JSON is what DVC can read."""

import json
import math

import pytest

from speech.storage.files import replacing, replacing_folder, write_json, write_text


def test_text_is_written_as_given_into_folders_that_did_not_exist(tmp_path):
    path = tmp_path / "a" / "b" / "note.txt"
    write_text(path, "zwölf\n")
    assert path.read_bytes() == "zwölf\n".encode()


def test_an_existing_file_is_replaced_and_nothing_else_is_left_beside_it(tmp_path):
    path = tmp_path / "note.txt"
    write_text(path, "old")
    write_text(path, "new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_that_fails_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "table.csv"
    write_text(path, "old")

    def fail_halfway():
        with replacing(path) as sibling:
            sibling.write_text("half of the ne")
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        fail_halfway()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_sibling_keeps_the_suffix_that_writers_choose_a_format_by(tmp_path):
    with replacing(tmp_path / "table.parquet") as sibling:
        assert sibling.suffix == ".parquet"
        assert sibling.parent == tmp_path
        sibling.touch()


def test_json_keeps_the_order_of_keys_and_ends_with_a_newline(tmp_path):
    path = tmp_path / "metrics.json"
    write_json(path, {"utterance": {"f1": 0.5, "accuracy": 1.0}, "chunk": {}})
    text = path.read_text()
    assert text.endswith("}\n")
    assert list(json.loads(text)) == ["utterance", "chunk"]
    assert list(json.loads(text)["utterance"]) == ["f1", "accuracy"]


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_json_refuses_numbers_it_has_no_word_for_and_keeps_the_old_file(tmp_path, number):
    path = tmp_path / "metrics.json"
    write_json(path, {"accuracy": 1.0})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"accuracy": number})
    assert json.loads(path.read_text()) == {"accuracy": 1.0}


def test_a_folder_takes_its_place_when_it_is_full(tmp_path):
    path = tmp_path / "data" / "corpus"
    (path / "old").mkdir(parents=True)
    with replacing_folder(path) as folder:
        (folder / "new").touch()
        assert [file.name for file in path.iterdir()] == ["old"]
    assert [file.name for file in path.iterdir()] == ["new"]
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_folder_that_was_not_filled_leaves_the_old_one_and_no_other(tmp_path, error):
    (tmp_path / "corpus" / "old").mkdir(parents=True)

    def fail_halfway():
        with replacing_folder(tmp_path / "corpus") as folder:
            (folder / "half").touch()
            raise error

    with pytest.raises(error):
        fail_halfway()
    assert [file.name for file in (tmp_path / "corpus").iterdir()] == ["old"]
    assert [file.name for file in tmp_path.iterdir()] == ["corpus"]


def test_what_a_killed_run_left_of_a_folder_is_no_part_of_the_next(tmp_path):
    (tmp_path / ".corpus.unfinished").mkdir()
    (tmp_path / ".corpus.unfinished" / "half").touch()
    with replacing_folder(tmp_path / "corpus") as folder:
        (folder / "new").touch()
    assert [file.name for file in (tmp_path / "corpus").iterdir()] == ["new"]
