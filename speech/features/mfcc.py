"""Mel-frequency cepstral coefficients, as python_speech_features defines them."""

import numpy as np
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE
from speech.audio.chunks import seconds_to_samples

_INT16_SCALE = 32768.0
"""python_speech_features expects 16-bit samples; log energy depends on their scale."""

_SILENCE = 0.0
"""First coefficient of a frame that holds less than one step of a 16-bit converter.

Digital silence, which MP3 coding leaves behind, would otherwise be the logarithm of the smallest
float, and a few such frames would outweigh an utterance. The floor is the same for the log energy
and for c0, the scaled mean of the filters' log energies. The filters themselves get none: it would
change the other coefficients of band-limited speech, where the highest filters are next to empty.
"""


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
    delta_orders: int = 1,
    delta_width: int = 2,
) -> NDArray[np.float32]:
    """Compute the MFCC of a signal, and their deltas.

    Only windows that lie whole inside the signal count: the zero-padded last frame that
    python_speech_features would add is not made. The first coefficient has a floor, at less than
    one step of a 16-bit converter. All else is as the library computes it.

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
    import python_speech_features

    window, hop = seconds_to_samples(window_seconds), seconds_to_samples(hop_seconds)
    if len(signal) < window:
        raise ValueError(f"{len(signal)} samples are fewer than a window's {window}")
    frames = frame_count(len(signal), window_seconds=window_seconds, hop_seconds=hop_seconds)
    static = python_speech_features.mfcc(
        signal[: window + (frames - 1) * hop].astype(np.float64) * _INT16_SCALE,
        samplerate=SAMPLE_RATE,
        winlen=window_seconds,
        winstep=hop_seconds,
        numcep=coefficients,
        nfilt=filters,
        nfft=fft,
        lowfreq=low_hz,
        highfreq=high_hz,
        preemph=preemphasis,
        ceplifter=lifter,
        appendEnergy=energy,
        winfunc=np.hamming,
    )
    static[:, 0] = np.maximum(static[:, 0], _SILENCE)
    orders = [static]
    for _ in range(delta_orders):
        orders.append(delta(orders[-1], width=delta_width))
    return np.concatenate(orders, axis=1).astype(np.float32)


def delta(frames: NDArray[np.float64], *, width: int = 2) -> NDArray[np.float64]:
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
