"""Accuracy by seconds of speech: which chunks make a run, and what they are worth together."""

import numpy as np
import pandas as pd
import pytest

from speech.audio.chunks import chunk_bounds
from speech.evaluation.by_duration import accuracy_by_length
from speech.params import SAMPLE_RATE, Chunks

SETTINGS = Chunks(seconds=2.0, hop_seconds=2.0, tail="overlap")
RESAMPLING = {"resamples": 100, "seed": 0}


def predictions(seconds, women, settings=SETTINGS):
    """Make up chunks of one woman's and one man's utterances.

    ``women(random, chunks)`` gives the probability that a chunk says of its own true class.
    """
    random = np.random.default_rng(0)
    rows = []
    for speaker, label in (("1", "F"), ("2", "M")):
        for number, length in enumerate(seconds):
            bounds = chunk_bounds(int(length * SAMPLE_RATE), settings)
            truth = women(random, len(bounds))
            for chunk, (start, stop) in enumerate(bounds):
                rows.append(
                    {
                        "utterance_id": f"{speaker}-7-{number:04d}",
                        "speaker_id": speaker,
                        "chapter_id": "7",
                        "chunk": chunk,
                        "start_seconds": start / SAMPLE_RATE,
                        "end_seconds": stop / SAMPLE_RATE,
                        "fold": 0,
                        "label": label,
                        "p_F": truth[chunk] if label == "F" else 1 - truth[chunk],
                        "p_M": truth[chunk] if label == "M" else 1 - truth[chunk],
                    }
                )
    return pd.DataFrame(rows)


def by_length(chunks, settings=SETTINGS, task="gender", halves=None):
    halves = chunks.head(0) if halves is None else halves
    return accuracy_by_length(chunks, halves, settings, task, **RESAMPLING).set_index("length")


def test_the_lengths_are_one_two_four_eight_chunks_and_the_utterance():
    table = by_length(predictions([16.0], lambda _, n: np.full(n, 0.9)))
    assert list(table.index) == ["2 s", "4 s", "8 s", "16 s", "utterance"]
    assert table["seconds"].tolist() == [2, 4, 8, 16, 16]
    assert table["runs"].tolist() == [16, 8, 4, 2, 2]
    assert table["utterances"].tolist() == [2] * 5
    assert (table["value"] == 1).all()


def test_chunks_that_reach_back_and_short_utterances_make_no_run():
    # Chunks of 7 s: 0-2, 2-4, 4-6 and 5-7; the utterance of 1.5 s is one short chunk.
    table = by_length(predictions([7.0, 1.5], lambda _, n: np.full(n, 0.9)))
    assert list(table.index) == ["2 s", "4 s", "utterance"]
    assert table["runs"].tolist() == [8, 2, 4]
    assert table["utterances"].tolist() == [2, 2, 4]
    assert table.loc["utterance", "seconds"] == pytest.approx(4.25)


def test_overlapping_chunks_are_as_long_as_they_reach():
    settings = Chunks(seconds=2.0, hop_seconds=1.0, tail="drop")
    chunks = predictions([9.0], lambda _, n: np.full(n, 0.9), settings)
    table = by_length(chunks, settings)
    assert list(table.index) == ["2 s", "3 s", "5 s", "9 s", "utterance"]


def test_a_run_is_right_if_its_chunks_joined_are():
    table = by_length(predictions([8.0], lambda *_: np.array([0.9, 0.4, 0.3, 0.2])))
    assert table.loc["2 s", "value"] == 0.25
    assert table.loc["4 s", "value"] == 0.5
    assert table.loc["8 s", "value"] == table.loc["utterance", "value"] == 0


def test_more_speech_tells_more_where_chunks_err_by_chance():
    chunks = predictions([16.0] * 200, lambda random, n: random.normal(0.55, 0.2, n).clip(0, 1))
    values = by_length(chunks)["value"].tolist()
    assert values == sorted(values)
    assert values[3] > values[0] + 0.1


def test_a_length_that_one_speaker_never_reaches_is_scored_by_the_others():
    chunks = predictions([8.0], lambda _, n: np.full(n, 0.9))
    chunks = chunks[(chunks["speaker_id"] == "1") | (chunks["chunk"] == 0)]
    table = by_length(
        chunks.assign(label=chunks["speaker_id"]).rename(columns={"p_F": "p_1", "p_M": "p_2"}),
        task="speaker",
    )
    assert table["speakers"].to_dict() == {"2 s": 2, "4 s": 1, "8 s": 1, "utterance": 2}


@pytest.mark.parametrize(("seconds", "name"), [(2.0, "1 s"), (3.0, "1.5 s")])
def test_half_a_chunk_comes_first_by_what_was_said_of_it_alone(seconds, name):
    settings = Chunks(seconds=seconds, hop_seconds=seconds, tail="overlap")
    chunks = predictions([2 * seconds], lambda _, n: np.full(n, 0.9), settings)
    halves = chunks[chunks["chunk"] == 0].assign(p_F=0.6, p_M=0.4)
    table = by_length(chunks, settings, halves=halves)
    assert list(table.index) == [name, f"{seconds:g} s", f"{2 * seconds:g} s", "utterance"]
    half = table.loc[name]
    assert half["seconds"] == seconds / 2
    assert half["runs"] == half["utterances"] == half["speakers"] == 2
    assert half["value"] == 0.5
    assert (table["value"][1:] == 1).all()
