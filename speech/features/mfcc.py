"""Mel-frequency cepstral coefficients, as python_speech_features defines them."""

import numpy as np
from numpy.typing import NDArray

from speech.params import SAMPLE_RATE, Mfcc

_INT16_SCALE = 32768.0
"""python_speech_features comes from the world of 16-bit samples; log energy depends on it."""

_SILENCE = 0.0
"""First coefficient of a frame that holds less than one step of a 16-bit converter.

Digital silence, which MP3 coding leaves behind, would otherwise be the logarithm of the smallest
float, and a few such frames would outweigh an utterance. The floor is the same for the log energy
and for c0, the scaled mean of the filters' log energies. The filters themselves get none: it would
change the other coefficients of band-limited speech, where the highest filters are next to empty.
"""


def frame_count(samples: int, settings: Mfcc) -> int:
    """Return how many whole analysis windows fit into a signal."""
    return max(0, 1 + (samples - settings.window_samples) // settings.hop_samples)


def mfcc(signal: NDArray[np.float32], settings: Mfcc) -> NDArray[np.float32]:
    """Compute the MFCC of a signal, and their deltas.

    Only windows that lie whole inside the signal count: the zero-padded last frame that
    python_speech_features would add is not made. The first coefficient has a floor, at less than
    one step of a 16-bit converter. All else is as the library computes it.

    Parameters
    ----------
    signal
        Shape (samples,), at 16 kHz, full scale ±1.
    settings
        Parameters of the analysis.

    Returns
    -------
    ndarray of shape (frames, coefficients * (1 + delta_orders))
        The static coefficients, then each order of deltas. The first coefficient is the frame's
        log energy if ``energy`` is set.

    Raises
    ------
    ValueError
        If the signal is shorter than one window.

    Notes
    -----
    Davis & Mermelstein (1980), "Comparison of parametric representations for monosyllabic word
    recognition in continuously spoken sentences".
    """
    import python_speech_features

    window = settings.window_samples
    if len(signal) < window:
        raise ValueError(f"{len(signal)} samples are fewer than a window's {window}")
    whole = window + (frame_count(len(signal), settings) - 1) * settings.hop_samples
    static = python_speech_features.mfcc(
        signal[:whole].astype(np.float64) * _INT16_SCALE,
        samplerate=SAMPLE_RATE,
        winlen=settings.window_seconds,
        winstep=settings.hop_seconds,
        numcep=settings.coefficients,
        nfilt=settings.filters,
        nfft=settings.fft,
        lowfreq=settings.low_hz,
        highfreq=settings.high_hz,
        preemph=settings.preemphasis,
        ceplifter=settings.lifter,
        appendEnergy=settings.energy,
        winfunc=np.hamming,
    )
    static[:, 0] = np.maximum(static[:, 0], _SILENCE)
    orders = [static]
    for _ in range(settings.delta_orders):
        orders.append(delta(orders[-1], settings.delta_width))
    return np.concatenate(orders, axis=1).astype(np.float32)


def delta(frames: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Compute the regression slope of each coefficient over neighbouring frames.

    The same formula as ``python_speech_features.delta``, whose loop in Python it replaces: the
    regression slope over ``2 * width + 1`` frames, the edges repeated, is the first derivative of
    a Savitzky-Golay filter of order 1.

    Parameters
    ----------
    frames
        Shape (frames, coefficients).
    width
        Frames on each side.

    Returns
    -------
    ndarray of shape (frames, coefficients)
        Change per frame.
    """
    from scipy.signal import savgol_filter

    return savgol_filter(frames, 2 * width + 1, polyorder=1, deriv=1, axis=0, mode="nearest")
