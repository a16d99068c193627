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
    st.integers(2, 300),
)


@given(frames_of)
def test_none_changes_nothing(frames):
    np.testing.assert_array_equal(normalise(frames, "none"), frames)


@given(frames_of)
def test_utterance_mean_removes_the_mean_and_keeps_the_shape(frames):
    normalised = normalise(frames, "utterance_mean")
    np.testing.assert_allclose(normalised.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(np.diff(normalised, axis=0), np.diff(frames, axis=0), atol=1e-4)


@given(frames_of)
def test_utterance_leaves_mean_zero_and_variance_one(frames):
    normalised = normalise(frames, "utterance").astype(np.float64)
    np.testing.assert_allclose(normalised.mean(axis=0), 0, atol=1e-2)
    np.testing.assert_allclose(normalised.std(axis=0), 1, atol=1e-2)


@given(frames_of)
def test_level_centres_the_first_coefficient_alone(frames):
    normalised = normalise(frames, "level")
    np.testing.assert_allclose(normalised[:, 0].mean(), 0, atol=1e-4)
    np.testing.assert_allclose(np.diff(normalised[:, 0]), np.diff(frames[:, 0]), atol=1e-4)
    np.testing.assert_array_equal(normalised[:, 1:], frames[:, 1:])


@pytest.mark.parametrize("how", ["utterance_mean", "utterance"])
@given(frames=frames_of, offset=st.floats(-50, 50))
def test_a_constant_of_the_session_makes_no_difference(how, frames, offset):
    np.testing.assert_allclose(
        normalise(frames + np.float32(offset), how), normalise(frames, how), atol=1e-2
    )


@given(frames=frames_of, gain=st.floats(0.5, 20))
def test_the_scale_makes_no_difference_once_variance_is_removed(frames, gain):
    np.testing.assert_allclose(
        normalise(frames * np.float32(gain), "utterance"), normalise(frames, "utterance"), atol=1e-2
    )


@pytest.mark.parametrize("how", ["none", "utterance_mean", "utterance"])
@pytest.mark.parametrize("frames", [1, 50])
def test_a_constant_coefficient_stays_finite(how, frames):
    constant = np.full((frames, 2), 7.25, dtype=np.float32)
    normalised = normalise(constant, how)
    assert normalised.dtype == np.float32
    np.testing.assert_array_equal(normalised, constant if how == "none" else 0)


@pytest.mark.parametrize("how", ["utterance_mean", "utterance"])
def test_the_frames_given_are_not_changed(how):
    frames = np.arange(12, dtype=np.float32).reshape(4, 3)
    before = frames.copy()
    normalise(frames, how)
    np.testing.assert_array_equal(frames, before)


@pytest.mark.parametrize("how", ["level", "utterance_mean", "utterance"])
def test_frames_that_do_not_count_have_no_say_in_the_statistics(how):
    random = np.random.default_rng(0)
    speech = random.standard_normal((40, 5)).astype(np.float32) + 3
    pause = np.zeros((60, 5), np.float32)
    counted = np.arange(100) >= 60
    normalised = normalise(np.concatenate([pause, speech]), how, counted)
    np.testing.assert_array_equal(normalised[60:], normalise(speech, how))
    assert normalised.shape == (100, 5)
