"""Clean speech as it would sound with noise, in a room, or through a telephone."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from speech.params import SAMPLE_RATE

Signal = NDArray[np.floating]


def add_noise(
    signal: Signal, *, snr_db: float, exponent: float = 1.0, random: np.random.Generator
) -> Signal:
    """Add noise whose power density falls with frequency to an exponent; flat below 20 Hz.

    Parameters
    ----------
    signal
        Shape (samples,), at 16 kHz.
    snr_db
        How far the noise is below the signal.
    exponent
        0 for white noise, 1 for pink, 2 for brown.
    random
        Where the noise comes from.
    """
    spectrum = np.fft.rfft(random.standard_normal(len(signal)))
    frequency = np.fft.rfftfreq(len(signal), 1 / SAMPLE_RATE)
    noise = np.fft.irfft(spectrum / np.maximum(frequency, 20) ** (exponent / 2), len(signal))
    gain = np.sqrt(np.mean(np.square(signal))) / noise.std() / 10 ** (snr_db / 20)
    return signal + gain * noise


def add_reverberation(
    signal: Signal, *, seconds: float, level: float, random: np.random.Generator
) -> Signal:
    """Add an echo of noise that falls by 60 dB.

    Parameters
    ----------
    signal
        Shape (samples,), at 16 kHz.
    seconds
        In which the echo falls by 60 dB.
    level
        Of the echo, relative to the sound that comes directly.
    random
        Of the room.
    """
    from scipy.signal import oaconvolve

    tail = round(seconds * SAMPLE_RATE)
    echo = random.standard_normal(tail) * 10 ** (-3 * np.arange(tail) / tail)
    echo *= level / np.linalg.norm(echo)
    echo[0] += 1
    return oaconvolve(signal, echo)[: len(signal)]


def limit_band(signal: Signal, *, low_hz: float, high_hz: float) -> Signal:
    """Take away what is below and above a band.

    Parameters
    ----------
    signal
        Shape (samples,), at 16 kHz.
    low_hz, high_hz
        Ends of the band.
    """
    from scipy.signal import butter, sosfilt

    band = butter(4, [low_hz, high_hz], "bandpass", fs=SAMPLE_RATE, output="sos")
    return sosfilt(band, signal)


CONDITIONS: dict[str, Callable[[Signal, np.random.Generator], Signal]] = {
    "clean": lambda signal, _: signal,
    "noise 20 dB": lambda signal, random: add_noise(signal, snr_db=20, random=random),
    "noise 10 dB": lambda signal, random: add_noise(signal, snr_db=10, random=random),
    "reverberation": lambda signal, random: add_reverberation(
        signal, seconds=0.5, level=0.6, random=random
    ),
    "telephone": lambda signal, _: limit_band(signal, low_hz=300, high_hz=3400),
}
"""Under which the rejection of speech is measured."""
