"""Passages: without gaps, whole chunks, whatever the blocks that the samples came in."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech.audio import SAMPLE_RATE
from speech.audio.stream import Block
from speech.inference import passages
from speech.inference.passages import cut_passages

SECONDS = 0.1
CHUNK = 1600
LENGTH = 5 * CHUNK


@pytest.fixture(autouse=True, scope="module")
def _short_passages():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passages, "LONGEST_SECONDS", 0.55)
        yield


def blocks_of(signal, cuts, clipped=()):
    clipped = np.asarray(clipped, dtype=np.int64)
    ends = sorted({cut for cut in cuts if cut < len(signal)} | {len(signal)})
    starts = [0, *ends[:-1]]
    for start, end in zip(starts, ends, strict=True):
        own = clipped[(clipped >= start) & (clipped < end)]
        yield Block(signal[start:end], own / SAMPLE_RATE)


@given(samples=st.integers(1, 6 * LENGTH), cuts=st.lists(st.integers(1, 6 * LENGTH), max_size=8))
def test_nothing_is_lost_however_the_blocks_are_cut(samples, cuts):
    signal = np.arange(samples, dtype=np.float32)
    cut = list(cut_passages(blocks_of(signal, cuts), chunk_seconds=SECONDS))
    np.testing.assert_array_equal(np.concatenate([one.signal for one in cut]), signal)
    assert [one.start for one in cut] == [number * LENGTH for number in range(len(cut))]
    *whole, last = cut
    assert all(len(one.signal) == LENGTH for one in whole)
    assert len(last.signal) < LENGTH + CHUNK
    assert len(last.signal) >= min(samples, CHUNK)


def test_a_recording_as_long_as_an_utterance_is_one_passage(monkeypatch):
    monkeypatch.setattr(passages, "LONGEST_SECONDS", 40.0)
    signal = np.zeros(round(35.2 * SAMPLE_RATE), np.float32)
    assert len(list(cut_passages(blocks_of(signal, [])))) == 1


def test_a_chunk_longer_than_a_passage_makes_it_as_long():
    signal = np.zeros(5 * SAMPLE_RATE, np.float32)
    cut = list(cut_passages(blocks_of(signal, [100]), chunk_seconds=1.0))
    assert [len(one.signal) for one in cut] == 5 * [SAMPLE_RATE]


def test_clipped_samples_are_found_in_their_passage():
    signal = np.zeros(3 * LENGTH, np.float32)
    first, second, third = cut_passages(
        blocks_of(signal, [700], clipped=[5, LENGTH, LENGTH + 7]), chunk_seconds=SECONDS
    )
    assert first.clipped.tolist() == [5]
    assert second.clipped.tolist() == [0, 7]
    assert third.clipped.tolist() == []


def test_an_empty_recording_has_no_passage():
    assert list(cut_passages([], chunk_seconds=SECONDS)) == []
    assert (
        list(cut_passages([Block(np.empty(0, np.float32), np.empty(0))], chunk_seconds=SECONDS))
        == []
    )
