"""Whether probabilities mean what they say: reliability, and expected calibration error.

A prediction of confidence 0.8 (the probability of the predicted class) should be right in 80 % of
cases. Predictions are put into 15 bins of equal width by their confidence, as in [1]_; where all
bins' accuracies equal their mean confidences, the system is calibrated. The expected calibration
error is the mean distance between the two over all predictions.

It has no interval. Noise within the bins never cancels, it only adds: the error of a perfectly
calibrated system is above zero, the more so the fewer predictions there are, and resampling
speakers would add more. It is therefore compared with the error that chance alone gives a
calibrated system of the same confidences.

References
----------
.. [1] Guo, C., Pleiss, G., Sun, Y. and Weinberger, K. Q., "On calibration of modern neural
   networks", ICML 2017.
"""

import numpy as np
import pandas as pd

from speech.evaluation.scores import average_by, with_outcome
from speech.params import Task
from speech.storage.predictions import probabilities_of

BINS = 15
"""Of equal width from 0 to 1, each with its upper end; with two classes the lower seven are empty,
for the predicted class then has at least one half."""


def reliability(
    table: pd.DataFrame, task: Task, *, resamples: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Compare confidence and accuracy bin by bin.

    Parameters
    ----------
    table
        Predictions.
    task
        How speakers are resampled; see `speech.evaluation.scores`.
    resamples, seed
        Of the bootstrap.

    Returns
    -------
    DataFrame
        One row per bin that holds predictions: ``bin`` (1 to `BINS`), ``rows``, ``speakers``,
        ``confidence`` (the mean in the bin), ``value`` (the accuracy), ``low``, ``high``.
    """
    scored = with_outcome(table)
    bins = _bins_of(scored["confidence"])
    by_bin = average_by(table, bins, task, resamples=resamples, seed=seed)
    by_bin.insert(3, "confidence", scored["confidence"].groupby(bins).mean().to_numpy())
    return by_bin.rename(columns={"group": "bin"})


def expected_calibration_error(bins: pd.DataFrame) -> float:
    """Average the distance between confidence and accuracy over all predictions.

    Parameters
    ----------
    bins
        As `reliability` returns them.

    Returns
    -------
    float
        0 (calibrated) to 1.
    """
    distance = (bins["value"] - bins["confidence"]).abs()
    return float(np.average(distance, weights=bins["rows"]))


def calibration_error_by_chance(
    table: pd.DataFrame, *, resamples: int = 1000, seed: int = 0
) -> float:
    """Return the expected calibration error that chance alone gives a calibrated system.

    Predictions of the same confidences are drawn right or wrong with just these probabilities, each
    independently. Those of one session are more alike than that, so it is a lower bound.

    Parameters
    ----------
    table
        Predictions.
    resamples, seed
        Of the draws, whose mean is returned.
    """
    confidence = probabilities_of(table).max(axis=1)
    bins = _bins_of(pd.Series(confidence)).to_numpy()
    random = np.random.default_rng(seed)
    distances = []
    for _ in range(resamples):
        correct = random.random(len(bins)) < confidence
        distances.append(np.abs(np.bincount(bins, confidence - correct)).sum())
    return float(np.mean(distances)) / len(bins)


def _bins_of(confidence: pd.Series) -> pd.Series:
    # Averages of equal numbers differ in their last bits, and must not differ in their bins.
    return np.ceil((confidence * BINS).round(6)).astype(int)
