"""Temperatures are learnt from held-out sessions, whatever the classifier, or it is reported."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_examples import examples_of

from speech.classifiers.calibrated import fit_calibrated, held_out_parts

SEED = 5


def labelled(rows):
    """Make training data of (label, session, utterance) rows; the first input is the row."""
    return examples_of(np.arange(len(rows))[:, None], *zip(*rows, strict=True))


def recorded(sessions):
    """Record labels with so many sessions each, two utterances a session, two chunks each."""
    return labelled(
        [
            (label, f"s{session}", f"{label}-{session}-{utterance}")
            for label, count in sessions.items()
            for session in range(count)
            for utterance in "1122"
        ]
    )


class Spy:
    """Remembers what it learnt from and what it predicted; copies share the list of predictions."""

    form, trains_in_epochs = "pooled", False

    def __init__(self, fits):
        self.calibration_fits, self.predicted = fits, []

    def fit(self, training, validation=None):
        self.classes = sorted(set(training.labels))
        self.training, self.validation = training, validation
        return self

    def predict_proba(self, inputs):
        self.predicted.append((self, inputs[:, 0].astype(int)))
        return np.full((len(inputs), len(self.classes)), 1 / len(self.classes))


def spied(training, validation=None, *, fits=3):
    """Fit; give the calibrated spy, the spy, and (classifier, rows) of every prediction."""
    spy = Spy(fits)
    return fit_calibrated(spy, training, validation, seed=SEED), spy, spy.predicted


@st.composite
def recordings(draw):
    """Draw labels with any number of sessions, utterances and chunks, in any order."""
    rows = []
    for label in range(draw(st.integers(2, 5))):
        for session in range(draw(st.integers(1, 4))):
            for utterance in range(draw(st.integers(1, 3))):
                # Sessions of different labels may bear one name.
                row = (f"l{label}", f"s{session}", f"l{label}-{session}-{utterance}")
                rows += [row] * draw(st.integers(1, 3))
    return labelled(draw(st.permutations(rows)))


@settings(max_examples=40)
@given(training=recordings(), seed=st.integers(0, 3))
def test_whole_sessions_are_left_out_once_and_only_of_labels_that_keep_another(training, seed):
    parts, units = held_out_parts(training, seed)
    names = {"sessions": training.sessions, "utterances": training.utterances}
    several = {
        kind: {label for label in training.labels if len(set(own[training.labels == label])) > 1}
        for kind, own in names.items()
    }
    # Sessions if any label has two, utterances if none has.
    assert units == next((kind for kind in names if several[kind]), "nothing")
    with_two = several.get(units, set())
    assert set(training.labels[parts >= 0]) == with_two
    for label in with_two:
        own = training.labels == label
        part_of = {}
        for unit, part in zip(names[units][own], parts[own], strict=True):
            assert part_of.setdefault(unit, part) == part >= 0
        assert len(set(part_of.values())) > 1
        assert 0 in part_of.values()
    backwards, _ = held_out_parts(training[np.arange(len(parts))[::-1]], seed)
    assert (backwards[::-1] == parts).all(), "the order of the examples matters"


def test_the_temperature_rests_on_sessions_that_the_classifier_did_not_learn_from():
    """Copies are learnt from, and have no part in the temperature."""
    clean = recorded({"anna": 3, "bert": 2, "carl": 1})
    training = replace(clean, copies=(-1 - clean.inputs,))
    calibrated, spy, predicted = spied(training)
    assert calibrated.calibrated_on == "sessions"
    rows = np.concatenate([rows for _, rows in predicted])
    # Carl has a single session, which is always in training; a copy's input is negative.
    assert (rows >= 0).all()
    assert Counter(training.labels[rows]) == {"anna": 12, "bert": 8}
    for classifier, rows in predicted:
        learnt = classifier.training
        np.testing.assert_array_equal(learnt.copies[0], -1 - learnt.inputs)
        assert not set(learnt.sessions) & set(training.sessions[rows])
        assert classifier.classes == calibrated.classes
    # The classifier itself learns from everything.
    assert spy.training is training


def test_one_further_fit_leaves_a_session_of_every_label_out_that_has_two():
    training = recorded({"anna": 2, "bert": 2, "carl": 5})
    _, _, ((_, rows),) = spied(training, fits=1)
    assert set(training.labels[rows]) == {"anna", "bert", "carl"}


def test_validation_data_spare_the_further_fits():
    everything = recorded({"anna": 3, "bert": 3})
    aside = np.char.endswith(everything.sessions, "2")
    calibrated, spy, ((classifier, rows),) = spied(everything[~aside], everything[aside])
    assert calibrated.calibrated_on == "sessions"
    assert classifier is spy
    assert (rows == np.flatnonzero(aside)).all()


@pytest.mark.parametrize(
    ("training", "fits"),
    [
        (labelled([("anna", "1", "a"), ("bert", "1", "b")]), 3),
        (recorded({"anna": 2, "bert": 2}), 0),
    ],
    ids=["a single utterance each", "nothing to calibrate"],
)
def test_nothing_more_is_fitted_where_there_is_no_temperature_to_learn(training, fits):
    calibrated, _, predicted = spied(training, fits=fits)
    assert (calibrated.temperature, calibrated.calibrated_on) == (1.0, "nothing")
    assert predicted == []
