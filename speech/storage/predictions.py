"""Tables of predictions, which classifiers leave behind and everything downstream reads.

One row per chunk, utterance or speaker: its ``speaker_id``, its true class ``label`` and one column
``p_<class>`` per class, in the order of the classes.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

PROBABILITY = "p_"
"""What the names of the probability columns begin with."""

SMALLEST = 1e-6
"""What a chunk's probability counts as at least: no 2 seconds are proof against all others."""

SMALLEST_PROBABILITY = float(np.finfo(np.float32).eps)
"""Log loss takes no probability for smaller: networks compute in single precision, and models that
compute in double must not be punished harder for the same certain mistake."""


def columns_of(classes: Iterable[str]) -> list[str]:
    """Name the probability columns of some classes, in their order."""
    return [PROBABILITY + name for name in classes]


def classes_of(table: pd.DataFrame) -> list[str]:
    """Name the classes of a table of predictions, in the order of their columns."""
    columns = [name for name in table.columns if name.startswith(PROBABILITY)]
    return [name.removeprefix(PROBABILITY) for name in columns]


def with_probabilities(
    table: pd.DataFrame, classes: Sequence[str], probabilities: NDArray[np.floating]
) -> pd.DataFrame:
    """Put the probabilities that a classifier predicts beside its examples.

    Parameters
    ----------
    table
        One row per example.
    classes
        The classifier's classes, in its order.
    probabilities
        Shape (examples, classes).

    Returns
    -------
    DataFrame
        The table, its rows numbered anew, with one more column per class.
    """
    columns = pd.DataFrame(probabilities, columns=columns_of(classes))
    return table.reset_index(drop=True).join(columns)


def probabilities_of(table: pd.DataFrame) -> NDArray[np.float64]:
    """Return the probabilities in a table of predictions, each row scaled to sum to one.

    Parameters
    ----------
    table
        Predictions.

    Returns
    -------
    ndarray of shape (rows, classes)

    Raises
    ------
    ValueError
        If one is negative or not finite, or a row sums to zero.
    """
    probabilities = table[columns_of(classes_of(table))].to_numpy(np.float64)
    sums = probabilities.sum(axis=1, keepdims=True)
    if not (np.isfinite(probabilities).all() and (probabilities >= 0).all() and (sums > 0).all()):
        raise ValueError("probabilities must be finite, not negative, and not all zero in a row")
    return probabilities / sums


def predicted_classes(table: pd.DataFrame) -> NDArray[np.object_]:
    """Return the class of highest probability of each row; of equal ones, the first."""
    return np.array(classes_of(table), dtype=object)[probabilities_of(table).argmax(axis=1)]


def logarithms_of(probabilities: NDArray[np.floating]) -> NDArray[np.floating]:
    """Take the logarithms of chunks' probabilities, as `utterance_level` averages them."""
    return np.log(np.maximum(probabilities, SMALLEST))


def from_logarithms(averaged: NDArray[np.floating]) -> NDArray[np.floating]:
    """Make probabilities of averaged logarithms, along the last axis."""
    weights = np.exp(averaged)
    return weights / weights.sum(axis=-1, keepdims=True)


def utterance_level(chunks: pd.DataFrame) -> pd.DataFrame:
    """Average the predictions over each utterance's chunks; all chunks count alike.

    The logarithms are averaged, not the probabilities: chunks that agree leave little doubt, where
    an average of probabilities would keep the doubt of a single chunk. On real speech this improved
    the calibration of utterances at equal accuracy.

    Parameters
    ----------
    chunks
        Predictions per chunk, with ``utterance_id``, ``chapter_id`` and ``fold``.

    Returns
    -------
    DataFrame
        One row per utterance, in the order of the chunks, without the chunk columns.
    """
    keys = ["utterance_id", "speaker_id", "chapter_id", "fold", "label"]
    columns = columns_of(classes_of(chunks))
    logarithms = pd.DataFrame(
        logarithms_of(chunks[columns].to_numpy(np.float64)), chunks.index, columns
    )
    by_utterance = logarithms.groupby([chunks[key] for key in keys], sort=False)
    averaged = by_utterance.mean().reset_index()
    # One block of columns: of hundreds of classes, pandas is slow to put them in one by one.
    probabilities = from_logarithms(averaged[columns].to_numpy())
    return averaged[keys].join(pd.DataFrame(probabilities, columns=columns))
