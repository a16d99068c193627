"""Pitch as Praat measures it, at the frames of the MFCC."""

import numpy as np
import pytest

from speech.audio import SAMPLE_RATE
from speech.features.mfcc import frame_count
from speech.features.pitch import UNVOICED, pitch, pitch_statistics


def measure(signal):
    return pitch(np.asarray(signal, dtype=np.float32))


def voice(hertz, seconds=1.0):
    """Synthesise a buzz: a fundamental and its harmonics."""
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return sum(np.sin(2 * np.pi * hertz * k * time) / k for k in range(1, 20)) * 0.1


@pytest.mark.parametrize("hertz", [80, 120, 210, 330])
def test_a_buzz_has_the_pitch_it_was_made_with(hertz):
    log_pitch, strength = measure(voice(hertz)).T
    voiced = log_pitch > UNVOICED
    assert voiced.mean() > 0.9
    np.testing.assert_allclose(2 ** log_pitch[voiced], hertz, rtol=0.01)
    assert np.median(strength) > 0.9


@pytest.mark.parametrize("signal", ["silence", "noise"])
def test_what_is_no_voice_is_unvoiced(signal):
    noise = np.random.default_rng(0).normal(scale=0.1, size=SAMPLE_RATE)
    measured = measure(np.zeros(SAMPLE_RATE) if signal == "silence" else noise)
    assert (measured[:, 0] == UNVOICED).mean() > 0.9
    assert np.isfinite(measured).all()


@pytest.mark.parametrize("samples", [400, 401, 799, 800, 801, 1600, 16_000, 12_345])
def test_there_is_one_row_for_every_frame_of_the_mfcc(samples):
    measured = measure(voice(150)[:samples])
    assert measured.shape == (frame_count(samples), 2)
    assert measured.dtype == np.float32
    assert np.isfinite(measured).all()


def test_a_jump_of_pitch_is_found_at_its_frame():
    measured = measure(np.concatenate([voice(100), voice(200)]))
    middle = 100
    before, after = measured[middle - 20 : middle - 5, 0], measured[middle + 5 : middle + 20, 0]
    np.testing.assert_allclose(2**before, 100, rtol=0.02)
    np.testing.assert_allclose(2**after, 200, rtol=0.02)


def test_a_long_recording_is_measured_in_passages_as_a_whole_would_be(monkeypatch):
    signal = np.concatenate([voice(hertz, 0.7) for hertz in (100, 130, 200, 260, 120, 180)])
    whole = measure(signal)
    monkeypatch.setattr("speech.features.pitch.PASSAGE_SECONDS", 1)
    passages = measure(signal)
    assert passages.shape == whole.shape == (frame_count(len(signal)), 2)
    # Praat counts its frames from another sample, so a frame at a jump may go the other way.
    assert np.isclose(passages[:, 0], whole[:, 0], atol=0.01).mean() > 0.98


def frames_of(*hertz):
    log_pitch = [np.log2(value) if value else UNVOICED for value in hertz]
    return np.column_stack([log_pitch, np.ones(len(log_pitch))]).astype(np.float32)


def test_statistics_are_of_the_voiced_frames_alone():
    octaves = np.linspace(0, 2, 21)
    chunk = frames_of(*100 * 2 ** octaves[:10], *[0] * 9, *100 * 2 ** octaves[10:])
    *percentiles, std, share = pitch_statistics(chunk, chunk)
    np.testing.assert_allclose(percentiles - np.log2(100), [0.2, 1, 1.8], atol=1e-4)
    assert std == pytest.approx(octaves.std(), rel=1e-4)
    assert share == pytest.approx(21 / 30)


def test_for_a_chunk_without_voice_stands_the_utterance_or_else_what_lies_between_the_genders():
    utterance, silent = frames_of(*[220] * 50, *[0] * 50), frames_of(*[0] * 50)
    *percentiles, _, share = pitch_statistics(silent, utterance)
    np.testing.assert_allclose(2 ** np.array(percentiles), 220, rtol=1e-4)
    assert share == 0
    low, middle, high, std, share = pitch_statistics(silent, silent)
    assert low == middle == high
    assert 140 < 2**middle < 170
    assert (std, share) == (0, 0)
