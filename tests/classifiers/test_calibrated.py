"""The temperature rests on unheard sessions, whatever the classifier, or it is told."""

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
    """Remembers what it learnt from and what it was asked."""

    form, workers, stops_early = "pooled", "threads", False

    def __init__(self, fits, seen, epochs=None):
        self.calibration_fits, self.seen = fits, seen
        self.epochs, self.curves, self.best_epochs = epochs, [], 7

    def fit(self, training, validation=None):  # noqa: ARG002
        self.classes = sorted(set(training.labels))
        self.heard = training
        return self

    def predict_proba(self, inputs):
        self.seen.append((self, inputs[:, 0].astype(int)))
        return np.full((len(inputs), len(self.classes)), 1 / len(self.classes))


def spied(training, validation=None, *, fits=3, temperature=None):
    seen = []
    system = Calibrated(lambda epochs: Spy(fits, seen, epochs), SEED, temperature=temperature)
    return system.fit(training, validation), seen


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


@settings(max_examples=60)
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
    voting = several.get(units, set())
    assert set(training.labels[parts >= 0]) == voting
    for label in voting:
        own = training.labels == label
        part_of = {}
        for unit, part in zip(names[units][own], parts[own], strict=True):
            assert part_of.setdefault(unit, part) == part >= 0
        assert len(set(part_of.values())) > 1
        assert 0 in part_of.values()


@settings(max_examples=20)
@given(training=recordings(), seed=st.integers(0, 3))
def test_what_is_left_out_does_not_depend_on_the_order_of_the_examples(training, seed):
    parts, _ = held_out_parts(training, seed)
    backwards, _ = held_out_parts(training[np.arange(len(parts))[::-1]], seed)
    assert (backwards[::-1] == parts).all()


def test_every_answer_the_temperature_rests_on_is_about_a_session_the_classifier_never_heard():
    training = recorded({"anna": 3, "bert": 2, "carl": 1})
    system, seen = spied(training)
    assert system.calibrated_on == "sessions"
    asked = np.concatenate([rows for _, rows in seen])
    # Carl has a single session: it is learnt from and never asked about.
    assert Counter(training.labels[asked]) == {"anna": 12, "bert": 8}
    for classifier, rows in seen:
        heard = set(zip(classifier.heard.labels, classifier.heard.sessions, strict=True))
        assert not heard & set(zip(training.labels[rows], training.sessions[rows], strict=True))
        assert classifier.classes == system.classes
        # A network that leaves a session out trains as long as was best with it.
        assert classifier.epochs == 7


def test_the_classifier_itself_learns_from_everything():
    training = recorded({"anna": 3, "bert": 2})
    system, _ = spied(training)
    assert len(system._classifier.heard.labels) == len(training.labels)


def test_one_further_fit_leaves_a_session_of_every_label_out_that_has_two():
    training = recorded({"anna": 2, "bert": 2, "carl": 5})
    _, seen = spied(training, fits=1)
    assert len(seen) == 1
    assert set(training.labels[seen[0][1]]) == {"anna", "bert", "carl"}


def test_validation_data_of_unheard_sessions_spare_the_further_fits():
    everything = recorded({"anna": 3, "bert": 3})
    aside = everything.sessions == "s2"
    system, seen = spied(everything[~aside], everything[aside])
    assert [classifier is system._classifier for classifier, _ in seen] == [True]
    assert (seen[0][1] == np.flatnonzero(aside)).all()
    assert system.calibrated_on == "sessions"


def test_validation_data_of_heard_sessions_do_not():
    everything = recorded({"anna": 3, "bert": 3})
    aside = np.char.endswith(everything.utterances, "2")
    _, seen = spied(everything[~aside], everything[aside])
    assert len(seen) == 3
    assert not np.isin(np.concatenate([rows for _, rows in seen]), np.flatnonzero(aside)).any()


@pytest.mark.parametrize(
    ("sessions", "units"),
    [({"anna": 1, "bert": 1}, "utterances"), ({"anna": 2, "bert": 1}, "sessions")],
)
def test_utterances_of_heard_sessions_stand_in_only_if_no_label_has_two_sessions(sessions, units):
    system, _ = spied(recorded(sessions))
    assert system.calibrated_on == units


def test_with_a_single_utterance_each_there_is_no_temperature_and_it_is_told():
    system, seen = spied(labelled([("anna", "1", "a"), ("bert", "1", "b")]))
    assert (system.temperature, system.calibrated_on, seen) == (1.0, "nothing", [])


def test_a_temperature_that_is_given_is_taken_and_nothing_more_is_fitted():
    system, seen = spied(recorded({"anna": 2, "bert": 2}), temperature=2.5)
    assert (system.temperature, seen) == (2.5, [])


@pytest.mark.parametrize("model", ["logistic", "svm", "lda", "mlp"])
def test_a_temperature_learnt_on_unheard_sessions_is_truer_of_other_unheard_sessions(
    model, make_params
):
    """Here a session is known by heart from its other utterances, and tells nothing of others."""
    params = make_params(**{"mlp.hidden": [16], "mlp.epochs": 20})
    random = np.random.default_rng(0)
    labels = np.repeat(["a", "b"], 400)
    sessions = np.tile(np.repeat([f"{n:02d}" for n in range(20)], 20), 2)
    names = np.char.add(labels, sessions)
    place = {name: random.normal(scale=3, size=8) for name in sorted(set(names))}
    inputs = np.stack([place[name] for name in names])
    inputs = (inputs + random.normal(scale=0.1, size=inputs.shape)).astype(np.float32)
    utterances = np.arange(len(labels)).astype(str)
    heard = sessions < "10"

    def loss(sessions):
        training = Labelled(inputs, labels, utterances, sessions)[heard]
        system = build_classifier(model, params, SEED).fit(training)
        probabilities = system.predict_proba(inputs[~heard])
        true = np.searchsorted(system.classes, labels[~heard])
        return -np.log(probabilities[np.arange(len(true)), true]).mean()

    assert loss(sessions) < loss(utterances)
