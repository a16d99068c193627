"""The grid of consecutive chunks that both features and both tasks share."""

from speech.params import SAMPLE_RATE, Chunks

HALF = "half"
"""What is measured on an utterance's middle half chunk is kept as ``<utterance>/half``."""

_SHORTEST = SAMPLE_RATE // 10
"""Nothing shorter is heard anywhere: the least that `index.min_seconds` may be."""


def chunk_bounds(samples: int, settings: Chunks) -> list[tuple[int, int]]:
    """Cut an utterance into chunks of equal length.

    What is left over at the end is either covered by a last chunk that reaches back into the one
    before (``tail: overlap``) or not used (``tail: drop``). Nothing is ever padded: wav2vec 2.0
    normalises over time, so padding would change every frame. An utterance shorter than one chunk
    is one short chunk.

    Parameters
    ----------
    samples
        Length of the utterance at 16 kHz.
    settings
        Chunk length, hop and tail rule.

    Returns
    -------
    list of (start, stop)
        In samples, in order; never empty for a non-empty utterance.
    """
    length = settings.samples
    if samples <= length:
        return [(0, samples)]
    starts = list(range(0, samples - length + 1, settings.hop_samples))
    if settings.tail == "overlap" and starts[-1] + length < samples:
        starts.append(samples - length)
    return [(start, start + length) for start in starts]


def middle_half(samples: int, settings: Chunks) -> tuple[int, int] | None:
    """Find the half chunk in the middle of an utterance, which is heard as a recording of its own.

    It tells what half a chunk of speech is worth. The middle, because recordings begin and end
    with pauses; one of each utterance, because more would be more of the same voice and session.

    Parameters
    ----------
    samples
        Length of the utterance at 16 kHz.
    settings
        Chunk length.

    Returns
    -------
    start, stop : int
        In samples; None of an utterance shorter than a chunk, or where half a chunk is less than a
        tenth of a second.
    """
    length = settings.samples // 2
    if samples < settings.samples or length < _SHORTEST:
        return None
    start = (samples - length) // 2
    return start, start + length
