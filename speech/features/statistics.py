"""A chunk's MFCC frames as one vector, for classifiers that take no sequence."""

from collections.abc import Sequence
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Statistic = Literal["mean", "std", "correlation", "delta_correlation"]
STATISTICS: tuple[Statistic, ...] = ("mean", "std", "correlation", "delta_correlation")

_CONSTANT = 1e-3
"""A coefficient whose centred norm is below this is constant over a chunk, but for rounding."""


def mfcc_statistics(
    frames: NDArray[np.float32],
    *,
    coefficients: int = 30,
    statistics: Sequence[Statistic] = STATISTICS,
    correlated: int = 13,
) -> NDArray[np.float32]:
    """Summarise the frames of one chunk.

    Parameters
    ----------
    frames
        Shape (frames, coefficients * (1 + delta orders)), static coefficients first.
    coefficients
        Number of static coefficients.
    statistics
        Which, in this order.
    correlated
        How many of the first coefficients are correlated with each other.

    Returns
    -------
    ndarray
        ``mean``: of each static coefficient; the mean of a delta is nearly 0.
        ``std``: of every column. ``correlation``: of each two of the first static coefficients;
        it does not depend on the microphone, which adds the same to every frame.
        ``delta_correlation``: of each two of their deltas.
    """
    static, deltas = frames[:, :coefficients], frames[:, coefficients : 2 * coefficients]
    first = min(correlated, coefficients)
    computed = {
        "mean": lambda: static.mean(axis=0),
        "std": lambda: frames.std(axis=0),
        "correlation": lambda: correlations(static[:, :first]),
        "delta_correlation": lambda: correlations(deltas[:, :first]),
    }
    return np.concatenate([computed[name]() for name in statistics])


def correlations(columns: NDArray[np.floating]) -> NDArray[np.floating]:
    """Correlate each two columns over the frames; 0 for a column that is constant.

    Parameters
    ----------
    columns
        Shape (frames, columns).

    Returns
    -------
    ndarray
        One number for each pair of columns.
    """
    centred = columns - columns.mean(axis=0)
    scaled = centred / np.maximum(np.linalg.norm(centred, axis=0), _CONSTANT)
    return (scaled.T @ scaled)[_pairs(columns.shape[1])]


@cache
def _pairs(count: int) -> tuple[NDArray[np.intp], ...]:
    return np.triu_indices(count, k=1)
