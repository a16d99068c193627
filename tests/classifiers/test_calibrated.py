"""Temperatures are learnt from held-out sessions, whatever the classifier, or it is reported."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech.classifiers.calibrated import Calibrated, held_out_parts
from speech.classifiers.protocol import Labelled
from speech.classifiers.registry import build_classifier

SEED = 5


def labelled(rows, inputs=None):
    """Make training data of (label, session, utterance) rows; the first input is the row."""
    labels, sessions, utterances = (
        np.array(column, dtype=str) for column in zip(*rows, strict=True)
    )
    if inputs is None:
        inputs = np.arange(len(rows), dtype=np.float32)[:, None]
    return Labelled(inputs, labels, utterances, sessions)


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

    form, workers, stops_early = "pooled", "threads", False
    curves, best_epochs = [], 7

    def __init__(self, fits):
        self.calibration_fits, self.predicted = fits, []

    def fit(self, training, validation=None, epochs=None):
        self.classes = sorted(set(training.labels))
        self.training, self.validation, self.epochs = training, validation, epochs
        return self

    def predict_proba(self, inputs):
        self.predicted.append((self, inputs[:, 0].astype(int)))
        return np.full((len(inputs), len(self.classes)), 1 / len(self.classes))


def spied(training, validation=None, *, fits=3, temperature=None):
    """Fit; give the calibrated spy, the spy, and (classifier, rows) of every prediction."""
    spy = Spy(fits)
    calibrated = Calibrated(spy, seed=SEED, temperature=temperature)
    return calibrated.fit(training, validation), spy, spy.predicted


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
    training = recorded({"anna": 3, "bert": 2, "carl": 1})
    calibrated, spy, predicted = spied(training)
    assert calibrated.calibrated_on == "sessions"
    rows = np.concatenate([rows for _, rows in predicted])
    # Carl has a single session, which is always in training.
    assert Counter(training.labels[rows]) == {"anna": 12, "bert": 8}
    for classifier, rows in predicted:
        learnt = set(zip(classifier.training.labels, classifier.training.sessions, strict=True))
        assert not learnt & set(zip(training.labels[rows], training.sessions[rows], strict=True))
        assert classifier.classes == calibrated.classes
        # A network that leaves a session out trains as long as was best with it.
        assert classifier.epochs == 7
    # The classifier itself learns from everything.
    assert spy.training is training


def test_one_further_fit_leaves_a_session_of_every_label_out_that_has_two():
    training = recorded({"anna": 2, "bert": 2, "carl": 5})
    _, _, ((_, rows),) = spied(training, fits=1)
    assert set(training.labels[rows]) == {"anna", "bert", "carl"}


def test_copies_are_learnt_from_and_have_no_part_in_the_temperature():
    clean = recorded({"anna": 2, "bert": 2})
    training = Labelled(
        clean.inputs, clean.labels, clean.utterances, clean.sessions, (-clean.inputs,)
    )
    _, _, predicted = spied(training)
    for classifier, rows in predicted:
        (learnt,) = classifier.training.copies
        np.testing.assert_array_equal(learnt, -classifier.training.inputs)
        assert (rows >= 0).all()
        assert not set(-learnt[:, 0]) & set(rows)


def test_validation_data_of_other_sessions_spare_the_further_fits():
    everything = recorded({"anna": 3, "bert": 3})
    aside = everything.sessions == "s2"
    calibrated, spy, predicted = spied(everything[~aside], everything[aside])
    ((classifier, rows),) = predicted
    assert classifier is spy
    assert (rows == np.flatnonzero(aside)).all()
    assert calibrated.calibrated_on == "sessions"


def test_validation_data_of_training_sessions_do_not():
    everything = recorded({"anna": 3, "bert": 3})
    aside = np.char.endswith(everything.utterances, "2")
    _, _, predicted = spied(everything[~aside], everything[aside])
    assert len(predicted) == 3
    assert not np.isin(np.concatenate([rows for _, rows in predicted]), np.flatnonzero(aside)).any()


@pytest.mark.parametrize(
    ("sessions", "units"),
    [({"anna": 1, "bert": 1}, "utterances"), ({"anna": 2, "bert": 1}, "sessions")],
)
def test_utterances_stand_in_only_if_no_label_has_two_sessions(sessions, units):
    assert spied(recorded(sessions))[0].calibrated_on == units


@pytest.mark.parametrize(
    ("training", "options", "temperature"),
    [
        (labelled([("anna", "1", "a"), ("bert", "1", "b")]), {}, 1.0),
        (recorded({"anna": 2, "bert": 2}), {"fits": 0}, 1.0),
        (recorded({"anna": 2, "bert": 2}), {"temperature": 2.5}, 2.5),
    ],
    ids=["a single utterance each", "nothing to calibrate", "a temperature is given"],
)
def test_nothing_more_is_fitted_where_there_is_no_temperature_to_learn(
    training, options, temperature
):
    calibrated, _, predicted = spied(training, **options)
    assert (calibrated.temperature, calibrated.calibrated_on) == (temperature, "nothing")
    assert predicted == []


@pytest.mark.parametrize("model", ["logistic", "svm", "lda"])
def test_held_out_sessions_calibrate_better_for_new_sessions_than_held_out_utterances(model):
    """Here the other utterances of a session give its label away, and not that of new sessions."""
    random = np.random.default_rng(0)
    labels = np.repeat(["a", "b"], 400)
    sessions = np.tile(np.repeat([f"{n:02d}" for n in range(20)], 20), 2)
    names = np.char.add(labels, sessions)
    place = {name: random.normal(scale=3, size=8) for name in sorted(set(names))}
    inputs = np.stack([place[name] for name in names])
    inputs = (inputs + random.normal(scale=0.1, size=inputs.shape)).astype(np.float32)
    utterances = np.arange(len(labels)).astype(str)
    train = sessions < "10"

    def loss(sessions):
        calibrated = Calibrated(build_classifier(model, seed=SEED), seed=SEED)
        calibrated.fit(Labelled(inputs, labels, utterances, sessions)[train])
        probabilities = calibrated.predict_proba(inputs[~train])
        true = np.searchsorted(calibrated.classes, labels[~train])
        return -np.log(probabilities[np.arange(len(true)), true]).mean()

    assert loss(sessions) < loss(utterances)
