"""Training examples heard under other conditions: in a room, through a narrow band, with noise.

MFCC are all that is kept of the sound, so the conditions change in them. The inverse of their
cosine transform gives the log energies of the mel filters, smoothed. Noise is added there, as
energies add up, the band is narrowed by attenuation, and a room lets energies die away slowly. What
that changes is transformed forth again and added to the coefficients, so that what is not changed
stays exactly what it was.

Random smooth responses of microphones were tried, too, and made no difference.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct
from scipy.signal import lfilter

from speech.features.mfcc import delta
from speech.params import SAMPLE_RATE, Augmentation, Mfcc

_DECIBELS = 10 / np.log(10)
"""Of energy, per unit of its natural logarithm."""

_REVERBERATION_SECONDS, _LATE = (0.2, 0.8), (0.1, 1.0)
"""How long energy takes to fall by 60 dB, and how much of it comes late, per unit of the direct."""

_NOISE_TILT = (-1.2, 0.2)
"""Exponents of frequency: from a little redder than pink noise to a little bluer than white."""

_HIGH_CUT_HZ, _HIGH_SLOPE = 2500.0, (5, 40)
_LOW_CUT_HZ, _LOW_SLOPE = (60.0, 400.0), (2, 8)
_DEEPEST = (2, 15)
"""Where a narrow band may end, and how fast and how far it falls there, in natural logarithms."""


def vary(
    frames: NDArray[np.float32],
    settings: Mfcc,
    augmentation: Augmentation,
    random: np.random.Generator,
) -> NDArray[np.float32]:
    """Let an utterance be heard under other conditions, drawn once for all of it.

    Parameters
    ----------
    frames
        Shape (frames, coefficients * (1 + delta_orders)), as `speech.features.mfcc.mfcc` gives
        them, not normalised.
    settings
        What they were computed with.
    augmentation
        How often and how much conditions change.
    random
        Where the draws come from.

    Returns
    -------
    ndarray of the same shape
        The coefficients changed, and their deltas computed anew.
    """
    static = frames[:, : settings.coefficients].astype(np.float64)
    transform = _transform(settings)
    before = _log_energies(static, transform, settings)
    after = before
    if random.random() < augmentation.room:
        after = _reverberant(after, settings, random)
    if random.random() < augmentation.narrow:
        after = _narrowed(after, settings, random)
    if random.random() < augmentation.noise:
        after = _noisy(after, settings, random.uniform(*augmentation.snr_db), random)
    changed = static + (after - before) @ transform
    if settings.energy:
        gained = _total(after) - _total(before)
        changed[:, 0] = static[:, 0] + gained
    orders = [changed]
    for _ in range(settings.delta_orders):
        orders.append(delta(orders[-1], settings.delta_width))
    return np.concatenate(orders, axis=1).astype(np.float32)


def _total(energies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add up the filters' energies, given and returned as logarithms."""
    return np.log(np.exp(energies).sum(axis=-1))


def _transform(settings: Mfcc) -> NDArray[np.float64]:
    """Give what takes log energies to coefficients, shape (filters, coefficients)."""
    cosines = dct(np.eye(settings.filters), norm="ortho")[:, : settings.coefficients]
    return cosines * _lifter(settings)


def _lifter(settings: Mfcc) -> NDArray[np.float64]:
    if not settings.lifter:
        return np.ones(settings.coefficients)
    turns = np.pi * np.arange(settings.coefficients) / settings.lifter
    return 1 + settings.lifter / 2 * np.sin(turns)


def _log_energies(
    static: NDArray[np.float64], transform: NDArray[np.float64], settings: Mfcc
) -> NDArray[np.float64]:
    """Give the filters' log energies as far as the coefficients know them: (frames, filters)."""
    back = (transform / _lifter(settings) ** 2).T
    if not settings.energy:
        return static @ back
    # The log energy stands in the place of the mean: it is what all filters add up to.
    shape = static[:, 1:] @ back[1:]
    return shape + (static[:, 0] - _total(shape))[:, None]


def _filters(settings: Mfcc) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the filters' centres and half widths in Hz."""
    low, high = (2595 * np.log10(1 + hz / 700) for hz in (settings.low_hz, settings.high_hz))
    edges = 700 * (10 ** (np.linspace(low, high, settings.filters + 2) / 2595) - 1)
    return edges[1:-1], (edges[2:] - edges[:-2]) / 2


def _reverberant(
    energies: NDArray[np.float64], settings: Mfcc, random: np.random.Generator
) -> NDArray[np.float64]:
    kept = 10 ** (-6 * settings.hop_seconds / random.uniform(*_REVERBERATION_SECONDS))
    late = random.uniform(*_LATE) * (1 - kept)
    direct = np.exp(energies)
    return np.log(direct + late * lfilter([0, 1], [1, -kept], direct, axis=0))


def _narrowed(
    energies: NDArray[np.float64], settings: Mfcc, random: np.random.Generator
) -> NDArray[np.float64]:
    centres, _ = _filters(settings)
    top = random.uniform(min(_HIGH_CUT_HZ, settings.high_hz), settings.high_hz)
    bottom = random.uniform(*_LOW_CUT_HZ)
    above, below = (np.log2(np.maximum(ratio, 1)) for ratio in (centres / top, bottom / centres))
    fall = above * random.uniform(*_HIGH_SLOPE) + below * random.uniform(*_LOW_SLOPE)
    return energies - np.minimum(fall, random.uniform(*_DEEPEST))


def _noisy(
    energies: NDArray[np.float64], settings: Mfcc, snr_db: float, random: np.random.Generator
) -> NDArray[np.float64]:
    centres, widths = _filters(settings)
    turns = 2 * np.pi * centres / SAMPLE_RATE
    emphasis = np.abs(1 - settings.preemphasis * np.exp(-1j * turns)) ** 2
    noise = np.log(widths * emphasis) + random.uniform(*_NOISE_TILT) * np.log(centres)
    speech = np.log(np.exp(_total(energies)).mean())
    noise += speech - snr_db / _DECIBELS - _total(noise)
    # A filter adds up the energies of about so many independent lines of the spectrum.
    lines = np.maximum(widths * settings.window_seconds, 1)
    flicker = random.gamma(lines, 1 / lines, size=energies.shape)
    return np.logaddexp(energies, noise + np.log(np.maximum(flicker, 1e-6)))
