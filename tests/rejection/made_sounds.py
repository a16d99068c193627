"""Signals that are no speech, made to measure how often they are taken for it.

Noises, hums and clicks, tones and sweeps, chords, melodies and drums: what microphones pick up and
what files hold when nobody speaks. They are made, not recorded, so that anyone can make the same
again; nothing is ever trained on them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import chirp, lfilter, square

from speech.audio.conditions import coloured_noise
from speech.params import SAMPLE_RATE

Signal = NDArray[np.float64]

LEVELS_DB = (-6.0, -20.0, -34.0)
"""Root mean square to full scale: as loud as it goes, as speech is recorded, from afar."""

_FULL_SCALE = 0.99


@dataclass(frozen=True)
class NonSpeech:
    """One made signal.

    Attributes
    ----------
    kind
        What it is, such as ``pink noise``.
    family
        ``noise``, ``tones``, ``music`` or ``silence``.
    level_db
        Root mean square to full scale; minus infinity for digital silence.
    signal
        float32, shape (samples,), at 16 kHz.
    """

    kind: str
    family: str
    level_db: float
    signal: NDArray[np.float32]


def make_nonspeech(seconds: float, draws: int, seed: int) -> Iterator[NonSpeech]:
    """Make signals of every kind at every level.

    Parameters
    ----------
    seconds
        Length of each.
    draws
        How many of each kind and level: other tones, other tunes.
    seed
        Of whatever is drawn; the same seed makes the same signals.

    Yields
    ------
    NonSpeech
        One at a time, because all of them at once would be large.
    """
    samples = round(seconds * SAMPLE_RATE)
    for number, (kind, (family, make)) in enumerate(_KINDS.items()):
        for level, level_db in enumerate(LEVELS_DB):
            for draw in range(draws):
                random = np.random.default_rng([seed, number, level, draw])
                signal = _at_level(make(samples, random), level_db)
                yield NonSpeech(kind, family, level_db, signal)
    yield NonSpeech("digital silence", "silence", -np.inf, np.zeros(samples, np.float32))
    dither = np.random.default_rng(seed).integers(-1, 2, samples) / 32768
    level_db = 20 * np.log10(np.sqrt(np.mean(dither**2)))
    yield NonSpeech("dithered silence", "silence", float(level_db), dither.astype(np.float32))


def _at_level(signal: Signal, level_db: float) -> NDArray[np.float32]:
    loudness = np.sqrt(np.mean(signal**2))
    scaled = signal * (10 ** (level_db / 20) / loudness)
    # What is louder than full scale is cut off, as a converter does.
    return np.clip(scaled, -_FULL_SCALE, _FULL_SCALE).astype(np.float32)


def _white(samples: int, random: np.random.Generator) -> Signal:
    return random.standard_normal(samples)


def _pink(samples: int, random: np.random.Generator) -> Signal:
    return coloured_noise(samples, 1, random)


def _brown(samples: int, random: np.random.Generator) -> Signal:
    return coloured_noise(samples, 2, random)


def _wind(samples: int, random: np.random.Generator) -> Signal:
    """Make low noise that swells and falls once in a few seconds."""
    knots = np.arange(0, samples + SAMPLE_RATE, SAMPLE_RATE // 2)
    gusts = np.interp(np.arange(samples), knots, random.uniform(0.1, 1, len(knots)))
    return coloured_noise(samples, 2, random) * gusts


def _rain(samples: int, random: np.random.Generator) -> Signal:
    drops = random.standard_normal(samples) * (random.random(samples) < 200 / SAMPLE_RATE)
    return lfilter([1], [1, -0.9], drops) + 0.02 * random.standard_normal(samples)


def _hum(samples: int, random: np.random.Generator) -> Signal:
    """Make the hum of the mains, with its harmonics and some noise."""
    base = random.choice([50.0, 60.0])
    strengths = random.uniform(0.1, 1, 12) / np.arange(1, 13)
    hum = sum(
        strength * np.sin(2 * np.pi * base * harmonic * _time(samples))
        for harmonic, strength in enumerate(strengths, start=1)
    )
    return hum + 0.02 * random.standard_normal(samples)


def _clicks(samples: int, random: np.random.Generator) -> Signal:
    """Make a clock: short clicks at an even pace."""
    clicks = np.zeros(samples)
    clicks[:: round(SAMPLE_RATE / random.uniform(1, 8))] = 1
    return lfilter([1], [1, -1.6, 0.8], clicks) + 1e-4 * random.standard_normal(samples)


def _sine(samples: int, random: np.random.Generator) -> Signal:
    return np.sin(2 * np.pi * np.exp(random.uniform(np.log(80), np.log(4000))) * _time(samples))


def _buzz(samples: int, random: np.random.Generator) -> Signal:
    """Make a square wave at the pitch of a voice."""
    return square(2 * np.pi * random.uniform(80, 400) * _time(samples))


def _sweep(samples: int, random: np.random.Generator) -> Signal:
    low, high = random.uniform(60, 200), random.uniform(2000, 7000)
    seconds = random.choice([1, 2, 5])
    return chirp(_time(samples) % seconds, low, seconds, high, method="logarithmic")


def _siren(samples: int, random: np.random.Generator) -> Signal:
    depth, rate = random.uniform(0.2, 0.5), random.uniform(0.3, 4)
    phase = 700 * (_time(samples) - depth / rate / 6.28 * np.cos(2 * np.pi * rate * _time(samples)))
    return np.sin(2 * np.pi * phase) + 0.3 * np.sin(4 * np.pi * phase)


def _dialling(samples: int, random: np.random.Generator) -> Signal:
    """Make a telephone dialling: pairs of tones, ten a second or fewer."""
    length = round(SAMPLE_RATE / random.uniform(3, 10))
    pairs = random.choice([697, 770, 852, 941, 1209, 1336, 1477], (samples // length + 1, 2))
    frequencies = np.repeat(pairs, length, axis=0)[:samples]
    tones = np.sin(2 * np.pi * frequencies * _time(samples)[:, None]).sum(axis=1)
    return tones * (np.arange(samples) % length < 0.7 * length)


_SCALE = 2.0 ** (np.array([0, 2, 4, 5, 7, 9, 11, 12]) / 12)
"""Of the major key, as ratios to its first note."""


def _note(samples: int, hz: float, decay: float, brightness: float) -> Signal:
    """Make a note whose harmonics fall off by brightness, and which dies away in decay seconds."""
    time = _time(samples)
    harmonics = np.arange(1, min(12, int(SAMPLE_RATE / 2 / hz)) + 1)[:, None]
    tone = (brightness**harmonics * np.sin(2 * np.pi * hz * harmonics * time)).sum(axis=0)
    return tone * np.exp(-time / decay) * np.minimum(time / 0.01, 1)


def _melody(samples: int, random: np.random.Generator) -> Signal:
    """Make a tune of plucked or blown notes."""
    tune = np.zeros(samples)
    base, decay = random.uniform(130, 400), random.uniform(0.1, 1)
    brightness = random.uniform(0.3, 0.8)
    start = 0
    while start < samples:
        length = round(SAMPLE_RATE * random.choice([0.15, 0.3, 0.6]))
        end = min(start + 2 * length, samples)
        tune[start:end] += _note(end - start, base * random.choice(_SCALE), decay, brightness)
        start += length
    return tune


def _chords(samples: int, random: np.random.Generator) -> Signal:
    """Make triads that follow each other slowly."""
    music = np.zeros(samples)
    base, decay = random.uniform(110, 260), random.uniform(0.5, 3)
    brightness = random.uniform(0.3, 0.8)
    length = round(SAMPLE_RATE * random.uniform(0.5, 2))
    for start in range(0, samples, length):
        root = random.integers(0, 4)
        end = min(start + length, samples)
        for step in (0, 2, 4):
            hz = base * _SCALE[root + step]
            music[start:end] += _note(end - start, hz, decay, brightness)
    return music


def _drums(samples: int, random: np.random.Generator) -> Signal:
    """Make a beat of kick, snare and hat."""
    beat = np.zeros(samples)
    length = round(SAMPLE_RATE * random.uniform(0.1, 0.25))
    for number, start in enumerate(range(0, samples, length)):
        end = min(start + 2 * length, samples)
        time = _time(end - start)
        noise = random.standard_normal(end - start)
        hit = 0.15 * noise * np.exp(-time / 0.02)
        if number % 4 == 0:
            hit += np.sin(2 * np.pi * (50 * time - 5 * np.exp(-time / 0.03))) * np.exp(-time / 0.1)
        elif number % 4 == 2:
            hit += 0.5 * noise * np.exp(-time / 0.06)
        beat[start:end] += hit
    return beat


def _band(samples: int, random: np.random.Generator) -> Signal:
    """Make a melody over chords and drums."""
    return sum(
        random.uniform(0.5, 1.5) * part / np.sqrt(np.mean(part**2))
        for part in (make(samples, random) for make in (_melody, _chords, _drums))
    )


def _time(samples: int) -> Signal:
    return np.arange(samples) / SAMPLE_RATE


_KINDS: dict[str, tuple[str, Callable[[int, np.random.Generator], Signal]]] = {
    "white noise": ("noise", _white),
    "pink noise": ("noise", _pink),
    "brown noise": ("noise", _brown),
    "wind": ("noise", _wind),
    "rain": ("noise", _rain),
    "hum": ("noise", _hum),
    "clicks": ("noise", _clicks),
    "sine": ("tones", _sine),
    "square wave": ("tones", _buzz),
    "sweep": ("tones", _sweep),
    "siren": ("tones", _siren),
    "dialling": ("tones", _dialling),
    "melody": ("music", _melody),
    "chords": ("music", _chords),
    "drums": ("music", _drums),
    "band": ("music", _band),
}
