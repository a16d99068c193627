"""Planted wrong labels are found, right ones are left alone."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from speech.evaluation.label_audit import IMPROBABLE, audit_labels, median_pitch

NO_PITCH = pd.Series(dtype=float)
SPEAKERS, UTTERANCES = 40, 10


def audit(seed, distance, planted=()):
    """Let two systems on each of two kinds of features predict genders, and audit the labels.

    Their log odds scatter around speakers', and those around genders'.
    """
    random = np.random.default_rng(seed)
    speaker = np.repeat(np.arange(SPEAKERS), UTTERANCES)
    woman = speaker % 2 == 0
    label = np.where(woman ^ np.isin(speaker, list(planted)), "F", "M")
    predictions = {"mfcc": [], "wav2vec2": []}
    for tables in predictions.values():
        odds = np.where(woman, distance, -distance) + random.normal(size=SPEAKERS)[speaker]
        for _ in range(2):
            women = expit(odds + random.normal(size=len(odds)))
            columns = {"speaker_id": speaker.astype(str), "p_F": women, "p_M": 1 - women}
            tables.append(pd.DataFrame(columns).assign(label=label))
    return audit_labels(predictions, NO_PITCH)


def suspects(table):
    return set(table.loc[table["suspect"], "speaker_id"].astype(int))


@pytest.mark.parametrize("seed", range(3))
def test_planted_wrong_labels_are_found_and_no_others(seed):
    planted = set(np.random.default_rng(seed).choice(SPEAKERS, 2, replace=False).tolist())
    table = audit(seed, 4, planted)
    assert len(table) == SPEAKERS
    assert table["label_probability"].is_monotonic_increasing
    assert suspects(table) == planted
    assert set(table["speaker_id"].head(2).astype(int)) == planted


@pytest.mark.parametrize("distance", [0, 1, 2, 4])
def test_a_clean_corpus_has_no_suspects_however_hard_it_is(distance):
    assert suspects(audit(distance, distance)) == set()


def audited(*, others=(0.91, 0.99), **probabilities):
    """Audit a woman of whose label systems predict these probabilities per utterance, and men."""
    predictions = {}
    men = 1 - np.linspace(*others, 19)
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


TENTH, FIFTH, THIRD = [0.1, 0.1], [0.2, 0.2], [0.3, 0.4]


@pytest.mark.parametrize(
    ("others", "evidence", "suspect"),
    [
        ((0.86, 0.94), {"mfcc_svm": TENTH, "wav_svm": TENTH}, True),
        # Inaccurate systems make no suspect.
        ((0.41, 0.49), {"mfcc_svm": TENTH, "wav_svm": TENTH}, False),
        # Nor does a label that is only somewhat improbable.
        ((0.91, 0.99), {"mfcc_svm": THIRD, "wav_svm": THIRD}, False),
        # Nor one among many that are nearly as improbable.
        ((0.42, 0.99), {"mfcc_svm": FIFTH, "wav_svm": FIFTH}, False),
        # Nor does one kind of features alone.
        (
            (0.91, 0.99),
            {"mfcc_svm": [0.0], "mfcc_mlp": [0.0], "wav_svm": THIRD, "wav_mlp": [0.6]},
            False,
        ),
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
