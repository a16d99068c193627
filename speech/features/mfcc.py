"""Mel-frequency cepstral coefficients, as python_speech_features defines them."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE
from speech.audio.chunks import seconds_to_samples
from speech.audio.conditions import augment
from speech.storage.examples import copy_name

_INT16_SCALE = 32768.0
"""python_speech_features expects 16-bit samples; log energy depends on their scale."""

_SILENCE = 0.0
"""First coefficient of a frame that holds less than one step of a 16-bit converter.

Digital silence, which MP3 coding leaves behind, would otherwise be the logarithm of the smallest
float, and a few such frames would outweigh an utterance. The floor is the same for the log energy
and for c0, the scaled mean of the filters' log energies. The filters themselves get none: it would
change the other coefficients of band-limited speech, where the highest filters are next to empty.
"""

PASSAGE_SECONDS = 40
"""Longer recordings are computed in passages; no utterance of LibriSpeech is longer."""

_AT_ONCE = 128
"""How many windows are transformed at a time: what is made of them fits into a core's cache."""


def frame_count(samples: int, *, window_seconds: float = 0.025, hop_seconds: float = 0.01) -> int:
    """Count the whole analysis windows that fit into a signal."""
    rest = samples - seconds_to_samples(window_seconds)
    return max(0, 1 + rest // seconds_to_samples(hop_seconds))


def mfcc(
    signal: NDArray[np.float32],
    *,
    coefficients: int = 30,
    filters: int = 40,
    window_seconds: float = 0.025,
    hop_seconds: float = 0.01,
    fft: int = 512,
    low_hz: float = 60,
    high_hz: float = 6000,
    preemphasis: float = 0.97,
    lifter: int = 22,
    energy: bool = True,
    top_db: float | None = 55,
    delta_orders: int = 1,
    delta_width: int = 2,
) -> NDArray[np.float32]:
    """Compute the MFCC of a signal, and their deltas.

    The values are those of python_speech_features, whose filterbank and lifter are used, several
    times faster: windows are views of the signal, the filterbank is made once and not for every
    signal, and a few windows at a time go through all steps. There are three differences. Only
    windows that lie whole inside the signal count: the zero-padded last frame that
    the library would add is not made. The first coefficient has a floor, at less than
    one step of a 16-bit converter. Filters have one relative to the signal, `top_db`.

    Parameters
    ----------
    signal
        Shape (samples,), at 16 kHz, full scale ±1.
    coefficients
        How many, the first included.
    filters
        Of the mel filterbank, between `low_hz` and `high_hz`.
    window_seconds, hop_seconds
        Length of an analysis window, and from the start of one to the start of the next.
    fft
        Points of the Fourier transform; must cover a window.
    preemphasis
        Coefficient of the filter before the analysis.
    lifter
        Of the cepstra; 0 for none.
    energy
        Whether the first coefficient is the frame's log energy.
    top_db
        What a filter has less of than the loudest filter of the signal, in decibels, is raised to
        that, as by ``librosa.power_to_db``: coding (MP3) takes away what is faint, and rooms add to
        it, so that the faint part distinguishes recordings and not speakers. None for no floor.
    delta_orders, delta_width
        How many orders of deltas follow, and over how many frames on each side.

    Returns
    -------
    ndarray of shape (frames, coefficients * (1 + delta_orders))
        The static coefficients, then each order of deltas.

    Raises
    ------
    ValueError
        If the signal is shorter than one window.

    Notes
    -----
    Davis & Mermelstein (1980), "Comparison of parametric representations for monosyllabic word
    recognition in continuously spoken sentences".
    """
    window, hop = seconds_to_samples(window_seconds), seconds_to_samples(hop_seconds)
    if len(signal) < window:
        raise ValueError(f"{len(signal)} samples are fewer than a window's {window}")
    emphasised = np.multiply(signal, _INT16_SCALE, dtype=np.float64)
    emphasised[1:] -= preemphasis * emphasised[:-1]
    windows = sliding_window_view(emphasised, window)[::hop]
    bins, filterbank = _filterbank(filters, fft, low_hz, high_hz)
    shape = np.hamming(window)
    # Every part is computed in the same memory: to allocate it anew takes longer than to use it.
    padded = np.zeros((_AT_ONCE, fft))
    spectra = np.empty((_AT_ONCE, fft // 2 + 1), dtype=np.complex128)
    powers = np.empty(spectra.shape)

    log_energies, frame_energies = np.empty((len(windows), filters)), np.empty(len(windows))
    for start in range(0, len(windows), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        count = len(windows[some])
        np.multiply(windows[some], shape, out=padded[:count, :window])
        spectrum = np.fft.rfft(padded[:count], out=spectra[:count])
        power = np.abs(spectrum, out=powers[:count])
        np.square(power, out=power)
        np.matmul(power[:, bins], filterbank, out=log_energies[some])
        power.sum(axis=1, out=frame_energies[some])
    frame_energies /= fft
    _take_log(log_energies)
    _take_log(frame_energies)
    if top_db is not None:
        floor = log_energies.max() - top_db * np.log(10) / 10
        np.maximum(log_energies, floor, out=log_energies)
    orders = [log_energies @ _cepstral_transform(filters, coefficients, lifter)]
    first = frame_energies if energy else orders[0][:, 0]
    orders[0][:, 0] = np.maximum(first, _SILENCE)
    for _ in range(delta_orders):
        orders.append(delta(orders[-1], width=delta_width))
    return np.concatenate(orders, axis=1, dtype=np.float32, casting="same_kind")


def delta(frames: NDArray[np.float64], *, width: int = 2) -> NDArray[np.float64]:
    """Compute the regression slope of each coefficient over neighbouring frames.

    The formula of ``python_speech_features.delta``, whose loop over frames it replaces.

    Parameters
    ----------
    frames
        Shape (frames, coefficients).
    width
        Frames on each side; the first and the last frame are repeated.

    Returns
    -------
    ndarray of shape (frames, coefficients)
        Change per frame.
    """
    padded = np.pad(frames, ((width, width), (0, 0)), mode="edge")
    count, centre = len(frames), width
    slope = np.zeros_like(frames)
    for step in range(1, width + 1):
        later, earlier = padded[centre + step :][:count], padded[centre - step :][:count]
        slope += step * (later - earlier)
    return slope / (2 * sum(step**2 for step in range(1, width + 1)))


def mfcc_in_passages(
    signal: NDArray[np.float32],
    change: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None = None,
    *,
    seconds: float = PASSAGE_SECONDS,
    **settings: Any,
) -> NDArray[np.float32]:
    """Compute the MFCC of an hour in the memory of a passage.

    Parameters
    ----------
    signal
        Shape (samples,), at 16 kHz, full scale ±1.
    change
        What is done to each passage before; None for nothing.
    seconds
        Length of a passage. Each is computed with as many frames of its neighbours as its deltas
        and its first sample depend on, so that without `change` and ``top_db`` the frames are those
        of the whole signal.
    settings
        Keyword arguments of `mfcc`.

    Returns
    -------
    ndarray of shape (frames, coefficients * (1 + delta_orders))
        As of `mfcc`.
    """
    known = {**(mfcc.__kwdefaults__ or {}), **settings}
    window, hop = (seconds_to_samples(known[f"{name}_seconds"]) for name in ("window", "hop"))
    return frames_in_passages(
        signal,
        lambda passage: mfcc(passage if change is None else change(passage), **settings),
        window=window,
        hop=hop,
        beside=1 + known["delta_orders"] * known["delta_width"],
        seconds=seconds,
    )


def frames_in_passages(
    signal: NDArray[np.float32],
    compute: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    *,
    window: int,
    hop: int,
    beside: int,
    seconds: float = PASSAGE_SECONDS,
) -> NDArray[np.float32]:
    """Compute the frames of a long signal passage by passage.

    Parameters
    ----------
    signal
        Shape (samples,), at 16 kHz.
    compute
        Returns a row for each whole window of what it is given.
    window, hop
        Of a frame, in samples.
    beside
        How many frames of each neighbour a passage is computed with.
    seconds
        Length of a passage. A signal that is no longer is computed as a whole.

    Returns
    -------
    ndarray
        A row for each whole window of the signal.
    """
    total = 1 + (len(signal) - window) // hop
    length = int(seconds * SAMPLE_RATE // hop)
    if total <= length:
        return compute(signal)
    made = []
    for first in range(0, total, length):
        start, last = max(0, first - beside), first + length
        stop = (last + beside - 1) * hop + window if last < total else len(signal)
        made.append(compute(signal[start * hop : stop])[first - start :][:length])
    return np.concatenate(made)


def mfcc_and_copies(
    signal: NDArray[np.float32],
    utterance: str,
    *,
    settings: Mapping[str, Any],
    conditions: Mapping[str, Any],
    copies: int = 1,
    seed: int = 0,
) -> dict[str, NDArray[np.float32]]:
    """Compute the MFCC of a signal, and of copies of it under random acoustic conditions.

    Each passage of a long recording has conditions of its own.

    Parameters
    ----------
    signal
        Shape (samples,), at 16 kHz, full scale ±1.
    utterance
        Its name. The conditions are drawn by it, so that they do not depend on what else is in a
        corpus.
    settings
        Keyword arguments of `mfcc`.
    conditions
        Those of `speech.audio.conditions.augment`.
    copies
        How many; only training examples are made of them.
    seed
        Of the conditions.

    Returns
    -------
    dict of str to ndarray
        The MFCC under an empty name, those of the copies as ``copy0``, ``copy1``, ….
    """
    parts = {"": mfcc_in_passages(signal, **settings)}
    for number in range(copies):
        random = np.random.default_rng([seed, number, *utterance.encode()])
        change = partial(augment, **conditions, random=random)
        parts[copy_name(number)] = mfcc_in_passages(signal, change, **settings)
    return parts


@cache
def _filterbank(
    filters: int, fft: int, low_hz: float, high_hz: float
) -> tuple[slice, NDArray[np.float64]]:
    """Return which bins the mel filters cover, and the filters of powers, (bins, filters)."""
    import python_speech_features

    rows = python_speech_features.get_filterbanks(filters, fft, SAMPLE_RATE, low_hz, high_hz).T
    covered = np.flatnonzero(rows.any(axis=1))
    # A narrow band may lie between two bins, and then covers none.
    bins = slice(covered[0], covered[-1] + 1) if len(covered) else slice(0, 1)
    return bins, np.ascontiguousarray(rows[bins]) / fft


@cache
def _cepstral_transform(filters: int, coefficients: int, lifter: int) -> NDArray[np.float64]:
    """Return the cosine transform and the lifter as one matrix, (filters, coefficients)."""
    import python_speech_features
    import scipy.fft

    cosines = scipy.fft.dct(np.eye(filters), type=2, norm="ortho")[:, :coefficients]
    return np.ascontiguousarray(python_speech_features.lifter(cosines, lifter))


def _take_log(energies: NDArray[np.float64]) -> None:
    """Take the logarithm in place, where there is no energy at all that of the machine epsilon."""
    energies[energies == 0] = np.finfo(np.float64).eps
    np.log(energies, out=energies)
