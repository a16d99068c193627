"""Careless splits leak exactly the units that they do not keep whole."""

import numpy as np
import pandas as pd
import pytest
from made_corpus import SEED, chunk_table
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_score

from speech.folds import name_units
from speech.storage.examples import Examples
from speech.training.split_audit import CAREFUL, WHOLE, apply_split, splits_of

CASES = [(task, split) for task in CAREFUL for split in splits_of(task)]
FEATURES = {"gender": ["chapter", "speaker", "gender"], "speaker": ["chapter", "speaker"]}
UNITS = list(WHOLE.values())


@pytest.fixture(params=CASES, ids="-".join)
def case(request):
    return request.param


def split_up(task, split, unit):
    """Apply a split to features that are random but for a unit; give the examples before, too."""
    folds = 5 if task == "gender" else 3
    table = chunk_table(task, 40, utterances=3, folds=folds)
    number = table["gender"] if unit == "gender" else name_units(table, unit)
    names, number = np.unique(number, return_inverse=True)
    random = np.random.default_rng(0)
    inputs = random.normal(size=(len(names), 150))[number]
    inputs = (inputs + random.normal(scale=0.2, size=inputs.shape)).astype(np.float32)
    before = Examples(table, inputs)
    return apply_split(split, task, before, seed=SEED), before


def test_a_split_keeps_its_units_whole_and_sets_the_same_ones_aside_in_training(case):
    task, split = case
    dealt, before = split_up(task, split, "speaker")
    folds, table = dealt.table["fold"], before.table
    units = name_units(table, WHOLE[split])
    assert folds.groupby(units).nunique().max() == 1
    assert set(folds) == set(table["fold"])
    assert (dealt.labels == before.labels).all()
    assert dealt.table["utterance"].equals(table["utterance_id"])
    if split == CAREFUL[task]:
        # That of the pipeline, in every way.
        pd.testing.assert_frame_equal(dealt.table[table.columns], table)
    else:
        assert (dealt.table["session"] == units).all()
        assert (dealt.utterances == units).all()
        # Smaller units straddle folds where nothing keeps them together.
        coarser = UNITS[UNITS.index(WHOLE[split]) + 1]
        assert folds.groupby(name_units(table, coarser)).nunique().max() > 1


def test_features_of_a_unit_score_high_unless_it_is_kept_whole(case):
    """Features of the label score high under every split."""
    task, split = case
    for unit in FEATURES[task]:
        data, _ = split_up(task, split, unit)
        folds = PredefinedSplit(data.table["fold"])
        accuracy = cross_val_score(LogisticRegression(), data.inputs, data.labels, cv=folds).mean()
        if unit == task or UNITS.index(WHOLE[split]) < UNITS.index(unit):
            assert accuracy > 0.95, unit
        else:
            assert accuracy < (0.8 if task == "gender" else 0.2), unit
