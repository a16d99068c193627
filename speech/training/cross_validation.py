"""Out-of-fold predictions: every chunk is predicted by a model that was not fitted on its fold.

For gender the folds hold whole speakers, for the speaker task whole chapters. Scalers and
temperatures see training data only. A network, whose fits take long, leaves out some training
speakers to calibrate on (gender); for speakers, whole chapters would be too much to lose.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from speech.classifiers.calibrated import Calibrated, HeldOut, fit_calibrated
from speech.classifiers.registry import CLASSIFIERS
from speech.folds import ALL_FOLDS, Task, check_folds, hold_out
from speech.parallel import Progress, Workers, silent, spread
from speech.storage.arrays import choose_rows
from speech.storage.examples import Examples, draw_utterances
from speech.storage.predictions import with_probabilities

Hyperparameters = Mapping[str, Any]

TRAIN_ONLY = -1
"""In the place of a fold: in the training part of all folds, predicted by none."""

MOST_PROBABILITIES = 100_000_000
"""That are kept, chunks times classes: 400 MB."""

CURVES = ["fold", "epoch", "loss", "validation_loss", "accuracy", "validation_accuracy"]


@dataclass(frozen=True)
class OutOfFold:
    """Result of cross-validation.

    Attributes
    ----------
    chunks
        The chunk table with one column ``p_<class>`` per class; of more than are kept, a sample.
    curves
        Learning curves of networks, with the columns `CURVES`; no rows for other classifiers.
    temperatures
        Of each fold.
    calibrated_on
        What the folds' temperatures were learnt from; if not the same in all, the lesser.
    final
        The classifier fitted on everything; None unless that was asked for.
    """

    chunks: pd.DataFrame
    curves: pd.DataFrame
    temperatures: list[float]
    calibrated_on: HeldOut
    final: Any

    @property
    def model(self) -> Calibrated:
        """The classifier fitted on everything, at the geometric mean of the temperatures."""
        temperature = float(np.exp(np.mean(np.log(self.temperatures))))
        return Calibrated(self.final, temperature, self.calibrated_on)


class _Fold(NamedTuple):
    """What is kept of a fold; its classifier may be large."""

    probabilities: NDArray[np.float32]
    curves: list[dict[str, float]]
    temperature: float
    calibrated_on: HeldOut


def taking_part(examples: Examples, task: Task) -> Examples:
    """Return the examples that have a fold, once it is certain that none straddles folds.

    Parameters
    ----------
    examples
        Of a task.
    task
        Which.

    Raises
    ------
    UserError
        If a speaker (gender), a chapter (speaker) or copies of a recording are in two folds.
    """
    check_folds(examples.table, task)
    return examples[(examples.table["fold"] >= 0).to_numpy()]


def cross_validate(
    model: str,
    task: Task,
    examples: Examples,
    *,
    hyperparameters: Hyperparameters = MappingProxyType({}),
    tuned: Mapping[int | str, Hyperparameters] = MappingProxyType({}),
    final: bool = False,
    seed: int = 0,
    jobs: Workers = -1,
    progress: Progress = silent,
) -> OutOfFold:
    """Predict every chunk by a model that was fitted without its fold.

    Where that would be more than `MOST_PROBABILITIES`, whole utterances are left out at random,
    about the same share of each speaker: all models learn from them, but none predicts them.

    Parameters
    ----------
    model
        Name of the classifier.
    task
        Decides what validation parts are made of.
    examples
        Of the task; ``fold`` is `TRAIN_ONLY` for one that is not predicted.
    hyperparameters
        Keyword arguments of the classifier; its defaults by themselves.
    tuned
        Those of folds that have some of their own, and for `ALL_FOLDS` of the final fit.
    final
        Whether to fit on everything as well, beside the folds.
    seed
        Of everything random.
    jobs
        As in `speech.parallel.spread`.
    progress
        Shown over folds.
    """
    folds, labels = examples.table["fold"].to_numpy(), examples.labels
    predicted, classes = folds >= 0, np.unique(labels).tolist()
    predicted[predicted] = draw_utterances(
        examples.utterances[predicted],
        examples.sessions[predicted],
        labels[predicted],
        most=MOST_PROBABILITIES // len(classes),
        seed=seed,
    )
    numbers = np.unique(folds[folds >= 0]).tolist()
    fit = partial(
        _fit_fold,
        model=model,
        task=task,
        examples=examples,
        predicted=predicted,
        options={fold: tuned.get(fold, hyperparameters) for fold in [*numbers, ALL_FOLDS]},
        seed=seed,
    )
    # The longest fit comes first. scikit-learn's solvers and TensorFlow's graphs release the GIL.
    parts = [ALL_FOLDS, *numbers] if final else numbers
    fitted = spread(fit, parts, jobs, progress, "threads")
    whole = fitted.pop(0) if final else None

    probabilities = np.zeros((int(predicted.sum()), len(classes)), dtype=np.float32)
    curves: list[dict[str, Any]] = []
    for number, fold in zip(numbers, fitted, strict=True):
        probabilities[folds[predicted] == number] = fold.probabilities
        curves.extend({"fold": number, **row} for row in fold.curves)
    return OutOfFold(
        with_probabilities(examples.table[predicted], classes, probabilities),
        pd.DataFrame(curves, columns=CURVES),
        [fold.temperature for fold in fitted],
        max((fold.calibrated_on for fold in fitted), key=get_args(HeldOut).index),
        whole,
    )


def _fit_fold(
    fold: int | str,
    model: str,
    task: Task,
    examples: Examples,
    predicted: NDArray[np.bool_],
    options: Mapping[int | str, Hyperparameters],
    seed: int,
) -> Any:
    """Fit without a fold, and predict it; for `ALL_FOLDS` return the classifier of everything."""
    classifier: Any = CLASSIFIERS[model](**options[fold], seed=seed)
    if fold == ALL_FOLDS:
        return classifier.fit(examples)
    tested = (examples.table["fold"] == fold).to_numpy()
    train, validation = examples[~tested], None
    if classifier.trains_in_epochs and task == "gender":
        held_out = hold_out(
            train.sessions.tolist(), train.labels.tolist(), classifier.validation_fraction, seed
        )
        # With one speaker of each gender there is nobody to hold out.
        validation = train[held_out] if held_out.any() else None
        train = train[~held_out]
    calibrated = fit_calibrated(classifier, train, validation, seed=seed)
    return _Fold(
        calibrated.predict_proba(choose_rows(examples.inputs, predicted & tested)),
        classifier.curves,
        calibrated.temperature,
        calibrated.calibrated_on,
    )
