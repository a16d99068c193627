"""The stage that deals speakers and chapters to folds: what its closing line and results say."""

import json

import pytest
from made_corpus import chunk_table

from speech.storage.tables import write_parquet
from stages.paths import RESULTS, UTTERANCES
from stages.split_by_speaker import split_by_speaker


@pytest.mark.parametrize(
    ("left_out", "said"),
    [(0, "nobody"), (2, "2 (101, 102)"), (25, "25 (101, 102, 103, 104, 105 …)")],
)
def test_who_lacks_a_second_chapter_is_named_and_of_many_the_first(
    make_params, tmp_path, monkeypatch, left_out, said
):
    monkeypatch.chdir(tmp_path)
    table = chunk_table("speaker", left_out + 4, chapters=2, utterances=1, chunks=1)
    names = [f"{101 + number}" for number in range(left_out)]
    second = table["chapter_id"].str.endswith("1")
    table = table[~(second & table["speaker_id"].isin(names))]
    write_parquet(UTTERANCES, table.assign(samples=48_000, seconds=3.0))
    line = split_by_speaker(make_params(**{"tasks": ["speaker"], "folds.speaker": 2}))
    assert f"for lack of a second chapter: {said};" in line
    named = json.loads((RESULTS / "split.json").read_text())["speaker"]
    assert named["speakers_left_out"] == left_out
    assert named["left_out"] == ", ".join(names)
