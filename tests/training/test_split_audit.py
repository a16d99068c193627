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
FEATURES = {"gender": ["chapter", "speaker", "gender"], "speaker": ["chapter", "speaker"]}
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
        gender = task == "gender"
        dealt = gender_folds(utterances, 5, SEED) if gender else speaker_folds(utterances, 3)
        careful = table["utterance_id"].map(dealt.set_index("utterance_id")["fold"]).to_numpy()
        columns = ("gender", "speaker_id") if gender else ("speaker_id", "chapter_id")
        label, session, names = (table[name].to_numpy(str) for name in (*columns, "utterance_id"))
        data = Labelled(inputs.astype(np.float32), label, names, session)
        return *apply_split(split, task, table, data, careful, seed=SEED), data, careful

    return apply


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


@pytest.mark.parametrize(("task", "split"), CASES)
def test_features_of_a_unit_score_high_unless_it_is_kept_whole(task, split, table, split_up):
    """Features of the label score high under every split."""
    for unit in FEATURES[task]:
        number = table["gender"] if unit == "gender" else name_units(table, unit)
        data, folds, _, _ = split_up(task, split, number)
        folds = PredefinedSplit(folds)
        accuracy = cross_val_score(LogisticRegression(), data.inputs, data.labels, cv=folds).mean()
        if unit == task or UNITS.index(WHOLE[split]) < UNITS.index(unit):
            assert accuracy > 0.95, unit
        else:
            assert accuracy < (0.8 if task == "gender" else 0.2), unit
