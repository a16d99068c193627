"""The grid of consecutive chunks that all features and both tasks share."""

from typing import Literal

from speech.audio import SAMPLE_RATE

Tail = Literal["overlap", "drop"]


def seconds_to_samples(seconds: float) -> int:
    """Convert a duration to samples at 16 kHz; half a sample rounds up.

    The same rounding as in python_speech_features, so that frames and chunks never drift apart.
    """
    return int(seconds * SAMPLE_RATE + 0.5)


def chunk_bounds(
    samples: int, *, seconds: float = 2.0, hop_seconds: float = 2.0, tail: Tail = "overlap"
) -> list[tuple[int, int]]:
    """Cut an utterance into chunks of equal length.

    Nothing is ever padded: wav2vec 2.0 normalises over time, so padding would change every frame.
    An utterance shorter than one chunk is one short chunk.

    Parameters
    ----------
    samples
        Length of the utterance at 16 kHz.
    seconds, hop_seconds
        Length of a chunk, and from the start of one to the start of the next.
    tail
        What happens to the rest at the end: ``overlap`` covers it by a last chunk that reaches
        back into the one before, ``drop`` leaves it out.

    Returns
    -------
    list of (start, stop)
        In samples, in order; never empty for a non-empty utterance.

    Examples
    --------
    >>> chunk_bounds(80_000)
    [(0, 32000), (32000, 64000), (48000, 80000)]
    """
    length = seconds_to_samples(seconds)
    if samples <= length:
        return [(0, samples)]
    starts = list(range(0, samples - length + 1, seconds_to_samples(hop_seconds)))
    if tail == "overlap" and starts[-1] + length < samples:
        starts.append(samples - length)
    return [(start, start + length) for start in starts]
