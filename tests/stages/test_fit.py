"""The stage fit on made-up examples: what it reads, what it writes, what it reports."""

import numpy as np
import pandas as pd
import pytest
from made_corpus import chunk_table
from made_examples import write_examples

from speech.classifiers.registry import load_classifier
from speech.storage.examples import Examples, read_examples
from speech.storage.files import write_json
from speech.storage.predictions import utterance_level
from speech.training import cross_validation
from stages import fit as stage
from stages.check_params import check_params
from stages.fit import calibration_warning, fit
from stages.paths import EXAMPLES, MODELS, PREDICTIONS, SEARCH

INPUTS, FOLDS = "gender-mfcc", 3
SPEC = {"chunks": {"seconds": 2.0}}


@pytest.fixture
def params(make_params):
    quick = {"compute.jobs": 1, "cnn.epochs": 4, "cnn.channels": [4], "folds.gender": FOLDS}
    return make_params(**quick, **{"tuning.budget": 2, "tuning.inner_folds": 2})


@pytest.fixture(autouse=True)
def examples(tmp_path, monkeypatch, params):
    """Write examples of 13 speakers, the last of whom has no gender and so no fold."""
    monkeypatch.chdir(tmp_path)
    table = chunk_table("gender", 13, chapters=2, utterances=2, folds=FOLDS)
    start = 2.0 * table["chunk"]
    table = table.assign(start_seconds=start, end_seconds=start + 2)
    table.loc[table["speaker_id"] == "113", ["gender", "label", "fold"]] = [None, None, -1]
    random = np.random.default_rng(0)
    women = (table["gender"] == "F").to_numpy()[:, None, None]
    frames = (2 * women + random.normal(size=(len(table), 8, 5))).astype(np.float16)
    pooled = frames.mean(axis=1, dtype=np.float32)
    write_examples(
        EXAMPLES / INPUTS,
        Examples(table, pooled, (pooled + 0.1,)),
        Examples(table, frames, (frames + np.float16(0.1),)),
    )
    write_json(EXAMPLES / INPUTS / "spec.json", SPEC)
    check_params(params)
    return table


def written(model):
    folders = (PREDICTIONS / INPUTS / model, MODELS / INPUTS / model)
    return {path: path.read_bytes() for folder in folders for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("model", ["logistic", "cnn"])
def test_predictions_of_every_fold_and_the_final_model_are_written(params, examples, model):
    words = fit(params, INPUTS, model)
    folder = PREDICTIONS / INPUTS / model
    files = ["chunks.parquet", "curves.csv", "tuning.csv", "utterances.parquet"]
    assert sorted(path.name for path in folder.iterdir()) == files
    chunks, curves = pd.read_parquet(folder / files[0]), pd.read_csv(folder / files[1])
    used = examples[examples["fold"] >= 0]
    pd.testing.assert_frame_equal(chunks[[*examples.columns]], used)
    pd.testing.assert_frame_equal(pd.read_parquet(folder / files[3]), utterance_level(chunks))
    assert set(curves["fold"]) == (set(range(FOLDS)) if model == "cnn" else set())
    assert ((chunks["p_F"] > 0.5) == (chunks["label"] == "F")).mean() > 0.7
    assert pd.read_csv(folder / "tuning.csv").empty

    classifier, card = load_classifier(MODELS / INPUTS / model)
    assert classifier.classes == ["F", "M"]
    assert classifier.temperature != 1
    expected = {"model": model, "task": "gender", "features": "mfcc", "seed": params.seed}
    expected |= {"calibrated_on": "sessions", "spec": SPEC}
    # 12 speakers of 4 utterances of 4 seconds.
    expected["trained_on"] = {"speakers": 12, "utterances": 48, "seconds": 192.0}
    assert expected.items() <= card.items()
    assert words == (
        f"{model} for gender on mfcc: 48 utterances predicted out of fold in 3 folds, final model "
        f"in {MODELS}/{INPUTS}/{model}"
    )


def test_a_search_is_kept_for_every_fold_and_for_the_final_model(make_params, params):
    tuning = params.model_copy(update={"tune": True})
    check_params(tuning)
    words = fit(tuning, INPUTS, "logistic")
    searched = written("logistic")
    fit(tuning, INPUTS, "logistic")
    assert written("logistic") == searched
    folder = PREDICTIONS / INPUTS / "logistic"
    tried = pd.read_csv(folder / "tuning.csv")
    assert tried.groupby("fold")["chosen"].sum().to_dict() == dict.fromkeys([*"012", "all"], 1)
    kept = tried.loc[tried["chosen"] & (tried["fold"] == "all"), "settings"].item()
    assert f"; tuned: -S {kept}, chosen by all data and in " in words
    # The final model is that of a run with the values that were chosen.
    own = make_params(**{"compute.jobs": 1, "logistic.C": float(kept.split("=")[1])})
    check_params(own)
    fit(own, INPUTS, "logistic")
    weights = MODELS / INPUTS / "logistic" / "estimator.safetensors"
    assert written("logistic")[weights] == searched[weights]


def test_what_would_be_searched_is_an_input_of_a_fit_only_while_it_is_searched(make_params):
    """So an edit of `search` refits nothing, or the models whose values it changes."""

    def inputs(**changes):
        check_params(make_params(**changes))
        return {path.stem: path.read_bytes() for path in SEARCH.iterdir()}

    edited = {"search.svm.C": [1.0, 2.0]}
    assert inputs(**edited) == inputs()
    before, after = inputs(tune=True), inputs(tune=True, **edited)
    assert [model for model in after if after[model] != before[model]] == ["svm"]


@pytest.mark.parametrize(("model", "copies"), [("dummy", 0), ("logistic", 1)])
def test_all_but_the_naive_baseline_read_augmented_copies(params, monkeypatch, model, copies):
    read = []

    def watched(*arguments, **options):
        read.append(read_examples(*arguments, **options))
        return read[-1]

    monkeypatch.setattr(stage, "read_examples", watched)
    fit(params, INPUTS, model)
    assert [len(examples.copies) for examples in read] == [copies]


def test_the_closing_line_says_where_a_limit_bites(make_params, examples, monkeypatch):
    quick = {"compute.jobs": 1, "svm.max_examples": 100}
    params = make_params(**quick)
    check_params(params)
    count = int((examples["fold"] >= 0).sum())
    assert 2 * count > 100
    assert (
        f"; learns from 100 of {2 * count:,} examples (svm.max_examples), the same share of each "
        "speaker (" in fit(params, INPUTS, "svm") + " ("
    )
    monkeypatch.setattr(cross_validation, "MOST_PROBABILITIES", count)
    words = fit(params, INPUTS, "svm")
    predicted = len(pd.read_parquet(PREDICTIONS / INPUTS / "svm" / "chunks.parquet"))
    assert predicted <= count / 2
    assert f"; predicts {predicted:,} of {count:,} chunks, the same share" in words
    assert "learns from" not in fit(make_params(**{"compute.jobs": 1}), INPUTS, "svm")


@pytest.mark.parametrize(
    ("calibrated_on", "model", "warning"),
    [
        ("sessions", "svm", ""),
        ("nothing", "dummy", ""),
        ("utterances", "svm", "no speaker has two sessions"),
        ("nothing", "svm", "too little to calibrate on"),
    ],
)
def test_probabilities_that_were_not_calibrated_on_sessions_are_reported(
    calibrated_on, model, warning
):
    found = calibration_warning(calibrated_on, model)
    assert (warning in found) if warning else (found == "")
