"""Fit one classifier on one task and one kind of features: cross-validated, then on everything."""

import argparse
from functools import partial
from typing import NamedTuple, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from speech.classifiers.calibrated import HeldOut
from speech.classifiers.protocol import Labelled
from speech.classifiers.registry import classifier_class
from speech.features.examples import Examples, load_examples
from speech.features.feature_spec import recipe_of
from speech.folds import ALL_FOLDS
from speech.params import Features, ModelName, Params, Task
from speech.predictions import utterance_level
from speech.storage.tables import read_folds, read_parquet, write_csv, write_parquet
from speech.training.cross_validation import (
    UNJUDGED,
    cross_validate,
    fit_final,
    folds_of,
    join_folds,
    label_examples,
)
from speech.training.layer_choice import by_layer, read_layers, with_layer
from speech.training.tuning import Tuned, tune, untuned
from stages.console import bar, run_stage
from stages.paths import FEATURES, FOLDS, LAYERS, MODELS, PREDICTIONS, UTTERANCES


class Part(NamedTuple):
    """Folds that are given the same inputs.

    Attributes
    ----------
    params
        With the layer of wav2vec 2.0 that they are given, if they are given one.
    folds
        Which.
    final
        Whether the final model is given the same.
    """

    params: Params
    folds: list[int]
    final: bool


def fit(params: Params, task: Task, features: Features, model: ModelName) -> str:
    """Write out-of-fold predictions and the final model."""
    dealt = read_folds(FOLDS / f"{task}.csv")
    utterances = read_parquet(UTTERANCES).merge(dealt, on="utterance_id")
    parts = _parts(params, task, features, model, sorted(set(dealt["fold"])))
    # Before the work: it tells if the encoder's name is missing.
    recipe = recipe_of(parts[-1].params, features, FEATURES[features])
    searches, results = [], []
    for part in parts:
        examples = _load(part.params, features, model, utterances)
        data = label_examples(examples, utterances, task)
        folds = folds_of(examples, utterances)
        tuned = _tune(part, model, task, examples.table, data, folds)
        searches.append(tuned.tried)
        if part.folds:
            judged = np.where(np.isin(folds, part.folds), folds, UNJUDGED)
            given = (model, task, examples.table, data, judged, part.params)
            results.append(cross_validate(*given, bar("fold"), tuned.of_fold, examples.halves))
    result = join_folds(results)
    tried = pd.concat(searches, ignore_index=True)

    folder = PREDICTIONS / task / f"{features}-{model}"
    write_parquet(folder / "chunks.parquet", result.chunks)
    write_parquet(folder / "halves.parquet", result.halves)
    by_utterance = utterance_level(result.chunks)
    write_parquet(folder / "utterances.parquet", by_utterance)
    write_csv(folder / "curves.csv", result.curves)
    write_csv(folder / "tuning.csv", tried)

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
        "recipe": recipe,
    }
    # The last part's examples are those of the final model.
    epochs = tuned.epochs or result.epochs
    fit_final(model, data, tuned.final, saved, card, epochs, result.temperature, bar("final fit"))
    return (
        f"{model} for {task} on {features}{_layers(parts, features)}: {len(by_utterance):,} "
        f"utterances predicted out of fold in {dealt['fold'].nunique()} folds"
        f"{_doubted(result.calibrated_on, model)}, final model in {saved}{_found(tried)}"
    )


def _parts(
    params: Params, task: Task, features: Features, model: ModelName, folds: list[int]
) -> list[Part]:
    """Say which inputs each fold is given; those of the final model come last."""
    if features != "wav2vec2":
        return [Part(params, folds, final=True)]
    if classifier_class(model).form == "frames":
        # There is a sequence of one hidden state only.
        return [Part(with_layer(params, params.wav2vec2.sequence_layer), folds, final=True)]
    groups = by_layer(read_layers(LAYERS / f"{task}.csv", folds))
    *_, last = groups
    return [
        Part(with_layer(params, layer), own, final=layer == last) for layer, own in groups.items()
    ]


def _load(
    params: Params, features: Features, model: ModelName, utterances: pd.DataFrame
) -> Examples:
    form = classifier_class(model).form
    # Who counts labels and hears nothing needs no copies.
    copies = model != "dummy"
    return load_examples(
        FEATURES[features], features, utterances, params, form, copies=copies, halves=True
    )


def _tune(
    part: Part,
    model: ModelName,
    task: Task,
    table: pd.DataFrame,
    data: Labelled,
    folds: NDArray[np.int64],
) -> Tuned:
    if not part.params.tune:
        return untuned(part.params)
    wanted = [*part.folds, ALL_FOLDS] if part.final else part.folds
    return tune(model, task, table, data, folds, part.params, wanted, bar("candidate"))


def _layers(parts: list[Part], features: Features) -> str:
    """Say which layers of wav2vec 2.0 the folds are given, and which the final model."""
    if features != "wav2vec2":
        return ""
    of_folds = sorted(part.params.inputs.wav2vec2.layer for part in parts if part.folds)
    final = parts[-1].params.inputs.wav2vec2.layer
    if of_folds == [final]:
        return f" (layer {final})"
    return f" (layers {', '.join(map(str, of_folds))}; the final model: {final})"


def _doubted(calibrated_on: HeldOut, model: ModelName) -> str:
    """Say so where probabilities are surer of themselves than unheard sessions would allow."""
    if calibrated_on == "sessions" or not classifier_class(model).calibration_fits:
        return ""
    if calibrated_on == "utterances":
        return " (no one has two sessions in training, so probabilities come out too sure)"
    return " (too little to calibrate on, so probabilities mean little)"


def _found(tried: pd.DataFrame) -> str:
    """Say what was chosen, as `dvc exp run` takes it."""
    if tried.empty:
        return ""
    chosen = tried.loc[tried["chosen"], ["fold", "settings"]]
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
