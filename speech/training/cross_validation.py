"""Out-of-fold predictions: every chunk is judged by a model that never heard its voice or session.

For gender the folds hold whole speakers, for the speaker task whole chapters. Scalers,
temperatures and early stopping see training data only; a network's validation part is taken from
the training speakers (gender) or training utterances (speaker: whole chapters would be too much to
lose).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from speech.classifiers.calibrated import HeldOut
from speech.classifiers.protocol import Labelled
from speech.classifiers.registry import build_classifier, classifier_class, save_classifier
from speech.features.examples import Examples
from speech.folds import hold_out_speakers, hold_out_utterances
from speech.parallel import Progress, silent, spread
from speech.params import ModelName, Params, Task
from speech.predictions import with_probabilities

UNJUDGED = -1
"""In the place of a fold: learnt from by all models, judged by none."""

_LABEL = {"gender": "gender", "speaker": "speaker_id"}
_STOPS_ON = {
    "gender": ("sessions", hold_out_speakers),
    "speaker": ("utterances", hold_out_utterances),
}
_SESSION = {"gender": "speaker_id", "speaker": "chapter_id"}
"""What is unheard in every test."""


@dataclass(frozen=True)
class OutOfFold:
    """What cross-validation gives.

    Attributes
    ----------
    chunks
        The chunk table with fold, label and one column ``p_<class>`` per class.
    halves
        The same of half chunks; no rows if there were none.
    curves
        Learning curves of networks: fold, epoch, loss, validation_loss, accuracy,
        validation_accuracy; no rows for other classifiers.
    best_epochs
        Of each fold: how many a network was trained until its best; 0 for other classifiers.
    temperatures
        Of each fold.
    calibrated_on
        What the folds' temperatures were learnt from; if not the same in all, the lesser.
    """

    chunks: pd.DataFrame
    halves: pd.DataFrame
    curves: pd.DataFrame
    best_epochs: list[int]
    temperatures: list[float]
    calibrated_on: HeldOut

    @property
    def epochs(self) -> int:
        """How long a network should train on all data: the median over folds."""
        return int(np.median(self.best_epochs))

    @property
    def temperature(self) -> float:
        """At which a model fitted on all data should answer: the geometric mean over folds."""
        return float(np.exp(np.mean(np.log(self.temperatures))))


@dataclass(frozen=True)
class _FoldResult:
    probabilities: NDArray[np.float32]
    halves: NDArray[np.float32]
    curves: list[dict[str, float]]
    best_epochs: int
    temperature: float
    calibrated_on: HeldOut


def label_examples(examples: Examples, utterances: pd.DataFrame, task: Task) -> Labelled:
    """Attach a task's labels and sessions to examples.

    Parameters
    ----------
    examples
        Chunks.
    utterances
        With utterance_id, speaker_id, chapter_id and gender.
    task
        Which label: the speaker's gender, or the speaker.
    """
    columns = examples.table[["utterance_id"]].merge(
        utterances[["utterance_id", "speaker_id", "chapter_id", "gender"]],
        on="utterance_id",
        how="left",
    )
    return Labelled(
        examples.inputs,
        columns[_LABEL[task]].to_numpy(dtype=str),
        columns["utterance_id"].to_numpy(dtype=str),
        columns[_SESSION[task]].to_numpy(dtype=str),
        examples.copies,
    )


def folds_of(examples: Examples, utterances: pd.DataFrame) -> NDArray[np.int64]:
    """Look up the fold of each example, shape (examples,); `utterances` has utterance_id, fold."""
    fold_of = utterances.set_index("utterance_id")["fold"]
    return examples.table["utterance_id"].map(fold_of).to_numpy(dtype=np.int64)


def cross_validate(
    model: ModelName,
    task: Task,
    table: pd.DataFrame,
    data: Labelled,
    folds: NDArray[np.int64],
    params: Params,
    progress: Progress = silent,
    tuned: Mapping[int, Params] | None = None,
    halves: Examples | None = None,
) -> OutOfFold:
    """Judge every chunk by a model that was fitted without its fold.

    Parameters
    ----------
    model
        Which classifier.
    task
        Decides what validation parts are made of.
    table
        The chunk table of the examples.
    data
        The examples with labels.
    folds
        Fold of each example, shape (examples,); `UNJUDGED` for one that is only learnt from.
    params
        Hyperparameters, validation fraction, seed and jobs.
    progress
        Shown over folds.
    tuned
        The params of folds that have hyperparameters of their own.
    halves
        Half chunks of the same utterances, each judged with the chunks of its own and never
        learnt from.
    """
    judged = folds >= 0
    numbers = sorted(set(folds[judged].tolist()))
    params_of = dict.fromkeys(numbers, params) | dict(tuned or {})
    asked = table.assign(fold=folds, label=data.labels)
    halves = halves or Examples(table.head(0), data.inputs[:0])
    of_utterance = asked.drop_duplicates("utterance_id").set_index("utterance_id")
    asked_halves = halves.table.join(of_utterance[["fold", "label"]], on="utterance_id")
    half_folds = asked_halves["fold"].to_numpy()
    fit_one = partial(
        _fit_fold,
        model=model,
        task=task,
        data=data,
        folds=folds,
        halves=halves.inputs,
        half_folds=half_folds,
        params=params_of,
    )
    workers = classifier_class(model).workers
    results = spread(fit_one, numbers, params.parallel.jobs, progress, workers)

    classes = sorted(set(data.labels.tolist()))
    probabilities = np.zeros((len(data.labels), len(classes)), dtype=np.float32)
    of_halves = np.zeros((len(half_folds), len(classes)), dtype=np.float32)
    curves: list[dict[str, Any]] = []
    for number, result in zip(numbers, results, strict=True):
        probabilities[folds == number] = result.probabilities
        of_halves[half_folds == number] = result.halves
        curves.extend({"fold": number, **row} for row in result.curves)
    judged_halves = half_folds >= 0
    return OutOfFold(
        with_probabilities(asked[judged], classes, probabilities[judged]),
        with_probabilities(asked_halves[judged_halves], classes, of_halves[judged_halves]),
        pd.DataFrame(
            curves,
            columns=[
                "fold",
                "epoch",
                "loss",
                "validation_loss",
                "accuracy",
                "validation_accuracy",
            ],
        ),
        [result.best_epochs for result in results],
        [result.temperature for result in results],
        _lesser([result.calibrated_on for result in results]),
    )


def join_folds(parts: Sequence[OutOfFold]) -> OutOfFold:
    """Join what was judged fold by fold, in the order of the examples.

    Parameters
    ----------
    parts
        Of different folds of the same examples.
    """
    order = ["speaker_id", "chapter_id", "utterance_id", "chunk"]

    def joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
        return pd.concat(tables).sort_values(order, ignore_index=True)

    return OutOfFold(
        joined([part.chunks for part in parts]),
        joined([part.halves for part in parts]),
        pd.concat([part.curves for part in parts]).sort_values("fold", kind="stable"),
        [epochs for part in parts for epochs in part.best_epochs],
        [temperature for part in parts for temperature in part.temperatures],
        _lesser([part.calibrated_on for part in parts]),
    )


def _lesser(units: Sequence[HeldOut]) -> HeldOut:
    return max(units, key=get_args(HeldOut).index)


def fit_final(
    model: ModelName,
    data: Labelled,
    params: Params,
    folder: Path,
    card: dict[str, Any],
    epochs: int,
    temperature: float,
    progress: Progress = silent,
) -> None:
    """Fit a classifier on everything and save it.

    Parameters
    ----------
    model
        Which classifier.
    data
        All examples of the task.
    params
        Hyperparameters and seed.
    folder
        Where to save.
    card
        What is to be known about the model.
    epochs
        How long a network trains: nothing is left to stop early on.
    temperature
        Of its probabilities: nothing is left to learn it from.
    progress
        Shown over this one fit.
    """
    job = partial(
        _fit_on_all,
        data=data,
        params=params,
        folder=folder,
        card=card,
        epochs=epochs,
        temperature=temperature,
    )
    # Through the same workers as the folds, where the heavy imports have been made already.
    workers = classifier_class(model).workers
    spread(job, [model], params.parallel.jobs, progress, workers)


def _fit_fold(
    number: int,
    model: ModelName,
    task: Task,
    data: Labelled,
    folds: NDArray[np.int64],
    halves: NDArray[np.float32],
    half_folds: NDArray[np.int64],
    params: Mapping[int, Params],
) -> _FoldResult:
    own = params[number]
    heard, held_out = np.flatnonzero(folds != number), np.zeros(0, dtype=np.int64)
    if _wants_validation(model, task, own):
        units, hold_out = _STOPS_ON[task]
        chosen = hold_out(
            getattr(data, units)[heard].tolist(),
            data.labels[heard].tolist(),
            getattr(own, model).validation_fraction,
            own.seed,
        )
        heard, held_out = heard[~chosen], heard[chosen]
    classifier = build_classifier(model, own, own.seed)
    # With one utterance per speaker there is nothing to hold out.
    classifier.fit(data[heard], data[held_out] if len(held_out) else None)
    own_halves = halves[half_folds == number]
    nothing = np.empty((0, len(classifier.classes)), dtype=np.float32)
    return _FoldResult(
        classifier.predict_proba(data.inputs[folds == number]),
        classifier.predict_proba(own_halves) if len(own_halves) else nothing,
        classifier.curves,
        classifier.best_epochs,
        classifier.temperature,
        classifier.calibrated_on,
    )


def _wants_validation(model: ModelName, task: Task, params: Params) -> bool:
    """Tell whether something is held out of the training part, for which there is a price.

    To stop early by, or because whole sessions tell the temperature as well: those of gender.
    """
    if not classifier_class(model).stops_early:
        return False
    return task == "gender" or getattr(params, model).patience is not None


def _fit_on_all(
    model: ModelName,
    data: Labelled,
    params: Params,
    folder: Path,
    card: dict[str, Any],
    epochs: int,
    temperature: float,
) -> None:
    classifier = build_classifier(model, params, params.seed, epochs or None, temperature)
    classifier.fit(data)
    save_classifier(folder, classifier, card)
