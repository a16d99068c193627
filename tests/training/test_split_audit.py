"""Careless splits leak exactly the units that they do not keep whole."""

import itertools

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_score

from speech.classifiers.protocol import Labelled
from speech.folds import gender_folds, name_units, speaker_folds
from speech.training.split_audit import CAREFUL, WHOLE, apply_split, splits_of

SPEAKERS, CHAPTERS, UTTERANCES, CHUNKS, DIMENSIONS = 40, 3, 3, 2, 150
CASES = [(task, split) for task in CAREFUL for split in splits_of(task)]
UNITS = list(WHOLE.values())
SEED = 17


@pytest.fixture(scope="module")
def table():
    counts = (range(100, 100 + SPEAKERS), range(CHAPTERS), range(UTTERANCES), range(CHUNKS))
    rows = [
        (f"{speaker}-{chapter}-{number}", str(speaker), f"{speaker}{chapter}", chunk)
        for speaker, chapter, number, chunk in itertools.product(*counts)
    ]
    table = pd.DataFrame(rows, columns=["utterance_id", "speaker_id", "chapter_id", "chunk"])
    return table.assign(gender=np.where(table["speaker_id"].astype(int) % 2, "M", "F"))


@pytest.fixture
def split_up(table):
    """Return a function that applies a split to features that are random but for a unit."""

    def apply(task, split, unit):
        names, number = np.unique(unit, return_inverse=True)
        random = np.random.default_rng(0)
        means = random.normal(size=(len(names), DIMENSIONS))
        inputs = means[number] + random.normal(scale=0.2, size=(len(table), DIMENSIONS))
        utterances = table[table["chunk"] == 0].assign(seconds=4.0)
        dealt = gender_folds(utterances, 5, SEED) if task == "gender" else None
        dealt = speaker_folds(utterances, 3) if dealt is None else dealt
        careful = table["utterance_id"].map(dealt.set_index("utterance_id")["fold"]).to_numpy()
        columns = {"gender": ("gender", "speaker_id"), "speaker": ("speaker_id", "chapter_id")}
        label, session = (table[name].to_numpy(str) for name in columns[task])
        names = table["utterance_id"].to_numpy(str)
        data = Labelled(inputs.astype(np.float32), label, names, session)
        return *apply_split(split, task, table, data, careful, seed=SEED), data, careful

    return apply


@pytest.fixture
def accuracy(split_up):
    """Return the accuracy of chunks under a split, with features that are random but for a unit."""

    def score(task, split, unit):
        data, folds, _, _ = split_up(task, split, unit)
        folds = PredefinedSplit(folds)
        return cross_val_score(LogisticRegression(), data.inputs, data.labels, cv=folds).mean()

    return score


def test_the_splits_of_a_task_end_with_its_careful_one():
    assert splits_of("gender") == list(WHOLE)
    assert splits_of("speaker") == ["random-chunk", "random-utterance", "chapter-disjoint"]


@pytest.mark.parametrize(("task", "split"), CASES)
def test_a_split_keeps_its_units_whole_and_sets_the_same_ones_aside_in_training(
    task, split, table, split_up
):
    data, folds, before, careful = split_up(task, split, table["speaker_id"])
    units = name_units(table, WHOLE[split])
    assert pd.Series(folds).groupby(units).nunique().max() == 1
    assert set(folds) == set(careful)
    assert (data.labels == before.labels).all()
    if split == CAREFUL[task]:
        # That of the pipeline, in every way.
        assert data is before
        assert folds is careful
    else:
        assert (data.sessions == units).all()
        assert (data.utterances == units).all()
        # Smaller units straddle folds where nothing keeps them together.
        coarser = UNITS[UNITS.index(WHOLE[split]) + 1]
        assert pd.Series(folds).groupby(name_units(table, coarser)).nunique().max() > 1


def test_features_of_the_session_score_high_until_sessions_are_disjoint(table, accuracy):
    chapters = name_units(table, "chapter")
    scores = {(task, split): accuracy(task, split, chapters) for task, split in CASES}
    for task in CAREFUL:
        assert scores[task, "random-chunk"] > 0.95
        assert scores[task, "random-utterance"] > 0.95
    assert 0.2 < scores["gender", "chapter-disjoint"] < 0.8
    assert 0.2 < scores["gender", "speaker-disjoint"] < 0.8
    assert scores["speaker", "chapter-disjoint"] < 0.2


def test_features_of_the_speaker_score_high_until_speakers_are_disjoint(table, accuracy):
    *careless, careful = (
        accuracy("gender", split, table["speaker_id"]) for split in splits_of("gender")
    )
    assert min(careless) > 0.95
    assert 0.2 < careful < 0.8


def test_features_of_the_label_score_high_under_every_split(table, accuracy):
    for task, split in CASES:
        label = table["gender" if task == "gender" else "speaker_id"]
        assert accuracy(task, split, label) > 0.95, (task, split)
