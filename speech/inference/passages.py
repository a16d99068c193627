"""A recording cut into passages as long as an utterance, each treated like one.

Models are trained on utterances, whose level is normalised and whose pitch is tracked from start to
end. A recording of any length is treated the same way, passage by passage. So no passage depends on
another, and memory does not depend on the length.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE
from speech.audio.chunks import seconds_to_samples
from speech.audio.stream import Block

LONGEST_SECONDS = 40.0
"""No utterance of LibriSpeech is longer, so each is one passage, as in training."""


@dataclass(frozen=True)
class Passage:
    """A stretch of a recording.

    Attributes
    ----------
    start
        Of its first sample, in samples at 16 kHz from the recording's start.
    signal
        float32, shape (samples,), mono at 16 kHz.
    clipped
        Positions in the signal at which the recording was cut off at full scale.
    """

    start: int
    signal: NDArray[np.float32]
    clipped: NDArray[np.int64]


def cut_passages(blocks: Iterable[Block], *, chunk_seconds: float = 2.0) -> Iterator[Passage]:
    """Cut a recording into passages of whole chunks, 40 seconds or one chunk long.

    A rest shorter than a chunk belongs to the last passage. How the blocks are cut makes no
    difference.

    Parameters
    ----------
    blocks
        In order, without gaps.
    chunk_seconds
        Length of a chunk.

    Yields
    ------
    Passage
        In order, without gaps; none for an empty recording.
    """
    chunk = seconds_to_samples(chunk_seconds)
    length = chunk * max(1, int(LONGEST_SECONDS * SAMPLE_RATE) // chunk)
    start = samples = 0
    waiting: list[Block] = []
    for block in blocks:
        waiting.append(block)
        samples += len(block.signal)
        while samples >= length + chunk:
            signal, clipped = map(np.concatenate, zip(*waiting, strict=True))
            yield _passage(start, signal[:length], clipped)
            waiting = [Block(signal[length:], clipped)]
            start, samples = start + length, samples - length
    if samples:
        yield _passage(start, *map(np.concatenate, zip(*waiting, strict=True)))


def _passage(start: int, signal: NDArray[np.float32], clipped: NDArray[np.float64]) -> Passage:
    positions = (clipped * SAMPLE_RATE).astype(np.int64) - start
    inside = (positions >= 0) & (positions < len(signal))
    return Passage(start, signal, positions[inside])
