"""One number that brings probabilities to what they say [1]_: above 1, a classifier was too sure.

References
----------
.. [1] Guo, C., Pleiss, G., Sun, Y. and Weinberger, K. Q., "On calibration of modern neural
   networks", ICML 2017.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from speech.predictions import SMALLEST

_COLDEST, _HOTTEST = 1 / 50, 50.0
"""Whoever needs more has not been calibrated but replaced."""


def fit_temperature(
    probabilities: NDArray[np.floating], targets: NDArray[np.integer], utterances: NDArray[np.str_]
) -> float:
    """Find the temperature at which the answers about whole utterances are truest.

    Utterances, not chunks, are what answers are given about: the mean of its chunks' logarithms
    (`speech.predictions.utterance_level`), where chunks that agree make sure. Truest is the lowest
    Brier score, the mean square of what is missing: a session that is taken for another as a whole
    weighs as much as it is long, where by the log loss it would make all others doubtful.

    Parameters
    ----------
    probabilities
        Of chunks that the classifier did not learn from, shape (chunks, classes).
    targets
        The number of each chunk's true class, shape (chunks,).
    utterances
        To which each belongs, shape (chunks,); all chunks of one have one class.

    Returns
    -------
    float
        1/50 to 50.

    Notes
    -----
    Where every answer is right, no certainty is too much for the plain score. So the true
    class's target is (n + 1) / (n + 2) for n utterances, by Laplace's rule of succession, as in
    Platt (1999), "Probabilistic outputs for support vector machines".
    """
    _, first, members = np.unique(utterances, return_index=True, return_inverse=True)
    logarithms = _logarithms(probabilities)
    count, classes = len(first), probabilities.shape[1]
    wanted = np.full((count, classes), 1 / (count + 2) / (classes - 1))
    wanted[np.arange(count), targets[first]] = (count + 1) / (count + 2)

    def loss(log_temperature: float) -> float:
        tempered = log_softmax(logarithms / np.exp(log_temperature), axis=1)
        heard = pd.DataFrame(np.maximum(tempered, np.log(SMALLEST)))
        joined = log_softmax(heard.groupby(members).mean().to_numpy(), axis=1)
        return float(np.square(np.exp(joined) - wanted).sum(axis=1).mean())

    bounds = (np.log(_COLDEST), np.log(_HOTTEST))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def at_temperature(probabilities: NDArray[np.floating], temperature: float) -> NDArray[np.float32]:
    """Give the probabilities of a classifier at a temperature, of the same shape."""
    tempered = log_softmax(_logarithms(probabilities) / temperature, axis=1)
    return np.exp(tempered).astype(np.float32)


def _logarithms(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    # What float32 rounds to 0 is no impossibility.
    smallest = float(np.finfo(np.float32).tiny)
    return np.log(np.maximum(probabilities.astype(np.float64), smallest))
