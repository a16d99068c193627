"""Whether a recording holds several voices, by stretches of chunks of either gender.

Each chunk speaks for one gender by the logarithm of its odds. A stretch's evidence is the sum over
its chunks, those that speak against it subtracted, as in a cumulative sum test [1]_: what has to be
explained by a second voice is a stretch that strong for each gender. A chunk by itself is none,
because single chunks are wrong too often.

References
----------
.. [1] Page, E. S., "Continuous inspection schemes", Biometrika 1954.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from speech.folds import FEMALE
from speech.inference.answers import Segment

_SUREST = 0.99
"""As what a more probable gender counts: no chunk is proof by itself."""

_SURE_CHUNKS = 2
"""How many of those in a row a stretch must be worth, so 4 seconds."""


def several_voices(segments: Sequence[Segment]) -> bool:
    """Decide whether chunks of one recording are surely of women and surely of men.

    Parameters
    ----------
    segments
        All chunks of a recording, in order. Those without a gender count for neither.

    Returns
    -------
    bool
        True if one stretch of chunks is surely of a woman, and another surely of a man. Two voices
        of one gender are not distinguished.
    """
    probable = [one for one in segments if one.gender and one.gender_probability]
    sure = np.minimum([one.gender_probability or 0.5 for one in probable], _SUREST)
    female = np.array([one.gender == FEMALE for one in probable], dtype=bool)
    evidence = np.log(sure / (1 - sure)) * np.where(female, 1, -1)
    enough = _SURE_CHUNKS * np.log(_SUREST / (1 - _SUREST))
    return min(_strongest(evidence), _strongest(-evidence)) >= enough - 1e-9


def _strongest(evidence: NDArray[np.floating]) -> float:
    """Return the largest sum of any stretch of consecutive values; 0 for none."""
    sums = np.concatenate([[0.0], np.cumsum(evidence)])
    return float((sums - np.minimum.accumulate(sums)).max())
