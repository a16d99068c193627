"""The best model is picked by other folds than the one it is scored on."""

import numpy as np
import pandas as pd
import pytest
from made_corpus import chunk_table
from scipy.special import expit

from speech.folds import ALL_FOLDS
from speech.training.model_selection import pick_models, picked_model, predictions_as_picked

FOLDS = 3
NAMES = ["logistic", "svm", "mlp"]


def table(random, skill):
    """Make predictions up, of speakers dealt to folds; the higher the skill, the more are right."""
    chunks = chunk_table("gender", chapters=1, utterances=5, chunks=1, folds=FOLDS)
    sign = np.where(chunks["label"] == "F", 1, -1)
    women = expit(random.normal(skill, 1, len(chunks)) * sign)
    return chunks.assign(p_F=women, p_M=1 - women)


def made_up(seed=0, skills=(0.2, 0.2, 0.2)):
    random = np.random.default_rng(seed)
    return {name: table(random, skill) for name, skill in zip(NAMES, skills, strict=True)}


def picked(predictions):
    picks = pick_models(predictions)
    return {fold: picked_model(picks, fold) for fold in [*range(FOLDS), ALL_FOLDS]}


def test_the_best_on_all_other_folds_is_picked_and_not_the_best_on_the_fold():
    predictions = made_up(skills=(2, 0, 0))
    # On fold 0 the first is always wrong, which changes only the picks that fold 0 counts for.
    worst = predictions["logistic"]
    own = worst["fold"] == 0
    wrong = (worst.loc[own, "label"] == "M").astype(float)
    worst.loc[own, "p_F"], worst.loc[own, "p_M"] = wrong, 1 - wrong
    picks = picked(predictions)
    assert picks[0] == "logistic"
    assert "logistic" not in {picks[1], picks[2], picks[ALL_FOLDS]}


def test_scores_are_log_loss_and_accuracy_on_the_other_folds():
    predictions = made_up()
    picks = pick_models(predictions).set_index(["fold", "model"])
    others = predictions["svm"][predictions["svm"]["fold"] != 1]
    of_truth = others["p_F"].where(others["label"] == "F", others["p_M"])
    assert picks.loc[(1, "svm"), "log_loss"] == pytest.approx(-np.log(of_truth).mean())
    assert picks.loc[(1, "svm"), "accuracy"] == pytest.approx((of_truth > 0.5).mean())
    assert picks.loc[(ALL_FOLDS, "svm"), "accuracy"] == pytest.approx(
        (predictions["svm"]["p_F"] > 0.5).eq(predictions["svm"]["label"] == "F").mean()
    )


def test_of_equal_log_losses_the_more_accurate_is_picked_and_of_equal_models_the_first():
    first, second = made_up()["svm"], made_up()["svm"]
    assert set(picked({"mlp": first, "svm": second}).values()) == {"mlp"}
    # One mistake, or none, at the same loss: ln 0.9 + ln 0.4 = ln 0.6 + ln 0.6.
    for predictions, of_truth in ((first, [0.9, 0.4]), (second, [0.6, 0.6])):
        truth = np.resize(of_truth, len(predictions))
        women = np.where(predictions["label"] == "F", truth, 1 - truth)
        predictions["p_F"], predictions["p_M"] = women, 1 - women
    losses = pick_models({"mlp": first, "svm": second}).set_index(["fold", "model"])["log_loss"]
    assert losses[ALL_FOLDS, "mlp"] == pytest.approx(losses[ALL_FOLDS, "svm"])
    assert picked({"mlp": first, "svm": second})[ALL_FOLDS] == "svm"


def test_each_fold_is_predicted_by_its_pick_in_the_order_of_the_rows():
    predictions = made_up()
    picks = pick_models(predictions)
    assembled = predictions_as_picked(predictions, picks)
    assert assembled["utterance_id"].tolist() == predictions["svm"]["utterance_id"].tolist()
    for fold in range(FOLDS):
        model = predictions[picked_model(picks, fold)]
        own = [table[table["fold"] == fold] for table in (assembled, model)]
        pd.testing.assert_frame_equal(*own)
    assert len({picked_model(picks, fold) for fold in range(FOLDS)}) > 1
