"""Temperature scaling [1]_: one number that calibrates probabilities; above 1, they were too high.

References
----------
.. [1] Guo, C., Pleiss, G., Sun, Y. and Weinberger, K. Q., "On calibration of modern neural
   networks", ICML 2017.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from speech.storage.predictions import SMALLEST

_COLDEST, _HOTTEST = 1 / 50, 50.0
"""A temperature beyond these bounds would no longer be calibration."""


def fit_temperature(
    probabilities: NDArray[np.floating], targets: NDArray[np.integer], utterances: NDArray[np.str_]
) -> float:
    """Find the temperature at which predictions of whole utterances have the lowest Brier score.

    Chunks are averaged over utterances as in `speech.storage.predictions.utterance_level`. The
    Brier score is bounded: a whole session that is confused counts by its length. The log loss is
    not, and one such session would lower the confidence in all others.

    Parameters
    ----------
    probabilities
        Of chunks that the classifier did not learn from, shape (chunks, classes).
    targets
        The number of each chunk's true class, shape (chunks,).
    utterances
        The utterance of each chunk, shape (chunks,); all chunks of an utterance have one class.

    Returns
    -------
    float
        1/50 to 50.

    Notes
    -----
    Where every prediction is right, the Brier score would have no minimum. So the target of the
    true class is not 1 but (n + 1) / (n + 2) for n utterances, by Laplace's rule of succession, as
    in Platt (1999), "Probabilistic outputs for support vector machines".
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    _, first, members = np.unique(utterances, return_index=True, return_inverse=True)
    logarithms = _logarithms(probabilities)
    count, classes = len(first), probabilities.shape[1]
    wanted = np.full((count, classes), 1 / (count + 2) / (classes - 1))
    wanted[np.arange(count), targets[first]] = (count + 1) / (count + 2)

    def loss(log_temperature: float) -> float:
        tempered = log_softmax(logarithms / np.exp(log_temperature), axis=1)
        floored = pd.DataFrame(np.maximum(tempered, np.log(SMALLEST)))
        joined = log_softmax(floored.groupby(members).mean().to_numpy(), axis=1)
        return float(np.square(np.exp(joined) - wanted).sum(axis=1).mean())

    bounds = (np.log(_COLDEST), np.log(_HOTTEST))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def at_temperature(probabilities: NDArray[np.floating], temperature: float) -> NDArray[np.float32]:
    """Return the probabilities of a classifier at a temperature, of the same shape."""
    from scipy.special import log_softmax

    tempered = log_softmax(_logarithms(probabilities) / temperature, axis=1)
    return np.exp(tempered).astype(np.float32)


def _logarithms(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    # float32 rounds small probabilities to 0, whose logarithm is infinite.
    smallest = float(np.finfo(np.float32).tiny)
    return np.log(np.maximum(probabilities.astype(np.float64), smallest))
