"""Sounds without speech, made so that anyone can make the same again."""

import numpy as np
from scipy.signal import lfilter

RATE = 16_000
SAMPLES = 10 * RATE
LEVELS_DB = (-6.0, -20.0, -34.0)
"""Root mean square to full scale: very loud, as speech is recorded, and from afar."""

_TIME = np.arange(SAMPLES) / RATE
_SCALE = 2 ** (np.array([0, 2, 4, 7, 9, 12]) / 12)


def _coloured(exponent):
    def make(random):
        spectrum = np.fft.rfft(random.standard_normal(SAMPLES))
        frequency = np.maximum(np.fft.rfftfreq(SAMPLES, 1 / RATE), 20)
        return np.fft.irfft(spectrum / frequency ** (exponent / 2), SAMPLES)

    return make


def _hum(random):
    partials = np.arange(1, 13)[:, None]
    strengths = random.uniform(0.1, 1, (12, 1)) / partials
    return (strengths * np.sin(2 * np.pi * 50 * partials * _TIME)).sum(axis=0)


def _clicks(random):
    clicks = np.zeros(SAMPLES)
    clicks[:: round(RATE / random.uniform(1, 8))] = 1
    return lfilter([1], [1, -1.6, 0.8], clicks) + 1e-4 * random.standard_normal(SAMPLES)


def _melody(random):
    """Play a note after another, each with overtones that decay."""
    tune, start = np.zeros(SAMPLES), 0
    while start < SAMPLES:
        length = round(RATE * random.choice([0.15, 0.3, 0.6]))
        time = _TIME[: min(2 * length, SAMPLES - start)]
        hertz = 220 * random.choice(_SCALE)
        for partial in range(1, 6):
            tone = 0.5**partial * np.sin(2 * np.pi * hertz * partial * time)
            tune[start : start + len(time)] += tone * np.exp(-3 * time)
        start += length
    return tune


_KINDS = {
    "white noise": _coloured(0),
    "pink noise": _coloured(1),
    "brown noise": _coloured(2),
    "hum": _hum,
    "clicks": _clicks,
    "sine": lambda random: np.sin(2 * np.pi * random.uniform(80, 4000) * _TIME),
    "melody": _melody,
}


def make_sounds(seed=0):
    """Yield (kind, float32 signal of ten seconds) for every kind at every level."""
    for number, (kind, make) in enumerate(_KINDS.items()):
        for level, level_db in enumerate(LEVELS_DB):
            signal = make(np.random.default_rng([seed, number, level]))
            signal *= 10 ** (level_db / 20) / np.sqrt(np.mean(signal**2))
            yield kind, np.clip(signal, -0.99, 0.99).astype(np.float32)
    yield "digital silence", np.zeros(SAMPLES, np.float32)
    dither = np.random.default_rng(seed).integers(-1, 2, SAMPLES)
    yield "dithered silence", (dither / 32768).astype(np.float32)
