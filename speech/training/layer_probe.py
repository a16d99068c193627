"""How well each hidden state of wav2vec 2.0 predicts gender and speaker, by a linear probe.

Every layer gets the same head: standardised, logistic regression, cross-validated over the folds
of the task. A layer is also chosen inside each fold's training part alone, by an inner
cross-validation; scoring every fold with the layer that its own training part chose gives the
accuracy of "choose a layer, then use it". The highest point of a curve over layers overstates it.

A worker holds the pooled states of one layer (chunks x 2 x hidden x 4 bytes: 60 MB for the 5.4
hours of dev-clean and wav2vec 2.0 base), standardised copies of the training part, and one
speaker's file. The predictions of all layers are kept (layers x chunks x (4 x classes + some 60)
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

from speech.classifiers.registry import CLASSIFIERS
from speech.features.store import read_speaker
from speech.folds import ALL_FOLDS, Task, inner_folds
from speech.parallel import Progress, Workers, silent, spread
from speech.storage.predictions import predicted_classes, utterance_level, with_probabilities


@dataclass(frozen=True)
class Probed:
    """The predictions of all layers for one task.

    Attributes
    ----------
    layers
        Out-of-fold predictions of chunks by layer.
    nested
        The same, each fold with the layer that its own training part chose.
    chosen
        fold, layer (chosen by validation inside the training part; of equal ones, the first),
        validation_accuracy (of chunks) and utterance_accuracy (of the fold with that layer). The
        row of `ALL_FOLDS` has the layer of highest mean validation accuracy, and the accuracy of
        all folds, each with its own choice.
    """

    layers: dict[int, pd.DataFrame]
    nested: pd.DataFrame
    chosen: pd.DataFrame


def kept_layers(folder: Path, utterances: pd.DataFrame, kept: Sequence[int] | str) -> list[int]:
    """List the layers that are stored.

    Parameters
    ----------
    folder
        Where the speakers' wav2vec 2.0 features lie.
    utterances
        With utterance_id and speaker_id; only the first is read.
    kept
        As params.yaml has it: numbers of layers, or ``all``.
    """
    if kept != "all":
        return [int(layer) for layer in kept]
    first = utterances.iloc[0]
    tensors = read_speaker(folder, str(first["speaker_id"]))
    return list(range(tensors[f"{first['utterance_id']}/pooled"].shape[1]))


def load_layer(
    folder: Path, utterances: pd.DataFrame, position: int
) -> tuple[pd.DataFrame, NDArray[np.float32]]:
    """Load the pooled states of a layer, one speaker's file at a time.

    Parameters
    ----------
    folder
        Where the speakers' wav2vec 2.0 features lie.
    utterances
        With utterance_id and speaker_id.
    position
        Of the layer, among those kept.

    Returns
    -------
    table : DataFrame
        For each chunk the row of its utterance, and its number as ``chunk``.
    states : ndarray of shape (chunks, 2 * hidden)
        Mean and standard deviation over the frames of each chunk.

    Raises
    ------
    UserError
        If a speaker's file is missing or torn.
    """
    rows: list[dict[str, Any]] = []
    states: list[NDArray[np.float32]] = []
    for speaker, own in utterances.groupby("speaker_id"):
        tensors = read_speaker(folder, str(speaker))
        for utterance in own.to_dict("records"):
            # A copy, so that the other layers need not stay in memory.
            states.append(tensors[f"{utterance['utterance_id']}/pooled"][:, position].copy())
            rows += [{**utterance, "chunk": number} for number in range(len(states[-1]))]
    return pd.DataFrame(rows), np.concatenate(states)


def probe_task(
    folder: Path,
    utterances: pd.DataFrame,
    task: Task,
    layers: Sequence[int],
    *,
    C: float = 0.01,  # noqa: N803
    max_iter: int = 500,
    inner: int = 3,
    seed: int = 0,
    jobs: Workers = -1,
    progress: Progress = silent,
) -> Probed:
    """Probe every layer on one task, and the choice among them.

    Parameters
    ----------
    folder
        Where the speakers' wav2vec 2.0 features lie.
    utterances
        Of the task: utterance_id, speaker_id, chapter_id, label, fold.
    task
        Decides what inner folds keep whole.
    layers
        The numbers of the layers kept, as they are stored.
    C, max_iter
        Of the logistic regression.
    inner
        Inner folds.
    seed
        Of the inner folds.
    jobs, progress
        Workers; shown over layers.
    """
    probe = partial(
        _probe_stored,
        folder=folder,
        utterances=utterances,
        task=task,
        C=C,
        max_iter=max_iter,
        inner=inner,
        seed=seed,
    )
    # The solver releases the GIL, and threads spare it the start of processes.
    probed = spread(probe, range(len(layers)), jobs, progress, "threads")
    validation = pd.DataFrame([own for _, own in probed])

    choices: list[dict[str, Any]] = []
    parts: list[pd.DataFrame] = []
    for fold, best in validation.fillna(0).idxmax().items():
        predictions, _ = probed[best]
        parts.append(predictions[predictions["fold"] == fold])
        choices.append(_choice(fold, layers[best], validation.loc[best, fold], parts[-1]))
    nested = pd.concat(parts)
    means = validation.mean(axis=1)
    best = means.fillna(0).idxmax()
    choices.append(_choice(ALL_FOLDS, layers[best], means[best], nested))
    by_layer = {layer: predictions for layer, (predictions, _) in zip(layers, probed, strict=True)}
    return Probed(by_layer, nested, pd.DataFrame(choices))


def probe_layer(
    task: Task,
    table: pd.DataFrame,
    states: NDArray[np.float32],
    *,
    C: float = 0.01,  # noqa: N803
    max_iter: int = 500,
    inner: int = 3,
    seed: int = 0,
) -> tuple[pd.DataFrame, dict[int, float]]:
    """Probe one layer over the folds, and inside the training part of each.

    Parameters
    ----------
    table
        One row per chunk: utterance_id, speaker_id, chapter_id, chunk, label, fold.
    states
        Shape (chunks, dimensions).
    task, C, max_iter, inner, seed
        As in `probe_task`.

    Returns
    -------
    predictions : DataFrame
        The chunks with one column ``p_<class>`` per class, out of fold.
    validation : dict
        By fold, chunk accuracy of the inner cross-validation inside its training part; NaN where
        there was nothing to validate on.
    """
    labels, folds = table["label"].to_numpy(dtype=str), table["fold"].to_numpy()
    classes = np.unique(labels)
    probabilities = np.zeros((len(table), len(classes)), dtype=np.float32)
    validation: dict[int, float] = {}
    head = CLASSIFIERS["logistic"](C=C, max_iter=max_iter).estimator
    for fold in np.unique(folds).tolist():
        test = folds == fold
        train, own = states[~test], labels[~test]
        probabilities[test] = head.fit(train, own).predict_proba(states[test])
        dealt = inner_folds(task, table[~test], inner, seed)
        validation[fold] = _validate(head, train, own, dealt)
    return with_probabilities(table, classes.tolist(), probabilities), validation


def _probe_stored(
    position: int, folder: Path, utterances: pd.DataFrame, **settings: Any
) -> tuple[pd.DataFrame, dict[int, float]]:
    table, states = load_layer(folder, utterances, position)
    return probe_layer(table=table, states=states, **settings)


def _validate(
    head: Any, states: NDArray[np.float32], labels: NDArray[np.str_], folds: NDArray[np.int64]
) -> float:
    correct: list[NDArray[np.bool_]] = []
    for fold in np.unique(folds[folds >= 0]):
        test = folds == fold
        predicted = head.fit(states[~test], labels[~test]).predict(states[test])
        correct.append(predicted == labels[test])
    return float(np.concatenate(correct).mean()) if correct else float("nan")


def _choice(
    fold: int | str, layer: int, validation: float, predictions: pd.DataFrame
) -> dict[str, Any]:
    utterances = utterance_level(predictions)
    return {
        "fold": fold,
        "layer": layer,
        "validation_accuracy": validation,
        "utterance_accuracy": (predicted_classes(utterances) == utterances["label"]).mean(),
    }
