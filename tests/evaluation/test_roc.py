"""ROC curves: few points that keep the area, from nothing claimed to everything."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from speech.evaluation.roc import ROC_POINTS, roc_points


def genders(rows=3000, seed=0, skill=1.0):
    random = np.random.default_rng(seed)
    label = random.choice(["F", "M"], rows)
    evidence = random.normal(size=rows) + skill * np.where(label == "F", 1, -1)
    woman = 1 / (1 + np.exp(-evidence))
    return pd.DataFrame({"label": label, "p_F": woman, "p_M": 1 - woman})


def test_a_curve_runs_from_nothing_to_everything_and_never_back():
    curve = roc_points(genders(), "gender")
    assert curve[["false_positive", "true_positive"]].iloc[0].tolist() == [0, 0]
    assert curve[["false_positive", "true_positive"]].iloc[-1].tolist() == [1, 1]
    assert (curve[["false_positive", "true_positive"]].diff().dropna() >= 0).all(axis=None)
    assert (curve["threshold"].diff().dropna() <= 0).all()


@pytest.mark.parametrize("skill", [0, 0.5, 2])
def test_few_points_keep_the_area(skill):
    table = genders(skill=skill)
    curve = roc_points(table, "gender")
    area = np.trapezoid(curve["true_positive"], curve["false_positive"])
    assert len(curve) <= ROC_POINTS
    assert area == pytest.approx(roc_auc_score(table["label"] == "F", table["p_F"]), abs=0.005)


def test_of_speakers_every_row_is_a_trial_of_each():
    random = np.random.default_rng(1)
    names = ["1", "2", "3"]
    label = random.choice(names, 500)
    scores = random.dirichlet(np.ones(3), 500)
    table = pd.DataFrame(scores, columns=[f"p_{name}" for name in names]).assign(label=label)
    curve = roc_points(table, "speaker")
    targets = (label[:, None] == np.array(names)).ravel()
    area = np.trapezoid(curve["true_positive"], curve["false_positive"])
    assert area == pytest.approx(roc_auc_score(targets, scores.ravel()), abs=0.005)


def test_a_threshold_is_a_probability():
    assert roc_points(genders(), "gender")["threshold"].between(0, 1).all()


def test_with_one_kind_of_trials_there_is_no_curve():
    table = genders().query("label == 'F'")
    curve = roc_points(table, "gender")
    assert curve.empty
    assert list(curve.columns) == ["false_positive", "true_positive", "threshold"]
