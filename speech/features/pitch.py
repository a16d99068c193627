"""Fundamental frequency (pitch) frame by frame, as Praat measures it."""

import numpy as np
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE
from speech.audio.chunks import seconds_to_samples
from speech.features.mfcc import PASSAGE_SECONDS, frames_in_passages

PART = "pitch"
"""Under which name an utterance's pitch is stored."""

UNVOICED = 0.0
"""What stands in place of a pitch where there is none; no pitch is 1 Hz."""


def pitch(
    signal: NDArray[np.float32],
    *,
    floor_hz: float = 60,
    ceiling_hz: float = 400,
    window_seconds: float = 0.025,
    hop_seconds: float = 0.01,
) -> NDArray[np.float32]:
    """Measure the pitch of a signal at the frames of its MFCC.

    Parameters
    ----------
    signal
        Shape (samples,), at 16 kHz, full scale ±1.
    floor_hz, ceiling_hz
        The lowest and the highest fundamental frequency that is looked for.
    window_seconds, hop_seconds
        Of the frames of the MFCC.

    Returns
    -------
    ndarray of shape (frames, 2)
        Base-2 logarithm of the fundamental frequency in Hz, `UNVOICED` where there is none, and
        the strength of the periodicity, from 0 to 1.

    Notes
    -----
    Boersma (1993), "Accurate short-term analysis of the fundamental frequency and the
    harmonics-to-noise ratio of a sampled sound". Its window holds three periods of the lowest
    pitch, so the first and last frames, where it does not fit, are unvoiced.
    """
    window, hop = seconds_to_samples(window_seconds), seconds_to_samples(hop_seconds)
    return frames_in_passages(
        signal,
        lambda passage: _pitch_of_passage(passage, window, hop, floor_hz, ceiling_hz),
        window=window,
        hop=hop,
        beside=SAMPLE_RATE // hop,
        seconds=PASSAGE_SECONDS,
    )


def _pitch_of_passage(
    signal: NDArray[np.float32], window: int, hop: int, floor_hz: float, ceiling_hz: float
) -> NDArray[np.float32]:
    import parselmouth

    count = max(0, 1 + (len(signal) - window) // hop)
    step = hop / SAMPLE_RATE
    centres = np.arange(count) * step + window / SAMPLE_RATE / 2
    if len(signal) / SAMPLE_RATE < _PERIODS / floor_hz:
        return np.full((count, 2), UNVOICED, dtype=np.float32)
    contour = parselmouth.Sound(signal.astype(np.float64), SAMPLE_RATE).to_pitch_ac(
        time_step=step, pitch_floor=floor_hz, pitch_ceiling=ceiling_hz
    )
    times, found = contour.xs(), contour.selected_array
    nearest = np.clip(np.rint((centres - times[0]) / step).astype(int), 0, len(times) - 1)
    inside = np.abs(times[nearest] - centres) < step
    voiced = inside & (found["frequency"][nearest] > 0)
    measured = np.full((count, 2), UNVOICED, dtype=np.float32)
    measured[voiced, 0] = np.log2(found["frequency"][nearest][voiced])
    measured[inside, 1] = np.clip(found["strength"][nearest][inside], 0, 1)
    return measured


def pitch_statistics(
    chunk: NDArray[np.float32], utterance: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Summarise the pitch of one chunk.

    Parameters
    ----------
    chunk
        Shape (frames, 2), as `pitch` returns it.
    utterance
        All frames of the utterance; they stand in for a chunk with too few voiced ones.

    Returns
    -------
    ndarray of shape (5,)
        The 10th, 50th and 90th percentile and the standard deviation of the voiced frames' log2
        pitch, and the share of voiced frames in the chunk. Where not even the utterance is
        voiced, the pitch is `_NEITHER`, between those of women and men.
    """
    voiced = chunk[:, 0][chunk[:, 0] > UNVOICED]
    share = len(voiced) / max(len(chunk), 1)
    if len(voiced) < _ENOUGH:
        voiced = utterance[:, 0][utterance[:, 0] > UNVOICED]
    if not len(voiced):
        voiced = np.array([_NEITHER])
    return np.array([*np.percentile(voiced, [10, 50, 90]), voiced.std(), share], dtype=np.float32)


_PERIODS = 3
"""Praat's window in periods of the lowest pitch; a shorter signal it refuses."""

_ENOUGH = 10
"""Frames; a tenth of a second of voice."""

_NEITHER = float(np.log2(155.0))
"""Between the usual pitch of men (about 115 Hz) and of women (about 210 Hz) in reading."""
