"""Wrong labels that somebody planted are found, right ones are left alone."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from speech.evaluation.label_audit import IMPROBABLE, audit_labels, median_pitch

SPEAKERS, UTTERANCES, DIMENSIONS = 40, 10, 10
CLASSIFIERS = [make_pipeline(StandardScaler(), LogisticRegression(C=0.1)), GaussianNB()]


def corpus(seed, distance):
    """Draw voices of two genders: utterances scatter around speakers, speakers around genders."""
    random = np.random.default_rng(seed)
    speaker = np.repeat(np.arange(SPEAKERS), UTTERANCES)
    woman = np.arange(SPEAKERS) % 2 == 0
    voices = random.normal(size=(SPEAKERS, DIMENSIONS))
    voices[:, :4] += distance * np.where(woman, 0.5, -0.5)[:, None]
    return speaker, voices[speaker] + 0.7 * random.normal(size=(len(speaker), DIMENSIONS))


def labels(planted=()):
    given = np.array(["F", "M"] * (SPEAKERS // 2), dtype=object)
    for speaker in planted:
        given[speaker] = "M" if given[speaker] == "F" else "F"
    return given


def audit(seed, distance=2.5, planted=()):
    """Cross-validate two classifiers on two kinds of features of one corpus, and audit."""
    predictions = {}
    for kind in ("mfcc", "wav2vec2"):
        speaker, features = corpus((seed, len(kind)), distance)
        label = labels(planted)[speaker]
        predictions[kind] = []
        for classifier in CLASSIFIERS:
            probabilities = cross_val_predict(
                classifier,
                features,
                label,
                groups=speaker,
                cv=GroupKFold(5),
                method="predict_proba",
            )
            table = pd.DataFrame({"speaker_id": speaker.astype(str), "label": label})
            predictions[kind].append(table.assign(p_F=probabilities[:, 0], p_M=probabilities[:, 1]))
    return audit_labels(predictions)


def suspects(table):
    return set(table.loc[table["suspect"], "speaker_id"].astype(int))


@pytest.mark.parametrize("seed", range(5))
def test_planted_wrong_labels_are_found_and_no_others(seed):
    planted = set(np.random.default_rng(seed).choice(SPEAKERS, 2, replace=False).tolist())
    table = audit(seed, distance=4, planted=planted)
    assert suspects(table) == planted
    assert set(table["speaker_id"].head(2).astype(int)) == planted


@pytest.mark.parametrize("distance", [0, 1, 2, 4])
@pytest.mark.parametrize("seed", range(4))
def test_a_clean_corpus_raises_no_alarm_however_hard_it_is(seed, distance):
    assert suspects(audit(seed, distance)) == set()


def told(*, others=0.95, **probabilities):
    """Make a woman up of whose label systems have these probabilities, per utterance, and men."""
    predictions = {}
    for name, of_label in probabilities.items():
        men = np.linspace(others - 0.04, others + 0.04, 19)
        women = np.array([*of_label, *(1 - men)])
        table = pd.DataFrame(
            {
                "speaker_id": ["1"] * len(of_label) + [str(100 + k) for k in range(len(men))],
                "label": ["F"] * len(of_label) + ["M"] * len(men),
                "p_F": women,
                "p_M": 1 - women,
            }
        )
        predictions.setdefault(name.split("_")[0], []).append(table)
    return audit_labels(predictions).set_index("speaker_id").loc["1"]


def test_the_evidence_is_what_it_is_called():
    row = told(mfcc_svm=[0.1, 0.1, 0.7], mfcc_mlp=[0.2, 0.2, 0.2], wav_svm=[0.1, 0.2, 0.3])
    assert row["label"] == "F"
    # 0.3 and 0.2 on one kind of features, 0.2 on the other.
    assert row["label_probability"] == pytest.approx((0.25 + 0.2) / 2)
    assert row["utterances_against"] == pytest.approx(((2 / 3 + 1) / 2 + 1) / 2)
    odds = [np.log(p / (1 - p)) for p in (0.3, 0.2, 0.2)]
    assert row["margin"] == pytest.approx(((odds[0] + odds[1]) / 2 + odds[2]) / 2)
    assert (row["systems"], row["systems_against"]) == (3, 3)
    assert row["suspect"]


def test_one_kind_of_features_alone_accuses_nobody():
    row = told(mfcc_svm=[0.0, 0.0], mfcc_mlp=[0.0, 0.0], wav_svm=[0.4, 0.3], wav_mlp=[0.55, 0.6])
    assert row["label_probability"] < IMPROBABLE
    assert row["systems_against"] == 3
    assert not row["suspect"]


def test_doubt_is_not_enough():
    row = told(mfcc_svm=[0.3, 0.4], wav_svm=[0.3, 0.4])
    assert row["systems_against"] == 2
    assert not row["suspect"]


def test_judges_that_are_often_wrong_accuse_nobody():
    evidence = {"mfcc_svm": [0.1, 0.1], "wav_svm": [0.1, 0.1]}
    assert told(others=0.9, **evidence)["suspect"]
    assert not told(others=0.45, **evidence)["suspect"]


def test_speakers_are_ranked_from_the_most_doubtful_and_all_are_there():
    table = audit(0, planted=[3])
    assert len(table) == SPEAKERS
    assert table["label_probability"].is_monotonic_increasing


def test_pitch_is_shown_where_it_is_known_and_has_no_vote():
    speaker = np.array(["1", "2"])
    table = pd.DataFrame({"speaker_id": speaker, "label": ["F", "M"], "p_F": 0.9, "p_M": 0.1})
    pitch = pd.Series({"1": 210.0})
    shown = audit_labels({"mfcc": [table]}, pitch).set_index("speaker_id")
    assert shown.loc["1", "median_f0_hz"] == 210
    assert np.isnan(shown.loc["2", "median_f0_hz"])
    without = audit_labels({"mfcc": [table]}).set_index("speaker_id")
    pd.testing.assert_frame_equal(shown.drop(columns="median_f0_hz"), without)


def test_the_median_pitch_is_that_of_all_voiced_frames():
    contours = [np.log2([[100, 2], [200, 2]]), np.array([[0, 0], [np.log2(210), 1]])]
    assert median_pitch(contours) == pytest.approx(200)
    assert np.isnan(median_pitch([np.zeros((3, 2))]))
