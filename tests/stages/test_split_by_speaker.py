"""The stage that deals speakers and chapters to folds: what its closing line and results say."""

import json

import pandas as pd
import pytest

from speech.storage.tables import write_parquet
from stages.paths import RESULTS, UTTERANCES
from stages.split_by_speaker import split_by_speaker


@pytest.mark.parametrize(
    ("left_out", "said"),
    [(0, "nobody"), (2, "2 (s00, s01)"), (25, "25 (s00, s01, s02, s03, s04 …)")],
)
def test_who_lacks_a_second_chapter_is_named_and_of_many_the_first(
    make_params, tmp_path, monkeypatch, left_out, said
):
    monkeypatch.chdir(tmp_path)
    rows = [
        {"speaker_id": f"{'t' if two else 's'}{speaker:02d}", "chapter_id": chapter, "gender": "F"}
        for two in (True, False)
        for speaker in range(4 if two else left_out)
        for chapter in ("1", "2")[: 1 + two]
    ]
    table = pd.DataFrame(rows).assign(samples=48_000, seconds=3.0)
    table["utterance_id"] = table["speaker_id"] + "-" + table["chapter_id"]
    table["content"] = table["utterance_id"]
    write_parquet(UTTERANCES, table)
    line = split_by_speaker(make_params(**{"tasks": ["speaker"], "folds.speaker": 2}))
    assert f"for lack of a second chapter: {said};" in line
    named = json.loads((RESULTS / "split.json").read_text())["speaker"]
    assert named["speakers_left_out"] == left_out
    assert named["left_out"].count("s") == left_out
