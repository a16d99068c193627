"""Error rates at every threshold: scikit-learn's, and those known of normal scores."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn import metrics

from speech.evaluation.roc import (
    DET_POINTS,
    ROC_POINTS,
    det_points,
    equal_error_rate,
    error_rates,
    roc_points,
)


def normal_scores(targets=20_000, others=30_000, distance=2.0):
    """Draw normal scores: the equal error rate is known exactly."""
    scores = np.random.default_rng(0).normal(size=targets + others)
    is_target = np.arange(len(scores)) < targets
    scores[is_target] += distance
    return scores, is_target


def test_the_rates_are_scikit_learns():
    scores, targets = normal_scores(300, 500)
    scores = scores.round(1)
    weights = np.random.default_rng(1).integers(1, 4, size=len(scores)).astype(float)
    rates = error_rates(scores, targets, weights)
    points = np.column_stack([rates.false_alarm, 1 - rates.miss, rates.thresholds])
    expected = metrics.roc_curve(targets, scores, sample_weight=weights, drop_intermediate=False)
    np.testing.assert_allclose(points, np.column_stack(expected), atol=1e-12)
    # scikit-learn leaves out the ends, where one of the rates no longer changes.
    false_alarm, miss, _ = metrics.det_curve(targets, scores, sample_weight=weights)
    theirs = np.column_stack([false_alarm, 1 - miss]).round(9)
    assert set(map(tuple, theirs)) <= set(map(tuple, points[:, :2].round(9)))


@pytest.mark.parametrize(
    ("targets", "others", "expected"),
    [
        ([3, 4], [1, 2], 0.0),
        ([1, 2], [3, 4], 1.0),
        ([1, 1], [1, 1], 0.5),
        ([2, 4], [1, 3], 0.5),
        ([2, 4, 5, 6], [0, 1, 1, 3], 0.25),
    ],
)
def test_the_equal_error_rate_of_a_few_scores_is_the_one_by_hand(targets, others, expected):
    scores = np.array(targets + others, dtype=float)
    is_target = np.arange(len(scores)) < len(targets)
    assert equal_error_rate(error_rates(scores, is_target)) == pytest.approx(expected)


def test_where_not_both_errors_are_made_there_is_no_rate_and_no_curve():
    scores, targets = normal_scores(5, 5)
    assert np.isnan(equal_error_rate(error_rates(scores, targets, np.where(targets, 0.0, 1.0))))
    assert det_points(error_rates(np.arange(3.0), np.array([False, False, True]))).empty
    curve = roc_points(genders().query("label == 'F'"), "gender")
    assert curve.empty
    assert list(curve.columns) == ["false_positive_rate", "true_positive_rate", "threshold"]


def genders(skill=1.0, rows=3000):
    random = np.random.default_rng(0)
    label = random.choice(["F", "M"], rows)
    evidence = random.normal(size=rows) + skill * np.where(label == "F", 1, -1)
    women = 1 / (1 + np.exp(-evidence))
    return pd.DataFrame({"label": label, "p_F": women, "p_M": 1 - women})


def area_of(curve):
    return np.trapezoid(curve["true_positive_rate"], curve["false_positive_rate"])


@pytest.mark.parametrize("skill", [0, 2])
def test_few_points_keep_the_whole_roc_curve(skill):
    table = genders(skill)
    curve = roc_points(table, "gender")
    assert len(curve) <= ROC_POINTS
    rates = curve[["false_positive_rate", "true_positive_rate"]]
    assert rates.iloc[0].tolist() == [0, 0]
    assert rates.iloc[-1].tolist() == [1, 1]
    assert (rates.diff().dropna() >= 0).all(axis=None)
    assert curve["threshold"].between(0, 1).all()
    assert curve["threshold"].is_monotonic_decreasing
    expected = metrics.roc_auc_score(table["label"] == "F", table["p_F"])
    assert area_of(curve) == pytest.approx(expected, abs=0.005)


def test_of_speakers_every_row_is_a_trial_of_each():
    random = np.random.default_rng(1)
    names = ["1", "2", "3"]
    label = random.choice(names, 500)
    scores = random.dirichlet(np.ones(3), 500)
    table = pd.DataFrame(scores, columns=[f"p_{name}" for name in names]).assign(label=label)
    targets = (label[:, None] == np.array(names)).ravel()
    expected = metrics.roc_auc_score(targets, scores.ravel())
    assert area_of(roc_points(table, "speaker")) == pytest.approx(expected, abs=0.005)


def test_the_det_curve_of_normal_scores_is_a_finite_and_monotonic_straight_line():
    curve = det_points(error_rates(*normal_scores(distance=2.0)))
    assert len(curve) <= DET_POINTS
    middle = curve[curve["false_alarm"].between(0.01, 0.9) & curve["miss"].between(0.01, 0.9)]
    sums = middle["false_alarm_probit"] + middle["miss_probit"]
    np.testing.assert_allclose(sums, -2.0, atol=0.05)
    assert np.isfinite(curve.to_numpy()).all()
    assert curve["threshold"].is_monotonic_increasing
    assert curve["miss"].is_monotonic_increasing
    assert curve["false_alarm"].is_monotonic_decreasing
    np.testing.assert_allclose(norm.cdf(curve["miss_probit"]), curve["miss"])
