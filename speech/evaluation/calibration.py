"""Whether probabilities mean what they say: reliability, and expected calibration error.

A prediction of confidence 0.8 (the probability of the predicted class) should be right in 80 % of
cases. Predictions are put into 15 bins of equal width by their confidence, as in [1]_; where all
bins' accuracies equal their mean confidences, the system is calibrated. The expected calibration
error is the mean distance between the two over all predictions.

It is given without an interval. Noise within the bins never cancels, it only adds: the error of a
perfectly calibrated system is above zero, the more so the fewer predictions there are, and
resampling voices would add more. Beside it therefore stands what a calibrated system of the same
confidences would show by chance.

References
----------
.. [1] Guo, C., Pleiss, G., Sun, Y. and Weinberger, K. Q., "On calibration of modern neural
   networks", ICML 2017.
"""

import numpy as np
import pandas as pd

from speech.evaluation.scores import accuracy_by
from speech.params import Task
from speech.predictions import probabilities_of

BINS = 15
"""Of equal width from 0 to 1, each with its upper end; with two classes the lower seven are empty,
for the predicted class then has at least one half."""


def reliability(table: pd.DataFrame, task: Task, *, resamples: int, seed: int) -> pd.DataFrame:
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
    confidence = _confidence(table)
    bins = _bins_of(confidence)
    by_bin = accuracy_by(table, bins, task, resamples=resamples, seed=seed)
    means = confidence.groupby(bins).mean().to_numpy()
    by_bin.insert(3, "confidence", means)
    return by_bin.rename(columns={"group": "bin"})


def expected_calibration_error(bins: pd.DataFrame) -> float:
    """Average the distance between confidence and accuracy over all predictions.

    Parameters
    ----------
    bins
        As `reliability` gives them.

    Returns
    -------
    float
        0 (calibrated) to 1.
    """
    distance = (bins["value"] - bins["confidence"]).abs()
    return float(np.average(distance, weights=bins["rows"]))


def calibration_error_by_chance(table: pd.DataFrame, *, resamples: int, seed: int) -> float:
    """Find the expected calibration error that chance alone gives a calibrated system.

    Predictions of the same confidences are drawn right or wrong with just these probabilities,
    one independently of the other. Those of one session are more alike than that, so it is a lower
    bound of what chance can do.

    Parameters
    ----------
    table
        Predictions.
    resamples, seed
        Of the draws, whose mean is returned.
    """
    confidences = _confidence(table)
    bins, confidence = _bins_of(confidences).to_numpy(), confidences.to_numpy()
    random = np.random.default_rng(seed)

    def draw() -> float:
        surplus = confidence - (random.random(len(table)) < confidence)
        return float(np.abs(np.bincount(bins, weights=surplus)).sum())

    return float(np.mean([draw() for _ in range(resamples)])) / len(table)


def _confidence(table: pd.DataFrame) -> pd.Series:
    return pd.Series(probabilities_of(table).max(axis=1), table.index)


def _bins_of(confidence: pd.Series) -> pd.Series:
    # Averages of equal numbers differ in their last bits, and must not differ in their bins.
    return np.ceil((confidence * BINS).round(6)).astype(int)
