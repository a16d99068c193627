"""What happens as the threshold of a score moves: ROC and DET curves, equal error rate.

A trial is accepted if its score reaches the threshold. Targets should be accepted, all others not.

scikit-learn has `roc_curve` and `det_curve`. They are not used here because intervals need a curve
for each of a thousand resamples, and `det_curve` fails on a resample without targets. The function
here also takes about a third of their time. The tests compare both with it.

References
----------
.. [1] Martin, A., Doddington, G., Kamm, T., Ordowski, M. and Przybocki, M., "The DET curve in
   assessment of detection task performance", Eurospeech 1997.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from speech.evaluation.scores import interval_of
from speech.folds import FEMALE
from speech.params import Task
from speech.storage.predictions import classes_of, columns_of

ROC_POINTS = 100
"""Of a curve, at most: more cannot be seen."""

DET_POINTS = 200
"""Of a curve, at most."""


class ErrorRates(NamedTuple):
    """How frequent each error is at each threshold, from the highest down.

    Attributes
    ----------
    thresholds
        Shape (thresholds,): infinity, at which nothing is accepted, then every score.
    miss
        Share of targets that are not accepted (false negative rate), shape (thresholds,).
    false_alarm
        Share of the others that are accepted (false positive rate), shape (thresholds,).
    """

    thresholds: NDArray[np.float64]
    miss: NDArray[np.float64]
    false_alarm: NDArray[np.float64]


def error_rates(
    scores: NDArray[np.floating],
    targets: NDArray[np.bool_],
    weights: NDArray[np.float64] | None = None,
) -> ErrorRates:
    """Compute both error rates at every threshold.

    Parameters
    ----------
    scores
        Higher for what is more likely a target, shape (trials,).
    targets
        Which trials should be accepted, shape (trials,).
    weights
        How often each trial counts, shape (trials,); once if not given.

    Returns
    -------
    ErrorRates
        NaN where no target, or nothing else, counts.
    """
    # Fast if they are sorted already, as for the second and all further resamples.
    order = np.argsort(-scores, kind="stable")
    ranked, weights = scores[order], np.ones(len(scores)) if weights is None else weights[order]
    # Equal scores are accepted together.
    last = np.flatnonzero(np.append(ranked[1:] < ranked[:-1], True))
    of_targets = np.where(targets[order], weights, 0)
    hits, false_alarms = (np.cumsum(part)[last] for part in (of_targets, weights - of_targets))
    with np.errstate(invalid="ignore"):
        hit, false_alarm = (np.append(0, part) / part[-1] for part in (hits, false_alarms))
    return ErrorRates(np.append(np.inf, ranked[last]), 1 - hit, false_alarm)


def equal_error_rate(rates: ErrorRates) -> float:
    """Interpolate the rate at which misses and false alarms are equally frequent.

    Parameters
    ----------
    rates
        As `error_rates` returns them.

    Returns
    -------
    float
        0 to 1; 0.5 for scores without information. NaN if a rate is undefined.
    """
    excess = rates.false_alarm - rates.miss
    if np.isnan(excess).any():
        return np.nan
    after = int(np.argmax(excess >= 0))
    share = -excess[after - 1] / (excess[after] - excess[after - 1])
    return float(rates.miss[after - 1] + share * (rates.miss[after] - rates.miss[after - 1]))


def equal_error_rate_with_interval(
    scores: NDArray[np.floating], targets: NDArray[np.bool_], weights: Iterable[NDArray[np.float64]]
) -> tuple[float, float, float]:
    """Return the equal error rate and its 95 % percentile interval.

    Parameters
    ----------
    scores, targets
        As in `error_rates`.
    weights
        Of each resample: how often each trial counts, shape (trials,).

    Returns
    -------
    value, low, high : float
    """
    # Sorted once, so that no resample need sort again.
    order = np.argsort(-scores, kind="stable")
    scores, targets = scores[order], targets[order]
    rates = [equal_error_rate(error_rates(scores, targets, own[order])) for own in weights]
    low, high = interval_of(np.array(rates))
    return equal_error_rate(error_rates(scores, targets)), float(low), float(high)


def roc_points(table: pd.DataFrame, task: Task) -> pd.DataFrame:
    """Return points of the ROC curve of a system, from (0, 0) to (1, 1).

    Parameters
    ----------
    table
        Predictions.
    task
        For ``gender``, women are the targets. For ``speaker``, each row is a trial of every
        speaker, one against the rest, and all trials are pooled; so the area under the curve
        differs a little from the score ``roc_auc``, which averages over speakers.

    Returns
    -------
    DataFrame
        ``false_positive_rate``, ``true_positive_rate``, ``threshold`` (a probability); at most
        `ROC_POINTS` rows. None where there are no targets, or nothing else.
    """
    classes = [FEMALE] if task == "gender" else classes_of(table)
    targets = table["label"].to_numpy()[:, np.newaxis] == np.array(classes)
    names = ["false_positive_rate", "true_positive_rate", "threshold"]
    if not 0 < targets.sum() < targets.size:
        return pd.DataFrame(columns=names, dtype=float)
    rates = error_rates(table[columns_of(classes)].to_numpy().ravel(), targets.ravel())
    # JSON and plots have no infinite threshold; none is above a probability of 1.
    columns = [rates.false_alarm, 1 - rates.miss, rates.thresholds.clip(max=1)]
    curve = pd.DataFrame(dict(zip(names, columns, strict=True)))
    # Only corners; within a straight line no point is needed.
    bends = np.abs(np.diff(curve[names[:2]].to_numpy(), n=2, axis=0)).max(axis=1) > 1e-12
    curve = curve[np.concatenate([[True], bends, [True]])]
    # Evenly along the curve, whose steps are now wide, now high; with the corner before each.
    along = curve["false_positive_rate"] + curve["true_positive_rate"]
    after = np.searchsorted(along, np.linspace(0, 2, ROC_POINTS // 2)).clip(1, len(curve) - 1)
    return curve.iloc[np.unique([after - 1, after])].reset_index(drop=True)


def det_points(rates: ErrorRates) -> pd.DataFrame:
    """Return points of the DET curve [1]_, where it has any: where both errors are made.

    Parameters
    ----------
    rates
        As `error_rates` returns them.

    Returns
    -------
    DataFrame
        ``threshold`` (rising), ``false_alarm``, ``miss`` and, for the axes, the normal deviates
        ``false_alarm_probit`` and ``miss_probit``, by which normally distributed scores give a
        straight line; at most `DET_POINTS` rows.
    """
    from scipy.special import ndtri

    curve = pd.DataFrame(
        {"threshold": rates.thresholds, "false_alarm": rates.false_alarm, "miss": rates.miss}
    )[::-1]
    shares = curve[["false_alarm", "miss"]]
    inside = curve[((shares > 0) & (shares < 1)).all(axis=1)]
    places = np.linspace(0, len(inside) - 1, min(len(inside), DET_POINTS)).astype(int)
    kept = inside.iloc[places].reset_index(drop=True)
    return kept.assign(
        false_alarm_probit=ndtri(kept["false_alarm"]), miss_probit=ndtri(kept["miss"])
    )
