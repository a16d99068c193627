"""The grid of consecutive chunks that both features and both tasks share."""

from speech.params import Chunks


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
