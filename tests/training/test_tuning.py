"""Hyperparameters are found where they are known, and no fold votes on what it is tested with."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from speech.errors import UserError
from speech.features.examples import Examples
from speech.folds import ALL_FOLDS, deal_units
from speech.training.cross_validation import cross_validate, label_examples
from speech.training.tuning import list_candidates, told, tune, untuned

SPEAKERS, CHAPTERS, UTTERANCES, CHUNKS = 12, 2, 2, 3
UNIT = {"gender": "speaker_id", "speaker": "chapter_id"}
TASKS = list(UNIT)


@pytest.fixture
def searching(make_params):
    """Make params of a search on one core; a model's space holds nothing but what is given."""

    def make(model="svm", space=None, **changes):
        quick = {"parallel.jobs": 1, "tuning.budget": 8, "tuning.inner_folds": 2, "svm.C": 1.0}
        quick |= {"svm.gamma": "scale"}
        space = {"kernel": ["linear", "rbf"]} if space is None else space
        own = {f"tuning.space.{model}": space, "svm.kernel": "linear"}
        return make_params(**quick | own | changes)

    return make


def corpus(task, seed=0):
    """Make chunks up, with folds: voices lie on two rings, women's inside that of the men.

    Speakers lie side by side on their ring, so that neither gender nor voice is cut out by lines.
    """
    random = np.random.default_rng(seed)
    rows = [
        (f"{speaker}-{chapter}-{number}", str(speaker), f"{speaker}.{chapter}", "FM"[speaker % 2])
        for speaker in range(SPEAKERS)
        # Some have a third, so that some of the training part still have two.
        for chapter in range(CHAPTERS + (speaker < SPEAKERS // 2))
        for number in range(UTTERANCES)
    ]
    columns = ["utterance_id", "speaker_id", "chapter_id", "gender"]
    utterances = pd.DataFrame(rows, columns=columns)
    table = utterances.loc[np.repeat(utterances.index, CHUNKS)].reset_index(drop=True)
    table["chunk"] = np.tile(np.arange(CHUNKS), len(utterances))
    radius = table["gender"].map({"F": 0.3, "M": 2.0}).to_numpy()
    angle = random.uniform(0, 2 * np.pi, len(table))
    place = radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    if task == "speaker":
        place += table["speaker_id"].astype(int).to_numpy()[:, None] // 2 * np.array([9.0, 0])
    inputs = (place + random.normal(scale=0.05, size=place.shape)).astype(np.float32)
    chunks = table.drop(columns="gender").assign(start_seconds=0.0, end_seconds=2.0)
    data = label_examples(Examples(chunks, inputs), utterances, task)
    folds = deal_units(table[UNIT[task]], data.labels, 2, seed)
    return chunks, data, folds


def search(task, params, model="svm", seed=0):
    chunks, data, folds = corpus(task, seed)
    return tune(model, task, chunks, data, folds, params, [*sorted(set(folds.tolist())), ALL_FOLDS])


# --- what is found ------------------------------------------------------------------------------


def test_what_is_right_by_construction_is_found_for_every_fold_and_for_all(searching):
    """No line separates a ring from what lies inside; a radial basis does."""
    tuned = search("gender", searching())
    chosen = tuned.tried[tuned.tried["chosen"]]
    assert chosen["fold"].tolist() == [0, 1, ALL_FOLDS]
    assert set(chosen["settings"]) == {"svm.kernel=rbf"}
    assert [params.svm.kernel for params in tuned.of_fold.values()] == ["rbf", "rbf"]
    assert tuned.final.svm.kernel == "rbf"
    # All else stays as it was.
    assert tuned.final.svm.C == 1.0
    assert tuned.final.mlp == searching().mlp


def test_each_fold_is_predicted_with_what_was_chosen_for_it(searching):
    chunks, data, folds = corpus("gender")
    straight, round_ = searching(), searching(**{"svm.kernel": "rbf"})
    mixed = cross_validate("svm", "gender", chunks, data, folds, straight, tuned={1: round_}).chunks
    for fold, params in ((0, straight), (1, round_)):
        alone = cross_validate("svm", "gender", chunks, data, folds, params).chunks
        own = mixed["fold"] == fold
        pd.testing.assert_frame_equal(mixed[own], alone[own], check_exact=True)


@pytest.mark.parametrize("task", TASKS)
def test_the_lowest_log_loss_of_the_inner_folds_is_chosen(searching, task):
    tuned = search(task, searching())
    assert list(tuned.tried) == ["fold", "settings", "log_loss", "accuracy", "chosen"]
    for _, own in tuned.tried.groupby("fold"):
        assert own["chosen"].sum() == 1
        assert own.loc[own["chosen"], "log_loss"].item() == own["log_loss"].min()
        assert own["accuracy"].between(0, 1).all()


def test_of_equal_ones_the_values_of_params_yaml_stay(searching):
    """The iterations are never used up, so every number of them does as well."""
    params = searching("logistic", {"max_iter": [500, 3000]})
    tuned = search("gender", params, "logistic")
    assert tuned.tried["log_loss"].nunique() == tuned.tried["fold"].nunique()
    assert tuned.final.logistic.max_iter == params.logistic.max_iter


def test_a_network_learns_as_long_as_the_chosen_candidate_did(searching):
    quick = {"mlp.epochs": 2, "mlp.hidden": [4], "mlp.batch_size": 64}
    params = searching("mlp", {"dropout": [0.1]}, **quick)
    tuned = search("gender", params, "mlp")
    assert 1 <= tuned.epochs <= 2
    assert tuned.tried["settings"].nunique() == 2


# --- who votes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_whatever_is_in_the_tested_fold_its_choice_stays_the_same(searching, task):
    params = searching(space={"kernel": ["linear", "rbf"], "C": [0.1, 10.0]})
    chunks, data, folds = corpus(task)
    tested = folds == 0
    labels, inputs = data.labels.copy(), data.inputs.copy()
    names = np.unique(labels)
    labels[tested] = np.roll(names, 1)[np.searchsorted(names, labels[tested])]
    inputs[tested] = inputs[tested][::-1] * 3
    poisoned = replace(data, labels=labels, inputs=inputs)
    parts = [*sorted(set(folds.tolist())), ALL_FOLDS]
    before, after = (
        tune("svm", task, chunks, one, folds, params, parts) for one in (data, poisoned)
    )
    of_fold = [one.tried[one.tried["fold"] == 0] for one in (before, after)]
    pd.testing.assert_frame_equal(*of_fold, check_exact=True)
    # Where those chunks are learnt from, they do have a say.
    other = [one.tried.loc[one.tried["fold"] == 1, "log_loss"] for one in (before, after)]
    assert not np.array_equal(*other)


def test_who_can_but_be_learnt_from_is_not_judged(searching):
    chunks, data, folds = corpus("gender")
    folds = np.where(chunks["speaker_id"] == "3", -1, folds)
    result = cross_validate("svm", "gender", chunks, data, folds, searching())
    assert "3" not in set(result.chunks["speaker_id"])
    assert len(result.chunks) == (folds >= 0).sum()
    columns = ["utterance_id", "chunk"]
    asked = chunks.loc[folds >= 0, columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(result.chunks[columns], asked)


def test_the_same_seed_gives_the_same_to_the_last_bit_however_it_is_spread(searching):
    told = [
        search("speaker", searching(**{"parallel.jobs": jobs, "tuning.space.svm": {"C": [2.0]}}))
        for jobs in (1, 2)
    ]
    pd.testing.assert_frame_equal(*(one.tried for one in told), check_exact=True)


# --- what is tried ------------------------------------------------------------------------------

SPACE = {"C": [0.1, 1.0, 10.0], "gamma": ["scale", 0.1, 1.0]}


def test_the_values_of_params_yaml_come_first_and_once(searching):
    params = searching(space=SPACE, **{"tuning.budget": 20, "svm.gamma": "scale"})
    candidates = list_candidates("svm", params)
    assert candidates[0] == {"C": 1.0, "gamma": "scale"}
    assert candidates.count(candidates[0]) == 1
    assert len(candidates) == 9


@pytest.mark.parametrize("budget", [2, 5])
def test_a_budget_is_kept_by_drawing_from_the_space(searching, budget):
    def drawn(seed):
        return list_candidates(
            "svm", searching(space=SPACE, **{"tuning.budget": budget, "seed": seed})
        )

    candidates = drawn(0)
    assert len(candidates) == len({str(one) for one in candidates}) == budget
    assert all(one["C"] in SPACE["C"] and one["gamma"] in SPACE["gamma"] for one in candidates)
    assert drawn(0) == candidates
    assert {str(drawn(seed)) for seed in range(9)} != {str(candidates)}


def test_values_are_written_as_dvc_takes_them(searching):
    params = searching("mlp", {"hidden": [[128, 64]], "dropout": [0.5]}, **{"mlp.hidden": [4]})
    written = [told("mlp", candidate) for candidate in list_candidates("mlp", params)]
    assert written[1] == "mlp.hidden=[128,64] mlp.dropout=0.5"


@pytest.mark.parametrize("model", ["dummy", "svm"])
def test_where_there_is_nothing_to_search_nothing_changes(searching, model):
    params = searching(model, {})
    tuned = search("gender", params, model)
    assert tuned.final is params
    assert (tuned.of_fold, tuned.epochs) == ({}, 0)
    assert list(tuned.tried) == list(untuned(params).tried)
    assert tuned.tried.empty


def test_without_anything_to_judge_candidates_by_the_error_says_so(searching):
    chunks, data, _ = corpus("speaker")
    single = chunks["utterance_id"].str.fullmatch(r"\d+-[01]-0") & (chunks["chunk"] == 0)
    first = single.to_numpy()
    folds = deal_units(chunks["chapter_id"], data.labels, 2, 0)[first]
    with pytest.raises(UserError, match=r"^tune is true, but no speaker has two chunks"):
        tune("svm", "speaker", chunks[first], data[first], folds, searching(), [0, ALL_FOLDS])
