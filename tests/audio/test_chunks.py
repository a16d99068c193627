"""The grid of chunks: equal lengths, nothing padded, nothing lost but what the tail rule says."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech.audio import SAMPLE_RATE
from speech.audio.chunks import chunk_bounds

samples_of = st.integers(1, 20 * SAMPLE_RATE)


@st.composite
def settings_of(draw, tail=None, consecutive=True):
    """Chunks of 0.1 to 5 s; consecutive ones touch or overlap."""
    seconds = draw(st.floats(0.1, 5))
    hop = draw(st.floats(0.01, seconds if consecutive else 10))
    rule = tail or draw(st.sampled_from(["overlap", "drop"]))
    return {"seconds": seconds, "hop_seconds": hop, "tail": rule}


def length_of(settings):
    return int(settings["seconds"] * SAMPLE_RATE + 0.5)


def hop_of(settings):
    return int(settings["hop_seconds"] * SAMPLE_RATE + 0.5)


@given(samples_of, settings_of(consecutive=False))
def test_chunks_of_one_length_start_one_hop_apart_and_only_the_last_may_start_sooner(
    samples, settings
):
    bounds = chunk_bounds(samples, **settings)
    # One chunk, as it is, of what is no longer than a chunk.
    assert {stop - start for start, stop in bounds} == {min(samples, length_of(settings))}
    assert bounds[0][0] == 0
    assert bounds[-1][1] <= samples
    steps = [after - before for (before, _), (after, _) in pairwise(bounds)]
    assert all(step == hop_of(settings) for step in steps[:-1])
    assert all(0 < step <= hop_of(settings) for step in steps[-1:])


@given(samples_of, settings_of(tail="overlap"))
def test_with_overlap_every_sample_is_in_some_chunk(samples, settings):
    covered = 0
    for start, stop in chunk_bounds(samples, **settings):
        assert start <= covered, "a gap"
        covered = stop
    assert covered == samples


@given(samples_of, settings_of(consecutive=False))
def test_drop_leaves_out_less_than_one_hop_which_overlap_covers_by_one_more_chunk(
    samples, settings
):
    overlap = chunk_bounds(samples, **settings | {"tail": "overlap"})
    drop = chunk_bounds(samples, **settings | {"tail": "drop"})
    assert samples - drop[-1][1] < hop_of(settings)
    assert all(start % hop_of(settings) == 0 for start, _ in drop)
    assert overlap[: len(drop)] == drop
    assert len(overlap) - len(drop) == (drop[-1][1] < samples)


@pytest.mark.parametrize(
    ("seconds", "tail", "hop", "starts"),
    [
        (5, "drop", 2.0, [0, 2]),
        (5, "overlap", 2.0, [0, 2, 3]),
        (5, "overlap", 1.0, [0, 1, 2, 3]),
        (4, "drop", 2.0, [0, 2]),
        (2, "drop", 2.0, [0]),
    ],
)
def test_chunks_of_two_seconds_by_hand(seconds, tail, hop, starts):
    bounds = chunk_bounds(seconds * 16_000, hop_seconds=hop, tail=tail)
    assert bounds == [(start * 16_000, (start + 2) * 16_000) for start in starts]
