"""Clean speech as it comes from other rooms, microphones and lines.

Training examples are augmented by conditions drawn at random; rejection is measured under a few
fixed ones. Both use the same three effects: noise, reverberation and a limited band.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE

Signal = NDArray[np.float32]

_NOISE_EXPONENTS = (-0.2, 1.2)
"""From a little bluer than white noise to a little redder than pink noise."""

_REVERBERATION_SECONDS, _REVERBERATION_LEVELS = (0.2, 0.8), (0.3, 1.0)
_LOW_HZ, _HIGH_HZ = (60.0, 400.0), (2500.0, 6000.0)
_ORDERS = (2, 7)
"""Ranges from which random conditions are drawn."""


def coloured_noise(
    samples: int, *, exponent: float = 1.0, random: np.random.Generator
) -> NDArray[np.float64]:
    """Make noise of unit power whose power density falls with frequency.

    Parameters
    ----------
    samples
        Length at 16 kHz.
    exponent
        0 for white noise, 1 for pink, 2 for brown; flat below 20 Hz.
    random
        Source of random numbers.

    Returns
    -------
    ndarray of shape (samples,)
    """
    import scipy.fft

    # A transform of any other length may take ten times as long.
    length = scipy.fft.next_fast_len(samples, real=True)
    spectrum = scipy.fft.rfft(random.standard_normal(length))
    frequency = scipy.fft.rfftfreq(length, 1 / SAMPLE_RATE)
    noise = scipy.fft.irfft(spectrum / np.maximum(frequency, 20) ** (exponent / 2), length)
    return noise[:samples] / noise[:samples].std()


def add_noise(
    signal: Signal, *, snr_db: float, exponent: float = 1.0, random: np.random.Generator
) -> Signal:
    """Add coloured noise at a signal-to-noise ratio over the whole signal.

    Parameters
    ----------
    signal
        Shape (samples,), at 16 kHz.
    snr_db
        Power of the speech over that of the noise, in decibels.
    exponent, random
        As in `coloured_noise`.

    Returns
    -------
    ndarray of shape (samples,)
        float32.
    """
    level = np.sqrt(np.mean(np.square(signal, dtype=np.float64))) / 10 ** (snr_db / 20)
    noise = coloured_noise(len(signal), exponent=exponent, random=random)
    return (signal + level * noise).astype(np.float32)


def add_reverberation(
    signal: Signal, *, seconds: float = 0.5, level: float = 0.5, random: np.random.Generator
) -> Signal:
    """Convolve with an exponentially decaying tail of white noise.

    Parameters
    ----------
    signal
        Shape (samples,), at 16 kHz.
    seconds
        In which the tail falls by 60 dB.
    level
        Norm of the tail, that of the direct sound being 1.
    random
        Source of random numbers.

    Returns
    -------
    ndarray of shape (samples,)
        float32; what rings on after the end is cut off.

    Notes
    -----
    Polack (1988), "La transmission de l'énergie sonore dans les salles": the late part of a room's
    impulse response is noise with an exponential envelope.
    """
    from scipy.signal import oaconvolve

    samples = round(seconds * SAMPLE_RATE)
    response = random.standard_normal(samples) * 10 ** (-3 * np.arange(samples) / samples)
    response *= level / np.linalg.norm(response)
    response[0] += 1
    return oaconvolve(signal.astype(np.float64), response)[: len(signal)].astype(np.float32)


def limit_band(
    signal: Signal, *, low_hz: float = 300.0, high_hz: float = 3400.0, order: int = 4
) -> Signal:
    """Keep only a band of frequencies, as a telephone line does.

    Parameters
    ----------
    signal
        Shape (samples,), at 16 kHz.
    low_hz, high_hz
        Edges of the band.
    order
        Of the Butterworth filter.

    Returns
    -------
    ndarray of shape (samples,)
        float32.
    """
    from scipy.signal import butter, sosfilt

    filters = butter(order, [low_hz, high_hz], "bandpass", fs=SAMPLE_RATE, output="sos")
    return sosfilt(filters, signal.astype(np.float64)).astype(np.float32)


def augment(
    signal: Signal,
    *,
    reverb_probability: float = 0.5,
    noise_probability: float = 0.5,
    bandlimit_probability: float = 0.5,
    snr_db: Sequence[float] = (5.0, 30.0),
    random: np.random.Generator,
) -> Signal:
    """Put an utterance under acoustic conditions drawn at random.

    Parameters
    ----------
    signal
        Shape (samples,), at 16 kHz.
    reverb_probability, noise_probability, bandlimit_probability
        Of each effect; 0 for never.
    snr_db
        Range from which the signal-to-noise ratio is drawn.
    random
        Source of random numbers.

    Returns
    -------
    ndarray of shape (samples,)
        float32.
    """
    if random.random() < reverb_probability:
        seconds, level = (
            random.uniform(*_REVERBERATION_SECONDS),
            random.uniform(*_REVERBERATION_LEVELS),
        )
        signal = add_reverberation(signal, seconds=seconds, level=level, random=random)
    if random.random() < bandlimit_probability:
        low, high = random.uniform(*_LOW_HZ), random.uniform(*_HIGH_HZ)
        order = int(random.integers(*_ORDERS))
        signal = limit_band(signal, low_hz=low, high_hz=high, order=order)
    if random.random() < noise_probability:
        low_db, high_db = snr_db
        exponent, snr = random.uniform(*_NOISE_EXPONENTS), random.uniform(low_db, high_db)
        signal = add_noise(signal, snr_db=snr, exponent=exponent, random=random)
    return signal


CONDITIONS: dict[str, Callable[[Signal, np.random.Generator], Signal]] = {
    "clean": lambda signal, _: signal,
    "noise 20 dB": lambda signal, random: add_noise(signal, snr_db=20, random=random),
    "noise 10 dB": lambda signal, random: add_noise(signal, snr_db=10, random=random),
    "reverberation": lambda signal, random: add_reverberation(signal, random=random),
    "telephone": lambda signal, _: limit_band(signal),
}
"""Fixed conditions under which rejection is measured, from a signal and random numbers."""
