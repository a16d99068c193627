"""Fit one classifier on one task and one kind of features: cross-validated, then on everything."""

import argparse
from functools import partial
from typing import get_args

from speech.classifiers.calibrated import HeldOut
from speech.classifiers.registry import classifier_class
from speech.cross_validation import cross_validate, fit_final, folds_of, label_examples
from speech.examples import load_examples
from speech.model_choice import ALL_FOLDS
from speech.params import Features, ModelName, Params, Task
from speech.predictions import utterance_level
from speech.recipe import recipe_of
from speech.tables import read_folds, read_parquet, write_csv, write_parquet
from speech.tuning import Tuned, tune, untuned
from stages.console import bar, run_stage
from stages.paths import FEATURES, FOLDS, MODELS, PREDICTIONS, UTTERANCES


def fit(params: Params, task: Task, features: Features, model: ModelName) -> str:
    """Write out-of-fold predictions and the final model."""
    dealt = read_folds(FOLDS / f"{task}.csv")
    utterances = read_parquet(UTTERANCES).merge(dealt, on="utterance_id")
    form = classifier_class(model).form
    # Who counts labels and hears nothing needs no copies.
    copies = model != "dummy"
    examples = load_examples(
        FEATURES[features], features, utterances, params, form, copies=copies, halves=True
    )
    data = label_examples(examples, utterances, task)
    folds = folds_of(examples, utterances)
    given = (model, task, examples.table, data, folds, params)
    tuned = tune(*given, bar("candidate")) if params.tune else untuned(params)
    result = cross_validate(*given, bar("fold"), tuned.of_fold, examples.halves)

    folder = PREDICTIONS / task / f"{features}-{model}"
    write_parquet(folder / "chunks.parquet", result.chunks)
    write_parquet(folder / "halves.parquet", result.halves)
    by_utterance = utterance_level(result.chunks)
    write_parquet(folder / "utterances.parquet", by_utterance)
    write_csv(folder / "curves.csv", result.curves)
    write_csv(folder / "tuning.csv", tuned.tried)

    saved = MODELS / f"{task}-{features}-{model}"
    card = {
        "model": model,
        "task": task,
        "features": features,
        "seed": params.seed,
        "calibrated_on": result.calibrated_on,
        "heard": {
            "speakers": utterances["speaker_id"].nunique(),
            "utterances": len(utterances),
            "seconds": round(float(utterances["seconds"].sum()), 1),
        },
        "recipe": recipe_of(params, features, FEATURES[features]),
    }
    epochs = tuned.epochs or result.epochs
    fit_final(model, data, tuned.final, saved, card, epochs, result.temperature, bar("final fit"))
    return (
        f"{model} for {task} on {features}: {len(by_utterance):,} utterances predicted out of fold "
        f"in {len(set(folds.tolist()))} folds{_doubted(result.calibrated_on, model)}, "
        f"final model in {saved}{_found(tuned)}"
    )


def _doubted(calibrated_on: HeldOut, model: ModelName) -> str:
    """Say so where probabilities are surer of themselves than unheard sessions would allow."""
    if calibrated_on == "sessions" or not classifier_class(model).calibration_fits:
        return ""
    if calibrated_on == "utterances":
        return " (no one has two sessions in training, so probabilities come out too sure)"
    return " (too little to calibrate on, so probabilities mean little)"


def _found(tuned: Tuned) -> str:
    """Say what was chosen, as `dvc exp run` takes it."""
    if tuned.tried.empty:
        return ""
    chosen = tuned.tried.loc[tuned.tried["chosen"], ["fold", "settings"]]
    kept = chosen.loc[chosen["fold"] == ALL_FOLDS, "settings"].item()
    folds = chosen["fold"] != ALL_FOLDS
    agreeing = (chosen.loc[folds, "settings"] == kept).sum()
    options = " ".join(f"-S {setting}" for setting in kept.split())
    return f"; tuned: {options}, chosen by all data and in {agreeing} of {folds.sum()} folds"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=get_args(Task))
    parser.add_argument("features", choices=get_args(Features))
    parser.add_argument("model", choices=get_args(ModelName))
    return parser.parse_args()


if __name__ == "__main__":
    chosen = _arguments()
    run_stage(
        partial(fit, task=chosen.task, features=chosen.features, model=chosen.model),
    )
