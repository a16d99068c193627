"""Which layer each fold is given: what was chosen for it, what was named, or a refusal."""

import numpy as np
import pandas as pd
import pytest

from speech.errors import UserError
from speech.folds import ALL_FOLDS
from speech.training.layer_choice import (
    by_layer,
    layers_in_use,
    read_layers,
    with_layer,
    with_unchosen_layer,
)

CHOSEN = pd.DataFrame(
    {"fold": [0, 1, 2, ALL_FOLDS], "layer": [3, 5, 3, 4], "validation_accuracy": 0.9}
)


@pytest.fixture
def table(tmp_path, params):
    """Leave what was chosen, as the stage does."""
    path = tmp_path / "gender.csv"
    layers_in_use(CHOSEN, "gender", with_layer(params, "auto")).to_csv(path, index=False)
    return path


def test_auto_is_what_was_chosen_and_a_number_is_for_all(params):
    auto = layers_in_use(CHOSEN, "gender", with_layer(params, "auto"))
    assert auto["layer"].tolist() == [3, 5, 3, 4]
    assert set(layers_in_use(CHOSEN, "gender", with_layer(params, 6))["layer"]) == {6}


def test_what_was_left_is_read(table):
    assert read_layers(table, [0, 1, 1, 2]) == {ALL_FOLDS: 4, 0: 3, 1: 5, 2: 3}


def test_folds_are_grouped_with_the_layer_of_all_last_even_if_no_fold_has_it(table):
    groups = by_layer(read_layers(table, range(3)))
    assert list(groups.items()) == [(3, [0, 2]), (5, [1]), (4, [])]
    assert list(by_layer({0: 4, 1: 5, ALL_FOLDS: 4}).items()) == [(5, [1]), (4, [0])]


def test_a_choice_without_anything_to_choose_by_is_refused_unless_a_layer_is_named(params):
    blind = CHOSEN.assign(validation_accuracy=[0.9, np.nan, 0.9, 0.9])
    with pytest.raises(UserError, match=r"inputs.wav2vec2.layer is auto, but for gender there is"):
        layers_in_use(blind, "gender", with_layer(params, "auto"))
    assert set(layers_in_use(blind, "gender", with_layer(params, 6))["layer"]) == {6}


@pytest.mark.parametrize("folds", [range(2), range(4)])
def test_layers_of_other_folds_are_refused_by_name(table, folds):
    with pytest.raises(UserError, match=rf"^{table}: missing, damaged or of other folds; run "):
        read_layers(table, folds)


@pytest.mark.parametrize("content", ["", "fold,layer\n0,x\n", "fold,layer\n0,3\n1,3\n2,3\n"])
def test_what_is_no_such_table_is_refused_by_name(table, content):
    table.write_text(content)
    with pytest.raises(UserError, match=rf"^{table}: "):
        read_layers(table, range(3))
    table.unlink()
    with pytest.raises(UserError, match=rf"^{table}: "):
        read_layers(table, range(3))


def test_whoever_has_no_folds_takes_the_layer_named_or_one_that_no_label_chose(params):
    auto = with_layer(params, "auto")
    unchosen = auto.model_copy(
        update={"wav2vec2": auto.wav2vec2.model_copy(update={"sequence_layer": 2})}
    )
    assert with_unchosen_layer(unchosen).inputs.wav2vec2.layer == 2
    assert with_unchosen_layer(with_layer(unchosen, 6)).inputs.wav2vec2.layer == 6
