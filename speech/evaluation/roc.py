"""The ROC curve of a system: what share it finds, against what share it wrongly claims.

For gender the curve is that of calling a voice a woman's. For speakers, each utterance is a trial
of every speaker, one against the rest, and all trials are pooled. The area under the pooled curve
differs a little from the metrics' ``roc_auc``, which averages over speakers.
"""

import numpy as np
import pandas as pd
from sklearn.metrics import roc_curve

from speech.folds import FEMALE
from speech.params import Task
from speech.predictions import classes_of, columns_of

ROC_POINTS = 100
"""Of a curve, at most: more cannot be seen."""


def roc_points(table: pd.DataFrame, task: Task) -> pd.DataFrame:
    """Give points of the ROC curve, from (0, 0) to (1, 1).

    Parameters
    ----------
    table
        Predictions.
    task
        Says what a trial is.

    Returns
    -------
    DataFrame
        ``false_positive`` and ``true_positive``, shares; ``threshold``, of the probability; at most
        `ROC_POINTS` rows. Without rows where one of the two kinds of trials is missing.
    """
    classes = [FEMALE] if task == "gender" else classes_of(table)
    targets = table["label"].to_numpy()[:, np.newaxis] == np.array(classes)
    columns = ["false_positive", "true_positive", "threshold"]
    if not 0 < targets.sum() < targets.size:
        return pd.DataFrame(columns=columns, dtype=float)
    scores = table[columns_of(classes)].to_numpy()
    false, true, thresholds = roc_curve(targets.ravel(), scores.ravel())
    # Beyond the highest score nothing is claimed: the convention of an infinite threshold is none
    # that JSON or a plot could show.
    curve = pd.DataFrame(dict(zip(columns, (false, true, thresholds.clip(max=1)), strict=True)))
    # Evenly along the curve, whose steps are now wide, now high; with the point before each, so
    # that a long step keeps its corner.
    travelled = np.linspace(0, 2, ROC_POINTS // 2)
    after = np.searchsorted(false + true, travelled).clip(1, len(curve) - 1)
    return curve.iloc[np.unique([after - 1, after])].reset_index(drop=True)
