"""Fit one classifier on one task and one kind of features: cross-validated, then on everything."""

from stages.console import bar, run_stage

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from speech.classifiers.calibrated import HeldOut
from speech.classifiers.registry import CLASSIFIERS, save_classifier
from speech.folds import ALL_FOLDS
from speech.params import FEATURES_OF, Params
from speech.storage.examples import Examples, read_examples
from speech.storage.files import read_json
from speech.storage.predictions import utterance_level
from speech.storage.tables import write_csv, write_parquet
from speech.training.cross_validation import OutOfFold, cross_validate, taking_part
from speech.training.tuning import tune
from stages.paths import EXAMPLES, MODELS, PREDICTIONS, SEARCH
from stages.tasks import leave_out

INPUTS = {
    f"{task}-{features}": (task, features) for task in FEATURES_OF for features in FEATURES_OF[task]
}
"""What is predicted, and from what: the name of a folder of examples."""


def fit(params: Params, inputs: str, model: str) -> str:
    """Write out-of-fold predictions and the final model."""
    task, features = INPUTS[inputs]
    # By its examples, not by params.tasks: a task that comes or goes makes no other fit anew.
    if (EXAMPLES / inputs).is_dir() and not any((EXAMPLES / inputs).iterdir()):
        places = [PREDICTIONS / inputs / model, MODELS / inputs / model]
        return leave_out(task, folders=places)
    # The naive baseline learns from labels only.
    form, copies = CLASSIFIERS[model].form, model != "dummy"
    examples = taking_part(read_examples(EXAMPLES / inputs, form, copies=copies), task)
    hyperparameters = params.hyperparameters(model)
    common: dict[str, Any] = {"seed": params.seed, "jobs": params.compute.workers}

    tried, tuned = tune(
        model,
        task,
        examples,
        hyperparameters=hyperparameters,
        progress=bar("candidate"),
        **read_json(SEARCH / f"{model}.json"),
        **common,
    )
    result = cross_validate(
        model,
        task,
        examples,
        hyperparameters=hyperparameters,
        tuned=tuned,
        final=True,
        progress=bar("fold"),
        **common,
    )
    utterances = _write_predictions(PREDICTIONS / inputs / model, result, tried)
    saved = MODELS / inputs / model
    card = card_of(params, inputs, model, examples.table)
    save_classifier(saved, result.model, card | {"calibrated_on": result.calibrated_on})
    most = tuned.get(ALL_FOLDS, hyperparameters).get("max_examples")
    return (
        f"{model} for {task} on {features}: {utterances:,} utterances predicted out of fold in "
        f"{examples.table['fold'].nunique()} folds"
        f"{calibration_warning(result.calibrated_on, model)}, "
        f"final model in {saved}{summary_of_search(tried)}"
        f"{summary_of_limits(model, examples, len(result.chunks), most)}"
    )


def _write_predictions(folder: Path, result: OutOfFold, tried: pd.DataFrame) -> int:
    """Write what cross-validation and the search gave; return how many utterances there are."""
    utterances = utterance_level(result.chunks)
    write_parquet(folder / "chunks.parquet", result.chunks)
    write_parquet(folder / "utterances.parquet", utterances)
    write_csv(folder / "curves.csv", result.curves)
    write_csv(folder / "tuning.csv", tried)
    return len(utterances)


def card_of(params: Params, inputs: str, model: str, table: pd.DataFrame) -> dict[str, Any]:
    """Describe the final model."""
    task, features = INPUTS[inputs]
    # Chunks overlap, so seconds are those of utterances.
    seconds = table.groupby("utterance_id")["end_seconds"].max().sum()
    return {
        "model": model,
        "task": task,
        "features": features,
        "seed": params.seed,
        "trained_on": {
            "speakers": table["speaker_id"].nunique(),
            "utterances": table["utterance_id"].nunique(),
            "seconds": round(float(seconds), 1),
        },
        "spec": read_json(EXAMPLES / inputs / "spec.json"),
    }


def calibration_warning(calibrated_on: HeldOut, model: str) -> str:
    """Warn where probabilities are higher than held-out sessions would allow."""
    if calibrated_on == "sessions" or not CLASSIFIERS[model].calibration_fits:
        return ""
    if calibrated_on == "utterances":
        return " (no speaker has two sessions in training, so probabilities come out too high)"
    return " (too little to calibrate on, so probabilities mean little)"


def summary_of_limits(model: str, examples: Examples, predicted: int, most: int | None) -> str:
    """Say where a sample stands for all there is: of what is learnt from, and what is predicted."""
    lines, count = [], len(examples) * (1 + len(examples.copies))
    if most is not None and count > most:
        lines.append(f"learns from {most:,} of {count:,} examples ({model}.max_examples)")
    if predicted < len(examples):
        lines.append(f"predicts {predicted:,} of {len(examples):,} chunks")
    return "".join(f"; {line}, the same share of each speaker" for line in lines)


def summary_of_search(tried: pd.DataFrame) -> str:
    """Report the hyperparameters that were chosen, as `dvc exp run` takes them."""
    if tried.empty:
        return ""
    chosen = tried.loc[tried["chosen"], ["fold", "settings"]]
    kept = chosen.loc[chosen["fold"] == ALL_FOLDS, "settings"].item()
    folds = chosen["fold"] != ALL_FOLDS
    agreeing = (chosen.loc[folds, "settings"] == kept).sum()
    options = " ".join(f"-S {setting}" for setting in kept.split())
    return f"; tuned: {options}, chosen by all data and in {agreeing} of {folds.sum()} folds"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("inputs", choices=INPUTS)
    parser.add_argument("model", choices=CLASSIFIERS)
    asked = parser.parse_args()
    run_stage(partial(fit, inputs=asked.inputs, model=asked.model))
