"""Careless splits keep a unit whole, and none that is larger: that is what leaks."""

import numpy as np
import pandas as pd
import pytest
from made_corpus import SEED, chunk_table

from speech.folds import name_units
from speech.storage.examples import Examples
from speech.training.split_audit import CAREFUL, WHOLE, apply_split, splits_of

CASES = [(task, split) for task in CAREFUL for split in splits_of(task)]
UNITS = list(WHOLE.values())


@pytest.mark.parametrize(("task", "split"), CASES)
def test_a_split_keeps_its_units_whole_and_sets_the_same_ones_aside_in_training(task, split):
    table = chunk_table(task, 40, utterances=3, folds=5 if task == "gender" else 3)
    before = Examples(table, np.arange(len(table), dtype=np.float32)[:, None])
    dealt = apply_split(split, task, before, seed=SEED)
    folds, units = dealt.table["fold"], name_units(table, WHOLE[split])
    assert folds.groupby(units).nunique().max() == 1
    assert set(folds) == set(table["fold"])
    assert (dealt.inputs == before.inputs).all()
    assert (dealt.labels == before.labels).all()
    assert dealt.table["utterance"].equals(table["utterance_id"])
    if split == CAREFUL[task]:
        # That of the pipeline, in every way.
        pd.testing.assert_frame_equal(dealt.table[table.columns], table)
    else:
        assert (dealt.table["session"] == units).all()
        assert (dealt.utterances == units).all()
        # Larger units straddle folds, as nothing keeps them together.
        larger = UNITS[UNITS.index(WHOLE[split]) + 1]
        assert folds.groupby(name_units(table, larger)).nunique().max() > 1
