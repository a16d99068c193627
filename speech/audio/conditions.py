"""Clean speech as it comes from other rooms, microphones and lines.

Corpora are read in quiet rooms. What is to know speech from other sounds in users' recordings must
have heard it in noise, through a telephone, in a hall and too loud as well.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, oaconvolve, sosfilt

from speech.params import SAMPLE_RATE

Signal = NDArray[np.float32]

_TELEPHONE = butter(4, [300, 3400], "bandpass", fs=SAMPLE_RATE, output="sos")
_DISTANT = 0.03
_OVERDRIVEN = 20.0


def coloured_noise(samples: int, exponent: float, random: np.random.Generator) -> NDArray:
    """Make noise of unit power whose power density falls with frequency to an exponent.

    Parameters
    ----------
    samples
        Length at 16 kHz.
    exponent
        0 for white noise, 1 for pink, 2 for brown; flat below 20 Hz.
    random
        Where it comes from.

    Returns
    -------
    ndarray of shape (samples,)
        The noise.
    """
    spectrum = np.fft.rfft(random.standard_normal(samples))
    frequency = np.fft.rfftfreq(samples, 1 / SAMPLE_RATE)
    noise = np.fft.irfft(spectrum / np.maximum(frequency, 20) ** (exponent / 2), samples)
    return noise / noise.std()


def under_condition(signal: Signal, condition: str, random: np.random.Generator) -> Signal:
    """Make of clean speech what would be recorded under a condition.

    Parameters
    ----------
    signal
        Shape (samples,), at 16 kHz, full scale ±1.
    condition
        A key of `CONDITIONS`.
    random
        Of the noise or the room.

    Returns
    -------
    ndarray of shape (samples,)
        float32, within full scale.
    """
    changed = CONDITIONS[condition](signal.astype(np.float64), random)
    return (changed / max(1.0, np.abs(changed).max())).astype(np.float32)


def _in_noise(signal: NDArray, random: np.random.Generator, decibels: float, exponent: float):  # noqa: ANN202
    noise = coloured_noise(len(signal), exponent, random)
    return signal + noise * np.sqrt(np.mean(signal**2)) / 10 ** (decibels / 20)


def _in_a_room(signal: NDArray, random: np.random.Generator) -> NDArray:
    """Add an echo of noise that falls by 60 dB in 0.3 to 0.8 seconds."""
    tail = round(random.uniform(0.3, 0.8) * SAMPLE_RATE)
    echo = random.standard_normal(tail) * 10 ** (-3 * np.arange(tail) / tail)
    echo *= random.uniform(0.3, 1.0) / np.linalg.norm(echo)
    echo[0] += 1
    return oaconvolve(signal, echo)[: len(signal)]


CONDITIONS: dict[str, Callable[[NDArray, np.random.Generator], NDArray]] = {
    "clean": lambda signal, _: signal,
    "distant": lambda signal, _: _DISTANT * signal,
    "overdriven": lambda signal, _: np.clip(_OVERDRIVEN * signal, -1, 1),
    "telephone": lambda signal, _: sosfilt(_TELEPHONE, signal),
    "white noise 30 dB": lambda signal, random: _in_noise(signal, random, 30, 0),
    "white noise 20 dB": lambda signal, random: _in_noise(signal, random, 20, 0),
    "pink noise 20 dB": lambda signal, random: _in_noise(signal, random, 20, 1),
    "white noise 10 dB": lambda signal, random: _in_noise(signal, random, 10, 0),
    "pink noise 10 dB": lambda signal, random: _in_noise(signal, random, 10, 1),
    "brown noise 10 dB": lambda signal, random: _in_noise(signal, random, 10, 2),
    "room": _in_a_room,
}
"""Noise is that many decibels below the speech."""

MILD = (
    "clean",
    "distant",
    "overdriven",
    "telephone",
    "white noise 30 dB",
    "white noise 20 dB",
    "pink noise 20 dB",
)
"""Under which a single second is enough to tell speech from other sounds."""
