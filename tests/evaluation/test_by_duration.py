"""Accuracy by duration: which chunks make a run, and how accurate their average is."""

import numpy as np
import pandas as pd
import pytest

from speech.audio import SAMPLE_RATE
from speech.audio.chunks import chunk_bounds
from speech.evaluation.by_duration import accuracy_by_duration


def predictions(seconds, of_truth=0.9, **grid):
    """Make up chunks of one woman's and one man's utterances, and the probability of the truth."""
    tables = []
    for speaker, label in (("1", "F"), ("2", "M")):
        for number, length in enumerate(seconds):
            bounds = np.array(chunk_bounds(int(length * SAMPLE_RATE), **grid)) / SAMPLE_RATE
            own = np.broadcast_to(of_truth, len(bounds))
            women = own if label == "F" else 1 - own
            columns = {"utterance_id": f"{speaker}-7-{number:04d}", "speaker_id": speaker}
            columns |= {"chapter_id": "7", "chunk": range(len(bounds)), "fold": 0, "label": label}
            columns |= {"start_seconds": bounds[:, 0], "end_seconds": bounds[:, 1]}
            tables.append(pd.DataFrame(columns | {"p_F": women, "p_M": 1 - women}))
    return pd.concat(tables, ignore_index=True)


def by_duration(chunks, hop=2.0, task="gender"):
    table = accuracy_by_duration(chunks, task, hop_seconds=hop, resamples=100)
    return table.set_index("duration")


def test_the_durations_are_one_two_four_eight_chunks_and_the_utterance():
    table = by_duration(predictions([16.0]))
    assert list(table.index) == ["2 s", "4 s", "8 s", "16 s", "utterance"]
    assert table["seconds"].tolist() == [2, 4, 8, 16, 16]
    assert table["runs"].tolist() == [16, 8, 4, 2, 2]
    assert table["utterances"].tolist() == [2] * 5
    assert (table["value"] == 1).all()
    # Overlapping chunks last from the start of the first to the end of the last.
    overlapping = by_duration(predictions([9.0], hop_seconds=1.0, tail="drop"), hop=1.0)
    assert list(overlapping.index) == ["2 s", "3 s", "5 s", "9 s", "utterance"]


def test_chunks_that_reach_back_and_short_utterances_make_no_run():
    # Chunks of 7 s: 0-2, 2-4, 4-6 and 5-7; the utterance of 1.5 s is one short chunk.
    table = by_duration(predictions([7.0, 1.5]))
    assert list(table.index) == ["2 s", "4 s", "utterance"]
    assert table["runs"].tolist() == [8, 2, 4]
    assert table["utterances"].tolist() == [2, 2, 4]
    assert table.loc["utterance", "seconds"] == pytest.approx(4.25)


def test_a_run_is_right_if_the_average_of_its_chunks_is():
    table = by_duration(predictions([8.0], [0.9, 0.4, 0.3, 0.2]))
    assert table["value"].tolist() == [0.25, 0.5, 0, 0]


def test_a_duration_that_one_speaker_never_reaches_is_scored_by_the_others():
    chunks = predictions([8.0])
    chunks = chunks[(chunks["speaker_id"] == "1") | (chunks["chunk"] == 0)]
    chunks = chunks.assign(label=chunks["speaker_id"])
    table = by_duration(chunks.rename(columns={"p_F": "p_1", "p_M": "p_2"}), task="speaker")
    assert table["speakers"].to_dict() == {"2 s": 2, "4 s": 1, "8 s": 1, "utterance": 2}
