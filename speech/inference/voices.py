"""Whether a recording holds several voices, and where each of them speaks.

Each chunk speaks for one gender by the logarithm of its odds. A stretch's evidence is the sum over
its chunks, those that speak against it subtracted, as in a cumulative sum test [1]_: what has to be
explained by a second voice is a stretch that strong for each gender. A chunk by itself is none,
because single chunks are wrong too often. Where the voices change is the most probable sequence of
two states, to which each change costs half of that evidence [2]_.

References
----------
.. [1] Page, E. S., "Continuous inspection schemes", Biometrika 1954.
.. [2] Viterbi, A. J., "Error bounds for convolutional codes and an asymptotically optimum decoding
   algorithm", IEEE Transactions on Information Theory 1967.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from speech.folds import FEMALE
from speech.inference.answers import NOT_SPEECH, SILENT, Segment

_SUREST = 0.99
"""As what a more probable gender counts: no chunk is proof by itself."""

_SURE_CHUNKS = 2
"""How many of those in a row a stretch must be worth, so 4 seconds."""

_ENOUGH = _SURE_CHUNKS * np.log(_SUREST / (1 - _SUREST)) - 1e-9


def several_voices(chunks: Sequence[Segment]) -> bool:
    """Decide whether chunks of one recording are surely of women and surely of men.

    Parameters
    ----------
    chunks
        All of a recording, in order. Those without a gender count for neither.

    Returns
    -------
    bool
        True if one stretch of chunks is surely of a woman, and another surely of a man. Two voices
        of one gender are not distinguished.
    """
    evidence = _evidence(chunks)
    return bool(min(_strongest(evidence), _strongest(-evidence)) >= _ENOUGH)


def stretches(chunks: Sequence[Segment]) -> Iterator[slice]:
    """Cut a recording where its voice changes, and where speech begins and ends.

    Parameters
    ----------
    chunks
        All of a recording, in order.

    Yields
    ------
    slice
        Of consecutive chunks. Without `several_voices`, all chunks with speech are of one voice.
    """
    female = _female(_evidence(chunks)) if several_voices(chunks) else [True] * len(chunks)

    def kind(number: int) -> object:
        without = {SILENT, NOT_SPEECH}.intersection(chunks[number].flags)
        return without or female[number]

    for _, numbers in groupby(range(len(chunks)), key=kind):
        first, *others = numbers
        yield slice(first, first + len(others) + 1)


def _evidence(chunks: Sequence[Segment]) -> NDArray[np.floating]:
    """Return the logarithm of each chunk's odds of a woman; 0 where there is no gender."""
    sure = np.minimum([one.gender_probability or 0.5 for one in chunks], _SUREST)
    sign = np.array([1 if one.gender == FEMALE else -1 for one in chunks])
    return np.log(sure / (1 - sure)) * sign


def _female(evidence: NDArray[np.floating]) -> list[bool]:
    """Decide for each chunk whether a woman speaks, by the most probable sequence of voices."""
    lead = 0.0  # Of the best sequence that ends in a woman over the best that ends in a man.
    leads = []
    for own in evidence:
        # Whichever is behind by more than a change costs is reached by a change.
        lead = min(max(lead, -_ENOUGH / 2), _ENOUGH / 2) + own
        leads.append(lead)
    female = [leads[-1] > 0]
    for lead in reversed(leads[:-1]):
        # Before a woman came a man only if his sequence led by more than the change costs.
        female.append(lead >= -_ENOUGH / 2 if female[-1] else lead > _ENOUGH / 2)
    female.reverse()
    # A stretch at either end pays for one change only, and must be worth as much as any other.
    runs = [list(own) for _, own in groupby(range(len(female)), key=female.__getitem__)]
    for run, other in ((runs[0], runs[1:2]), (runs[-1], runs[-2:-1])):
        if other and abs(evidence[run].sum()) < _ENOUGH:
            female[run[0] : run[-1] + 1] = [female[other[0][0]]] * len(run)
    return female


def _strongest(evidence: NDArray[np.floating]) -> float:
    """Return the largest sum of any stretch of consecutive values; 0 for none."""
    sums = np.concatenate([[0.0], np.cumsum(evidence)])
    return float((sums - np.minimum.accumulate(sums)).max())
