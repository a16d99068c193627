"""Planted wrong labels are found, right ones are left alone."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from speech.evaluation.label_audit import IMPROBABLE, audit_labels, median_pitch

NO_PITCH = pd.Series(dtype=float)
SPEAKERS, UTTERANCES, DIMENSIONS = 40, 10, 10
CLASSIFIERS = [make_pipeline(StandardScaler(), LogisticRegression(C=0.1)), GaussianNB()]


def corpus(seed, distance):
    """Draw features of two genders: utterances scatter around speakers, speakers around genders."""
    random = np.random.default_rng(seed)
    speaker = np.repeat(np.arange(SPEAKERS), UTTERANCES)
    woman = np.arange(SPEAKERS) % 2 == 0
    means = random.normal(size=(SPEAKERS, DIMENSIONS))
    means[:, :4] += distance * np.where(woman, 0.5, -0.5)[:, None]
    return speaker, means[speaker] + 0.7 * random.normal(size=(len(speaker), DIMENSIONS))


def labels(planted=()):
    given = np.array(["F", "M"] * (SPEAKERS // 2), dtype=object)
    for speaker in planted:
        given[speaker] = "M" if given[speaker] == "F" else "F"
    return given


def audit(seed, distance=2.5, planted=()):
    """Cross-validate two classifiers on two kinds of features of one corpus, and audit."""
    predictions = {"mfcc": [], "wav2vec2": []}
    for kind, tables in predictions.items():
        speaker, features = corpus((seed, len(kind)), distance)
        label = labels(planted)[speaker]
        for classifier in CLASSIFIERS:
            folds = {"groups": speaker, "cv": GroupKFold(5), "method": "predict_proba"}
            probabilities = cross_val_predict(classifier, features, label, **folds)
            columns = {"speaker_id": speaker.astype(str), "label": label}
            columns |= {"p_F": probabilities[:, 0], "p_M": probabilities[:, 1]}
            tables.append(pd.DataFrame(columns))
    return audit_labels(predictions, NO_PITCH)


def suspects(table):
    return set(table.loc[table["suspect"], "speaker_id"].astype(int))


@pytest.mark.parametrize("seed", range(3))
def test_planted_wrong_labels_are_found_and_no_others(seed):
    planted = set(np.random.default_rng(seed).choice(SPEAKERS, 2, replace=False).tolist())
    table = audit(seed, distance=4, planted=planted)
    assert len(table) == SPEAKERS
    assert table["label_probability"].is_monotonic_increasing
    assert suspects(table) == planted
    assert set(table["speaker_id"].head(2).astype(int)) == planted


@pytest.mark.parametrize("distance", [0, 1, 2, 4])
def test_a_clean_corpus_has_no_suspects_however_hard_it_is(distance):
    assert suspects(audit(distance, distance)) == set()


def audited(*, others=0.95, **probabilities):
    """Audit a woman of whose label systems predict these probabilities per utterance, and men."""
    predictions = {}
    men = 1 - np.linspace(others - 0.04, others + 0.04, 19)
    for name, of_label in probabilities.items():
        speaker = ["1"] * len(of_label) + [str(100 + k) for k in range(len(men))]
        table = pd.DataFrame({"speaker_id": speaker, "p_F": [*of_label, *men]})
        table = table.assign(label=np.where(table["speaker_id"] == "1", "F", "M"))
        predictions.setdefault(name.split("_")[0], []).append(table.assign(p_M=1 - table["p_F"]))
    return audit_labels(predictions, NO_PITCH).set_index("speaker_id").loc["1"]


def test_the_evidence_is_averaged_over_utterances_systems_and_features():
    row = audited(mfcc_svm=[0.1, 0.1, 0.7], mfcc_mlp=[0.2, 0.2, 0.2], wav_svm=[0.1, 0.2, 0.3])
    assert row["label"] == "F"
    # 0.3 and 0.2 on one kind of features, 0.2 on the other.
    assert row["label_probability"] == pytest.approx((0.25 + 0.2) / 2)
    assert row["utterances_against"] == pytest.approx(((2 / 3 + 1) / 2 + 1) / 2)
    odds = [np.log(p / (1 - p)) for p in (0.3, 0.2, 0.2)]
    assert row["margin"] == pytest.approx(((odds[0] + odds[1]) / 2 + odds[2]) / 2)
    assert (row["systems"], row["systems_against"]) == (3, 3)
    assert row["suspect"]


TENTH, THIRD = [0.1, 0.1], [0.3, 0.4]


@pytest.mark.parametrize(
    ("others", "evidence", "suspect"),
    [
        (0.9, {"mfcc_svm": TENTH, "wav_svm": TENTH}, True),
        # Inaccurate systems make no suspect.
        (0.45, {"mfcc_svm": TENTH, "wav_svm": TENTH}, False),
        # Nor does a label that is only somewhat improbable.
        (0.95, {"mfcc_svm": THIRD, "wav_svm": THIRD}, False),
        # Nor does one kind of features alone.
        (0.95, {"mfcc_svm": [0.0], "mfcc_mlp": [0.0], "wav_svm": THIRD, "wav_mlp": [0.6]}, False),
    ],
)
def test_a_suspect_is_contradicted_clearly_by_accurate_systems_on_all_features(
    others, evidence, suspect
):
    row = audited(others=others, **evidence)
    assert row["systems_against"] == min(len(evidence), 3)
    assert (row["label_probability"] < IMPROBABLE) == (evidence["mfcc_svm"] != THIRD)
    assert row["suspect"] == suspect


def test_pitch_is_shown_where_it_is_known_and_changes_nothing():
    speaker = np.array(["1", "2"])
    table = pd.DataFrame({"speaker_id": speaker, "label": ["F", "M"], "p_F": 0.9, "p_M": 0.1})
    pitch = pd.Series({"1": 210.0})
    shown = audit_labels({"mfcc": [table]}, pitch).set_index("speaker_id")
    assert shown.loc["1", "median_f0_hz"] == 210
    assert np.isnan(shown.loc["2", "median_f0_hz"])
    without = audit_labels({"mfcc": [table]}, NO_PITCH).set_index("speaker_id")
    pd.testing.assert_frame_equal(
        shown.drop(columns="median_f0_hz"), without.drop(columns="median_f0_hz")
    )


def test_the_median_pitch_is_that_of_all_voiced_frames():
    contours = [np.log2([[100, 2], [200, 2]]), np.array([[0, 0], [np.log2(210), 1]])]
    assert median_pitch(contours) == pytest.approx(200)
    assert np.isnan(median_pitch([np.zeros((3, 2))]))
