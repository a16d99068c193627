"""What leakage would have claimed: one classifier under careless splits and under the careful one.

All splits of a task have the same chunks and the same number of folds; only what may straddle
training and test differs.
"""

from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from speech.classifiers.protocol import Labelled
from speech.evaluation.scores import score_levels
from speech.folds import Unit, deal_units, name_units
from speech.params import ModelName, Params, Task
from speech.predictions import utterance_level
from speech.training.cross_validation import cross_validate

Split = Literal["random-chunk", "random-utterance", "chapter-disjoint", "speaker-disjoint"]

WHOLE: dict[Split, Unit] = {
    "random-chunk": "chunk",
    "random-utterance": "utterance",
    "chapter-disjoint": "chapter",
    "speaker-disjoint": "speaker",
}
"""What each split keeps whole, from the most careless to the most careful."""

CAREFUL: dict[Task, Split] = {"gender": "speaker-disjoint", "speaker": "chapter-disjoint"}
"""The pipeline's own split. A speaker who must be known cannot be kept from training, so the
speaker task has no speaker-disjoint split."""


def splits_of(task: Task) -> list[Split]:
    """Name the splits of a task, from the most careless to the careful one, which is the last."""
    names = list(WHOLE)
    return names[: names.index(CAREFUL[task]) + 1]


def audit(
    model: ModelName,
    task: Task,
    split: Split,
    table: pd.DataFrame,
    data: Labelled,
    careful_folds: NDArray[np.int64],
    params: Params,
) -> pd.DataFrame:
    """Cross-validate a classifier under one split.

    Whoever splits carelessly stops early and calibrates carelessly too: what is set aside inside
    training for either is made of the same units as the folds.

    Parameters
    ----------
    model
        Which classifier.
    task
        Which labels `data` has.
    split
        One of `splits_of` the task.
    table
        The chunk table: utterance_id, speaker_id, chapter_id, chunk.
    data
        The chunks, labelled for the task.
    careful_folds
        The pipeline's own fold of each chunk, shape (chunks,): those of the careful split; the
        others have as many.
    params
        Hyperparameters, resamples, seed and jobs.

    Returns
    -------
    DataFrame
        The accuracies among `speech.evaluation.scores.score_levels`: level, score, value, low,
        high.
    """
    folds = careful_folds
    if split != CAREFUL[task]:
        units = name_units(table, WHOLE[split])
        data = replace(data, utterances=units, sessions=units)
        folds = deal_units(units, data.labels, len(np.unique(careful_folds)), params.seed)
    chunks = cross_validate(model, task, table, data, folds, params).chunks
    # The chunks of an utterance are averaged even if they were judged in different folds.
    utterances = utterance_level(chunks.assign(fold=0))
    sampling = {"resamples": params.evaluate.resamples, "seed": params.seed}
    scores = score_levels(chunks, utterances, task, **sampling)
    return scores[scores["score"] == "accuracy"].reset_index(drop=True)
