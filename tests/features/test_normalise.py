"""What an utterance's own statistics can remove is removed, and nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech.features.normalise import normalise

frames_of = st.builds(
    lambda seed, frames: (
        np.random.default_rng(seed)
        .normal(loc=[0, 5, -20], scale=[1, 3, 0.1], size=(frames, 3))
        .astype(np.float32)
    ),
    st.integers(0, 1000),
    st.integers(5, 300),
)


@given(frames_of)
def test_each_way_removes_what_it_says_and_nothing_else(frames):
    """Not the frames it is given either, which others still use."""
    before, mean = frames.copy(), frames.astype(np.float64).mean(axis=0)
    expected = {
        "none": frames,
        "level": frames - mean * [1, 0, 0],
        "utterance_mean": frames - mean,
        "utterance": (frames - mean) / frames.astype(np.float64).std(axis=0),
    }
    for how, array in expected.items():
        np.testing.assert_allclose(normalise(frames, how), array, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(normalise(frames, "none"), before)
    np.testing.assert_array_equal(normalise(frames, "level")[:, 1:], before[:, 1:])
    np.testing.assert_array_equal(frames, before)


@pytest.mark.parametrize("how", ["none", "utterance_mean", "utterance"])
@pytest.mark.parametrize("frames", [1, 50])
def test_a_constant_coefficient_stays_finite(how, frames):
    constant = np.full((frames, 2), 7.25, dtype=np.float32)
    normalised = normalise(constant, how)
    assert normalised.dtype == np.float32
    np.testing.assert_array_equal(normalised, constant if how == "none" else 0)


@pytest.mark.parametrize("how", ["level", "utterance_mean", "utterance"])
def test_frames_that_do_not_count_have_no_say_in_the_statistics(how):
    random = np.random.default_rng(0)
    speech = random.standard_normal((40, 5)).astype(np.float32) + 3
    pause = np.zeros((60, 5), np.float32)
    counted = np.arange(100) >= 60
    normalised = normalise(np.concatenate([pause, speech]), how, counted)
    np.testing.assert_array_equal(normalised[60:], normalise(speech, how))
    assert normalised.shape == (100, 5)
