"""The right hyperparameters are found, and no fold has a part in the choice it is tested with."""

import numpy as np
import pandas as pd
import pytest
from made_corpus import chunk_table

from speech.errors import UserError
from speech.folds import ALL_FOLDS
from speech.storage.examples import Examples
from speech.training.tuning import list_candidates, option, tune

STRAIGHT = {"C": 1.0, "kernel": "linear", "gamma": "scale"}
KERNELS = {"kernel": ["linear", "rbf"]}


def corpus(task, seed=0):
    """Make chunks up, with folds: speakers lie on two rings, women's inside that of the men.

    Speakers lie side by side on their ring, so that no line separates genders or speakers.
    """
    random = np.random.default_rng(seed)
    table = chunk_table(task, utterances=2, chunks=3, folds=2)
    radius = table["gender"].map({"F": 0.3, "M": 2.0}).to_numpy()
    angle = random.uniform(0, 2 * np.pi, len(table))
    place = radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    if task == "speaker":
        place += (table["speaker_id"].astype(int).to_numpy()[:, None] - 101) // 2 * np.array([9, 0])
    inputs = (place + random.normal(scale=0.05, size=place.shape)).astype(np.float32)
    return Examples(table, inputs)


def search(task, model="svm", hyperparameters=STRAIGHT, space=KERNELS, *, made=None, **options):
    examples = made or corpus(task)
    settings = {"budget": 8, "inner": 2, "seed": 17, "jobs": 1} | options
    return tune(model, task, examples, hyperparameters=hyperparameters, space=space, **settings)


def test_the_lowest_log_loss_of_the_inner_folds_is_chosen_for_every_fold_and_for_all():
    """No line separates a ring from what lies inside; a radial basis does."""
    tried, tuned = search("gender")
    assert list(tried) == ["fold", "settings", "log_loss", "accuracy", "chosen"]
    assert tried["accuracy"].between(0, 1).all()
    chosen = tried[tried["chosen"]].set_index("fold")
    assert chosen.index.tolist() == [0, 1, ALL_FOLDS]
    assert chosen["log_loss"].equals(tried.groupby("fold")["log_loss"].min()[chosen.index])
    assert set(chosen["settings"]) == {"svm.kernel=rbf"}
    # All else stays as it was.
    assert tuned == dict.fromkeys([0, 1, ALL_FOLDS], STRAIGHT | {"kernel": "rbf"})


def test_of_equal_ones_the_values_of_params_yaml_stay():
    """The iterations are never used up, so every number of them does as well."""
    tried, tuned = search("gender", "logistic", {"max_iter": 2000}, {"max_iter": [500, 3000]})
    assert tried["log_loss"].nunique() == tried["fold"].nunique()
    assert tuned[ALL_FOLDS] == {"max_iter": 2000}


@pytest.mark.parametrize("task", ["gender", "speaker"])
def test_whatever_is_in_the_tested_fold_its_choice_stays_the_same(task):
    data = corpus(task)
    test = (data.table["fold"] == 0).to_numpy()
    labels, inputs, names = data.labels, data.inputs.copy(), np.unique(data.labels)
    labels[test] = np.roll(names, 1)[np.searchsorted(names, labels[test])]
    inputs[test] = inputs[test][::-1] * 3
    before, after = (
        search(task, made=one)[0]
        for one in (data, Examples(data.table.assign(label=labels), inputs))
    )
    of_fold = [one[one["fold"] == 0] for one in (before, after)]
    pd.testing.assert_frame_equal(*of_fold, check_exact=True)
    # Where those chunks are in training, they do count.
    other = [one.loc[one["fold"] == 1, "log_loss"] for one in (before, after)]
    assert not np.array_equal(*other)


def test_without_anything_to_validate_candidates_on_the_error_says_so():
    """Here each speaker has two chunks, one in either fold."""
    data = corpus("speaker")
    single = ~data.table.duplicated(["speaker_id", "fold"]).to_numpy()
    with pytest.raises(UserError, match=r"^tune is true, but no speaker has two chunks"):
        search("speaker", made=data[single])


OWN, SPACE = {"C": 1.0, "gamma": "scale"}, {"C": [0.1, 1.0, 10.0], "gamma": ["scale", 0.1, 1.0]}


@pytest.mark.parametrize("budget", [2, 5, 20])
def test_a_budget_is_drawn_from_the_space_and_the_values_of_params_yaml_come_first(budget):
    candidates = list_candidates(OWN, SPACE, budget=budget, seed=0)
    assert candidates[0] == OWN
    assert len(candidates) == len({str(one) for one in candidates}) == min(budget, 9)
    assert all(one["C"] in SPACE["C"] and one["gamma"] in SPACE["gamma"] for one in candidates)
    assert list_candidates(OWN, SPACE, budget=budget, seed=0) == candidates
    drawn = {str(list_candidates(OWN, SPACE, budget=budget, seed=seed)) for seed in range(9)}
    assert (len(drawn) > 1) == (budget < 9)


def test_values_are_written_as_dvc_takes_them():
    written = option("mlp", {"hidden": [128, 64], "dropout": 0.5})
    assert written == "mlp.hidden=[128,64] mlp.dropout=0.5"


@pytest.mark.parametrize("space", [{}, {"C": [1.0]}], ids=["empty", "the value itself"])
def test_where_there_is_nothing_to_search_nothing_changes(space):
    tried, tuned = search("gender", space=space)
    assert tuned == {}
    assert list(tried) == ["fold", "settings", "log_loss", "accuracy", "chosen"]
    assert tried.empty
