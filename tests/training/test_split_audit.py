"""The split audit tells leakage from knowledge, on features of which the truth is known."""

import numpy as np
import pandas as pd
import pytest

from speech.classifiers import registry
from speech.evaluation.scores import score_levels
from speech.features.examples import Examples
from speech.folds import gender_folds, name_units, speaker_folds
from speech.predictions import utterance_level
from speech.training import split_audit
from speech.training.cross_validation import cross_validate, label_examples
from speech.training.split_audit import CAREFUL, WHOLE, audit, splits_of

SPEAKERS, CHAPTERS, UTTERANCES, CHUNKS, DIMENSIONS = 40, 3, 3, 2, 150
CASES = [(task, split) for task in CAREFUL for split in splits_of(task)]
every_case = pytest.mark.parametrize(("task", "split"), CASES)


@pytest.fixture
def params(make_params):
    return make_params(**{"evaluate.resamples": 100, "parallel.jobs": 1})


@pytest.fixture(scope="module")
def utterances():
    rows = [
        (
            f"{speaker}-{chapter}-{number}",
            str(speaker),
            f"{speaker}{chapter}",
            "FM"[speaker % 2],
            4.0,
        )
        for speaker in range(100, 100 + SPEAKERS)
        for chapter in range(CHAPTERS)
        for number in range(UTTERANCES)
    ]
    columns = ["utterance_id", "speaker_id", "chapter_id", "gender", "seconds"]
    return pd.DataFrame(rows, columns=columns)


@pytest.fixture(scope="module")
def table(utterances):
    chunks = utterances.loc[np.repeat(utterances.index, CHUNKS)].reset_index(drop=True)
    return chunks.assign(chunk=np.tile(np.arange(CHUNKS), len(utterances)))


def inputs_that_tell(table, unit):
    """Make features up that are random but for which unit a chunk belongs to."""
    random = np.random.default_rng(0)
    _, number = np.unique(unit, return_inverse=True)
    means = random.normal(size=(number.max() + 1, DIMENSIONS))
    noise = random.normal(scale=0.2, size=(len(table), DIMENSIONS))
    return (means[number] + noise).astype(np.float32)


@pytest.fixture
def question(table, utterances, params):
    """Give what `audit` needs of a task, with features that tell a unit."""

    def ask(task, unit):
        inputs = inputs_that_tell(table, unit)
        chunks = table[["utterance_id", "speaker_id", "chapter_id", "chunk"]]
        data = label_examples(Examples(chunks, inputs), utterances, task)
        if task == "gender":
            folds = gender_folds(utterances, params.folds.gender, params.seed)
        else:
            folds = speaker_folds(utterances, params.folds.speaker)
        careful = chunks["utterance_id"].map(folds.set_index("utterance_id")["fold"]).to_numpy()
        return chunks, data, careful

    return ask


def accuracy(scores, level):
    return scores.set_index("level")["value"][level]


def test_the_splits_of_a_task_end_with_its_careful_one():
    assert splits_of("gender") == list(WHOLE)
    assert splits_of("speaker") == ["random-chunk", "random-utterance", "chapter-disjoint"]


@pytest.mark.parametrize("level", ["chunk", "utterance"])
def test_features_that_know_the_session_only_are_flattered_up_to_where_it_is_unheard(
    table, question, params, level
):
    chapters = name_units(table, "chapter")
    told = {
        (task, split): accuracy(
            audit("logistic", task, split, *question(task, chapters), params), level
        )
        for task, split in CASES
    }
    for task in CAREFUL:
        assert told[task, "random-chunk"] > 0.95
        assert told[task, "random-utterance"] > 0.95
    assert 0.2 < told["gender", "chapter-disjoint"] < 0.8
    assert 0.2 < told["gender", "speaker-disjoint"] < 0.8
    assert told["speaker", "chapter-disjoint"] < 0.2


def test_features_that_know_the_voice_only_are_flattered_up_to_where_it_is_unheard(
    table, question, params
):
    told = [
        accuracy(
            audit("logistic", "gender", split, *question("gender", table["speaker_id"]), params),
            "utterance",
        )
        for split in splits_of("gender")
    ]
    assert min(told[:3]) > 0.95
    assert 0.2 < told[3] < 0.8


def test_features_that_know_what_is_asked_are_flattered_nowhere(table, question, params):
    for task, split in CASES:
        label = table["gender" if task == "gender" else "speaker_id"]
        scores = audit("logistic", task, split, *question(task, label), params)
        assert accuracy(scores, "chunk") > 0.95, (task, split)


@pytest.mark.parametrize("task", CAREFUL)
def test_the_careful_split_gives_what_the_pipeline_gives(task, table, question, params):
    chunks, data, careful = question(task, name_units(table, "chapter"))
    told = audit("svm", task, CAREFUL[task], chunks, data, careful, params)
    predicted = cross_validate("svm", task, chunks, data, careful, params).chunks
    resampling = {"resamples": 100, "seed": params.seed}
    scores = score_levels(predicted, utterance_level(predicted), task, **resampling)
    expected = scores[scores["score"] == "accuracy"].reset_index(drop=True)
    pd.testing.assert_frame_equal(told, expected)


class Spy:
    """A classifier that learns nothing and remembers what it was to learn from."""

    form, workers = "pooled", "threads"
    calibration_fits = 0
    seen: list

    def __init__(self, *_):
        self.curves, self.best_epochs, self.classes = [], 0, []

    def fit(self, training, validation=None):
        self.classes = sorted(set(training.labels.tolist()))
        self.seen.append((training, validation))
        return self

    def predict_proba(self, inputs):
        return np.full((len(inputs), len(self.classes)), 1 / len(self.classes), np.float32)


@pytest.fixture
def spied(monkeypatch, table, question, params):
    """Audit with a spy; give the unit and careful fold of each chunk, and what it was shown."""

    def run(task, split):
        spy = type("ThisSpy", (Spy,), {"stops_early": True, "seen": []})
        monkeypatch.setitem(registry._CLASSES, "mlp", spy)
        chunks, data, careful = question(task, table["speaker_id"])
        data.inputs[:, 0] = np.arange(len(data.inputs))
        audit("mlp", task, split, chunks, data, careful, params)
        return name_units(chunks, WHOLE[split]), careful, spy.seen

    return run


def rows_of(data):
    return data.inputs[:, 0].astype(int)


@every_case
def test_a_split_keeps_its_units_whole_and_differs_in_nothing_else(task, split, spied):
    units, careful, seen = spied(task, split)
    assert len(seen) == len(set(careful))
    tested = []
    for training, validation in seen:
        heard = np.concatenate([rows_of(training), rows_of(validation)])
        rest = np.setdiff1d(np.arange(len(units)), heard)
        assert not set(units[heard]) & set(units[rest])
        tested += rest.tolist()
    assert sorted(tested) == list(range(len(units)))


@every_case
def test_calibration_and_early_stopping_are_as_careless_as_the_split(task, split, spied):
    units, _, seen = spied(task, split)
    for training, validation in seen:
        own = units[rows_of(training)]
        # Calibration sets sessions aside, and they are the units, neither more nor less.
        assert len(set(own)) == len(set(training.sessions))
        assert len(set(zip(own, training.sessions, strict=True))) == len(set(own))
        # A chapter of two would be too much to lose for stopping early: utterances are.
        if (task, split) != ("speaker", "chapter-disjoint"):
            assert not set(own) & set(units[rows_of(validation)])


def test_an_utterance_whose_chunks_fell_into_several_folds_is_scored_once(
    monkeypatch, table, question, params
):
    scored = []

    def keep(chunks, utterances, *arguments, **named):
        scored.append((chunks, utterances))
        return score_levels(chunks, utterances, *arguments, **named)

    monkeypatch.setattr(split_audit, "score_levels", keep)
    asked = question("gender", table["speaker_id"])
    audit("dummy", "gender", "random-chunk", *asked, params)
    ((chunks, by_utterance),) = scored
    assert chunks.groupby("utterance_id")["fold"].nunique().max() > 1
    assert by_utterance["utterance_id"].is_unique
    assert len(by_utterance) == SPEAKERS * CHAPTERS * UTTERANCES
