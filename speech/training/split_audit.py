"""What leakage adds to a score: one classifier under careless splits and under the careful one.

All splits of a task have the same chunks and the same number of folds; only what may straddle
training and test differs.
"""

from dataclasses import replace
from typing import Literal

import pandas as pd

from speech.classifiers.protocol import Labelled
from speech.folds import Unit, deal_units, name_units
from speech.params import Task

Split = Literal["random-chunk", "random-utterance", "chapter-disjoint", "speaker-disjoint"]

WHOLE: dict[Split, Unit] = {
    "random-chunk": "chunk",
    "random-utterance": "utterance",
    "chapter-disjoint": "chapter",
    "speaker-disjoint": "speaker",
}
"""What each split keeps whole, from the most careless to the most careful."""

CAREFUL: dict[Task, Split] = {"gender": "speaker-disjoint", "speaker": "chapter-disjoint"}
"""The pipeline's own split. Speakers to be recognised must be in training, so the speaker task has
no speaker-disjoint split."""


def splits_of(task: Task) -> list[Split]:
    """Name the splits of a task, from the most careless to the careful one, which is the last."""
    names = list(WHOLE)
    return names[: names.index(CAREFUL[task]) + 1]


def apply_split(
    split: Split,
    task: Task,
    table: pd.DataFrame,
    data: Labelled,
    *,
    seed: int = 0,
) -> tuple[pd.DataFrame, Labelled]:
    """Deal the chunks to folds as a split does.

    A careless split is careless throughout: what is set aside inside training, to calibrate, is
    made of the same units as the folds.

    Parameters
    ----------
    split
        One of `splits_of` the task.
    task
        Which labels `data` has.
    table
        The chunk table: utterance_id, speaker_id, chapter_id, chunk, fold. The folds are those of
        the careful split; the others have as many.
    data
        The chunks, labelled for the task.
    seed
        Of the draw.

    Returns
    -------
    table : DataFrame
        The chunk table with the folds of this split.
    data : Labelled
        The chunks with its units.
    """
    if split == CAREFUL[task]:
        return table, data
    units = name_units(table, WHOLE[split])
    folds = deal_units(units, data.labels, table["fold"].nunique(), seed)
    return table.assign(fold=folds), replace(data, utterances=units, sessions=units)
