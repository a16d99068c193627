"""Out-of-fold predictions: every chunk is predicted by a model that was not fitted on its fold.

For gender the folds hold whole speakers, for the speaker task whole chapters. Scalers and
temperatures see training data only. A network, whose fits take long, leaves out some training
speakers to calibrate on (gender); for speakers, whole chapters would be too much to lose.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from speech.classifiers.calibrated import Calibrated, HeldOut
from speech.classifiers.protocol import Classifier, Labelled
from speech.classifiers.registry import CLASSIFIERS
from speech.errors import UserError
from speech.folds import Task, check_folds, hold_out
from speech.parallel import Progress, Workers, silent, spread
from speech.storage.arrays import choose_rows
from speech.storage.examples import Examples, draw_utterances
from speech.storage.predictions import with_probabilities

Hyperparameters = Mapping[str, Any]

TRAIN_ONLY = -1
"""In the place of a fold: in the training part of all folds, predicted by none."""

_EVERYTHING = -2
"""In the place of a fold: the fit on all examples."""

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
        The classifier fitted on everything, if that was asked for.
    """

    chunks: pd.DataFrame
    curves: pd.DataFrame
    temperatures: list[float]
    calibrated_on: HeldOut
    final: Classifier | None = None

    @property
    def temperature(self) -> float:
        """The temperature of a model fitted on all data: the geometric mean over folds."""
        return float(np.exp(np.mean(np.log(self.temperatures))))

    @property
    def model(self) -> Calibrated:
        """The classifier fitted on everything, at that temperature."""
        if self.final is None:
            raise ValueError("cross_validate was not asked for a final fit")
        return Calibrated(self.final, temperature=self.temperature)


@dataclass(frozen=True)
class _FoldResult:
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


def labelled(examples: Examples) -> Labelled:
    """Return the examples of a task, whose table has label and session, for a classifier."""
    labels, utterances, sessions = (
        examples.table[name].to_numpy(dtype=str) for name in ("label", "utterance_id", "session")
    )
    return Labelled(examples.inputs, labels, utterances, sessions, examples.copies)


def cross_validate(
    model: str,
    task: Task,
    table: pd.DataFrame,
    data: Labelled,
    *,
    hyperparameters: Hyperparameters | None = None,
    tuned: Mapping[int, Hyperparameters] | None = None,
    final: Hyperparameters | None = None,
    seed: int = 0,
    most_probabilities: int = 100_000_000,
    jobs: Workers = -1,
    progress: Progress = silent,
) -> OutOfFold:
    """Predict every chunk by a model that was fitted without its fold.

    Where that would be more probabilities than are kept, whole utterances are left out at random:
    all models learn from them, but none predicts them.

    Parameters
    ----------
    model
        Name of the classifier.
    task
        Decides what validation parts are made of.
    table
        The chunk table of the examples, with ``fold``: `TRAIN_ONLY` for one that is not predicted.
    data
        The examples with labels.
    hyperparameters
        Keyword arguments of the classifier; its defaults by themselves.
    tuned
        The hyperparameters of folds that have some of their own.
    final
        Hyperparameters with which to fit on everything as well, beside the folds.
    seed
        Of everything random.
    most_probabilities
        How many are kept, chunks times classes; of more, those of about the same share of each
        speaker's utterances.
    jobs
        As in `speech.parallel.spread`.
    progress
        Shown over folds.

    Raises
    ------
    UserError
        If so few probabilities are to be kept that not every label has one.
    """
    folds = table["fold"].to_numpy()
    predicted = folds >= 0
    numbers = sorted(set(folds[predicted].tolist()))
    classes = sorted(set(data.labels.tolist()))
    most = most_probabilities // len(classes)
    if most < min(len(classes), predicted.sum()):
        raise UserError(
            f"limits.probabilities is {most_probabilities:,}, too few for {len(classes):,} labels; "
            f"set it to {len(classes) ** 2:,} or more."
        )
    predicted[predicted] = draw_utterances(
        data.utterances[predicted],
        data.sessions_of_labels[predicted],
        data.labels[predicted],
        most=most,
        seed=seed,
    )
    of_fold = dict.fromkeys(numbers, hyperparameters or {}) | dict(tuned or {})
    # The longest fit comes first.
    tasks = [*([] if final is None else [_EVERYTHING]), *numbers]
    of_fold |= {} if final is None else {_EVERYTHING: final}
    fit = partial(
        _fit_fold,
        model=model,
        task=task,
        data=data,
        folds=folds,
        predicted=predicted,
        of_fold=of_fold,
        seed=seed,
    )
    # scikit-learn's solvers and TensorFlow's graphs release the GIL.
    fitted = spread(fit, tasks, jobs, progress, "threads")
    results: dict[int, Any] = dict(zip(tasks, fitted, strict=True))

    probabilities = np.zeros((int(predicted.sum()), len(classes)), dtype=np.float32)
    curves: list[dict[str, Any]] = []
    for number in numbers:
        probabilities[folds[predicted] == number] = results[number].probabilities
        curves.extend({"fold": number, **row} for row in results[number].curves)
    own = table.assign(label=data.labels)
    return OutOfFold(
        with_probabilities(own[predicted], classes, probabilities),
        pd.DataFrame(curves, columns=CURVES),
        [results[number].temperature for number in numbers],
        _lesser([results[number].calibrated_on for number in numbers]),
        results.get(_EVERYTHING),
    )


def _fit_fold(
    number: int,
    model: str,
    task: Task,
    data: Labelled,
    folds: NDArray[np.int64],
    predicted: NDArray[np.bool_],
    of_fold: Mapping[int, Hyperparameters],
    seed: int,
) -> Any:
    """Return a `_FoldResult`, and for `_EVERYTHING` a classifier."""
    classifier: Any = CLASSIFIERS[model](**of_fold[number], seed=seed)
    if number == _EVERYTHING:
        return classifier.fit(data)
    train, held_out = np.flatnonzero(folds != number), np.zeros(0, dtype=np.int64)
    if classifier.trains_in_epochs and task == "gender":
        chosen = hold_out(
            data.sessions[train].tolist(),
            data.labels[train].tolist(),
            classifier.validation_fraction,
            seed,
        )
        train, held_out = train[~chosen], train[chosen]
    calibrated = Calibrated(classifier, seed=seed)
    # With one utterance per speaker there is nothing to hold out.
    calibrated.fit(data[train], data[held_out] if len(held_out) else None)
    return _FoldResult(
        calibrated.predict_proba(choose_rows(data.inputs, predicted & (folds == number))),
        classifier.curves,
        calibrated.temperature,
        calibrated.calibrated_on,
    )


def _lesser(units: Sequence[HeldOut]) -> HeldOut:
    return max(units, key=get_args(HeldOut).index)
