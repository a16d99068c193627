"""How accuracy grows with the number of training speakers, and what the last doubling added."""

import numpy as np
import pandas as pd

from speech.evaluation.scores import average_by, with_outcome

CURVE = ["speakers", "value", "low", "high"]


def accuracy_by_training_speakers(
    predictions: pd.DataFrame, *, resamples: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Score the predictions of each number of training speakers, averaged over draws.

    Parameters
    ----------
    predictions
        Of gender, per utterance, with ``speakers`` (in training) and ``draw``.
    resamples, seed
        Of the bootstrap.

    Returns
    -------
    DataFrame
        ``speakers``, ``value`` (accuracy), ``low``, ``high``.
    """
    by = predictions["speakers"]
    curve = average_by(predictions, by, "gender", resamples=resamples, seed=seed)
    return curve.drop(columns="speakers").rename(columns={"group": "speakers"})[CURVE]


def last_doubling(
    predictions: pd.DataFrame, *, resamples: int = 1000, seed: int = 0
) -> tuple[float, float, float]:
    """Return the gain in accuracy per doubling at the end of the curve, with its interval.

    Gains of the same speakers are resampled, not scores.

    Parameters
    ----------
    predictions, resamples, seed
        As in `accuracy_by_training_speakers`.

    Returns
    -------
    value, low, high : float
    """
    outcome = with_outcome(predictions)
    rates = outcome.groupby(["speakers", "utterance_id"])["correct"].mean()
    # There are two numbers at least: no fold leaves fewer than two training speakers of a gender.
    *_, fewer, most = sorted(predictions["speakers"].unique())
    gains = (rates[most] - rates[fewer]) / np.log2(most / fewer)
    tested = predictions.drop_duplicates("utterance_id").set_index("utterance_id")
    every = pd.Series("all", tested.index)
    gain = average_by(tested, every, "gender", values=gains, resamples=resamples, seed=seed)
    value, low, high = gain.loc[0, ["value", "low", "high"]].astype(float)
    return value, low, high
