"""What each hidden state of wav2vec 2.0 knows of gender and speaker, and which one to take.

Every layer gets the same linear head: standardised, logistic regression. It is judged over the
folds of the task. Which layer to take is decided inside each fold's training part alone, by an
inner cross-validation. Scoring every fold with the layer that its own training part chose gives
the accuracy of "choose a layer, then use it"; the highest point of a curve over layers overstates
it.

A worker holds the pooled states of one layer (chunks × 2 × hidden × 4 bytes: 60 MB for the 5.4
hours of dev-clean and wav2vec 2.0 base), standardised copies of the training part, and one
speaker's file. The predictions of all layers are kept (layers × chunks × (4 × classes + some 60)
bytes: 25 MB there).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from speech.evaluation.scores import score_levels
from speech.features.store import read_speaker, speaker_file
from speech.folds import ALL_FOLDS, inner_folds
from speech.parallel import Progress, silent, spread
from speech.params import Params, Probe, Task
from speech.predictions import predicted_classes, utterance_level, with_probabilities


@dataclass(frozen=True)
class ProbedLayer:
    """What the head makes of one layer.

    Attributes
    ----------
    predictions
        The chunks with one column ``p_<class>`` per class, out of fold.
    validation
        By fold, chunk accuracy of the inner cross-validation inside its training part; NaN where
        there was nothing to validate on.
    """

    predictions: pd.DataFrame
    validation: dict[int, float]


@dataclass(frozen=True)
class Probed:
    """What all layers know of one task.

    Attributes
    ----------
    layers
        Out-of-fold accuracy of each: layer, level (as in
        `speech.evaluation.scores.score_levels`), value, low, high.
    chosen
        fold, layer (chosen by validation inside the training part; of equal ones, the first),
        validation_accuracy (of chunks), chunk_accuracy and utterance_accuracy (of the fold with
        that layer). The row of `ALL_FOLDS` has the layer of highest mean validation accuracy, and
        the accuracies of all folds, each with its own choice.
    nested
        level, value, low, high: the latter accuracies with their intervals.
    """

    layers: pd.DataFrame
    chosen: pd.DataFrame
    nested: pd.DataFrame


def kept_layers(folder: Path, utterances: pd.DataFrame, kept: Sequence[int] | str) -> list[int]:
    """Find out which layers are stored.

    Parameters
    ----------
    folder
        Where the speakers' wav2vec 2.0 features lie.
    utterances
        With utterance_id and speaker_id; only the first is looked at.
    kept
        What was asked to be kept: numbers, or ``all``.
    """
    if kept != "all":
        return [int(layer) for layer in kept]
    _, states = load_layers(folder, utterances.head(1), slice(None))
    return list(range(states.shape[1]))


def load_layers(
    folder: Path, utterances: pd.DataFrame, chosen: int | slice
) -> tuple[pd.DataFrame, NDArray[np.float32]]:
    """Load pooled states, one speaker's file at a time.

    Parameters
    ----------
    folder
        Where the speakers' wav2vec 2.0 features lie.
    utterances
        With utterance_id and speaker_id.
    chosen
        The position of a layer among those kept, or a slice of positions.

    Returns
    -------
    table : DataFrame
        For each chunk the row of its utterance, and its number as ``chunk``.
    states : ndarray of shape (chunks, 2 * hidden), or (chunks, layers, 2 * hidden) for a slice
        Mean and standard deviation over the frames of each chunk.

    Raises
    ------
    UserError
        If a speaker's file is missing or torn.
    """
    rows: list[dict[str, Any]] = []
    states: list[NDArray[np.float32]] = []
    for speaker, own in utterances.groupby("speaker_id"):
        tensors = read_speaker(speaker_file(folder, str(speaker)))
        for utterance in own.to_dict("records"):
            # A copy, so that the other layers need not stay in memory.
            states.append(tensors[f"{utterance['utterance_id']}/pooled"][:, chosen].copy())
            rows += [{**utterance, "chunk": number} for number in range(len(states[-1]))]
    return pd.DataFrame(rows), np.concatenate(states)


def probe_task(
    folder: Path,
    utterances: pd.DataFrame,
    task: Task,
    layers: Sequence[int],
    params: Params,
    progress: Progress = silent,
) -> Probed:
    """Judge every layer on one task, and the choice among them.

    Parameters
    ----------
    folder
        Where the speakers' wav2vec 2.0 features lie.
    utterances
        Of the task: utterance_id, speaker_id, chapter_id, label, fold.
    task
        Which.
    layers
        The numbers of the layers kept, as they are stored.
    params
        `probe`, `evaluate`, `parallel` and the seed count.
    progress
        Shown over layers.
    """
    judge = partial(_probe_stored, folder=folder, utterances=utterances, task=task, params=params)
    # The solver releases the GIL, and threads spare it the start of processes.
    probed = spread(judge, range(len(layers)), params.parallel.jobs, progress, "threads")
    validation = pd.DataFrame([layer.validation for layer in probed])

    choices: list[dict[str, Any]] = []
    parts: list[pd.DataFrame] = []
    for fold, best in validation.fillna(0).idxmax().items():
        predictions = probed[best].predictions
        parts.append(predictions[predictions["fold"] == fold])
        choices.append(_choice(fold, layers[best], validation.loc[best, fold], parts[-1]))
    nested = pd.concat(parts)
    means = validation.mean(axis=1)
    best = means.fillna(0).idxmax()
    choices.append(_choice(ALL_FOLDS, layers[best], means[best], nested))

    def accuracy(predictions: pd.DataFrame) -> pd.DataFrame:
        return _accuracy(predictions, task, params.evaluate.resamples, params.seed)

    by_layer = [
        accuracy(own.predictions).assign(layer=layer)
        for layer, own in zip(layers, probed, strict=True)
    ]
    return Probed(
        layers=pd.concat(by_layer)[["layer", "level", "value", "low", "high"]],
        chosen=pd.DataFrame(choices),
        nested=accuracy(nested),
    )


def probe_layer(
    task: Task, table: pd.DataFrame, states: NDArray[np.float32], settings: Probe, seed: int
) -> ProbedLayer:
    """Judge one layer over the folds, and inside the training part of each.

    Parameters
    ----------
    task
        Decides what inner folds keep whole.
    table
        One row per chunk: utterance_id, speaker_id, chapter_id, chunk, label, fold.
    states
        Shape (chunks, dimensions).
    settings
        Of the head and the inner folds.
    seed
        Of the inner folds.
    """
    labels, folds = table["label"].to_numpy(dtype=str), table["fold"].to_numpy()
    classes = np.unique(labels)
    probabilities = np.zeros((len(table), len(classes)), dtype=np.float32)
    validation: dict[int, float] = {}
    for fold in np.unique(folds).tolist():
        tested = folds == fold
        heard, known = states[~tested], labels[~tested]
        probabilities[tested] = _head(settings).fit(heard, known).predict_proba(states[tested])
        inner = inner_folds(task, table[~tested], settings.inner_folds, seed)
        validation[fold] = _validate(heard, known, inner, settings)
    return ProbedLayer(with_probabilities(table, classes, probabilities), validation)


def _probe_stored(
    position: int, folder: Path, utterances: pd.DataFrame, task: Task, params: Params
) -> ProbedLayer:
    table, states = load_layers(folder, utterances, position)
    return probe_layer(task, table, states, params.probe, params.seed)


def _head(settings: Probe) -> Pipeline:
    return make_pipeline(
        StandardScaler(),
        LogisticRegression(C=settings.C, max_iter=settings.max_iter, class_weight="balanced"),
    )


def _validate(
    states: NDArray[np.float32],
    labels: NDArray[np.str_],
    folds: NDArray[np.int64],
    settings: Probe,
) -> float:
    right: list[NDArray[np.bool_]] = []
    for fold in np.unique(folds[folds >= 0]):
        tested = folds == fold
        head = _head(settings).fit(states[~tested], labels[~tested])
        right.append(head.predict(states[tested]) == labels[tested])
    return float(np.concatenate(right).mean()) if right else float("nan")


def _accuracy(predictions: pd.DataFrame, task: Task, resamples: int, seed: int) -> pd.DataFrame:
    utterances = utterance_level(predictions)
    scores = score_levels(predictions, utterances, task, resamples=resamples, seed=seed)
    return scores.loc[scores["score"] == "accuracy", ["level", "value", "low", "high"]]


def _choice(
    fold: int | str, layer: int, validation: float, predictions: pd.DataFrame
) -> dict[str, Any]:
    return {
        "fold": fold,
        "layer": layer,
        "validation_accuracy": validation,
        "chunk_accuracy": _share_right(predictions),
        "utterance_accuracy": _share_right(utterance_level(predictions)),
    }


def _share_right(predictions: pd.DataFrame) -> float:
    return float((predicted_classes(predictions) == predictions["label"]).mean())
