"""What leakage adds to a score: one classifier under careless splits and under the careful one.

All splits of a task have the same chunks and the same number of folds; only what may straddle
training and test differs.
"""

from dataclasses import replace
from typing import Literal

from speech.folds import Unit, deal_units, name_units
from speech.params import Task
from speech.storage.examples import Examples

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


def apply_split(split: Split, task: Task, examples: Examples, *, seed: int = 0) -> Examples:
    """Deal the chunks to folds as a split does.

    A careless split is careless throughout: what is set aside inside training, to calibrate, is
    made of the same units as the folds.

    Parameters
    ----------
    split
        One of `splits_of` the task.
    task
        Which labels the examples have.
    examples
        With the folds of the careful split; the others have as many.
    seed
        Of the draw.

    Returns
    -------
    split : Examples
        With the folds of this split, its units as ``session`` and ``utterance_id``, and the
        utterance as ``utterance``.
    """
    table = examples.table.assign(utterance=examples.table["utterance_id"])
    if split != CAREFUL[task]:
        units = name_units(table, WHOLE[split])
        folds = deal_units(units, examples.labels, table["fold"].nunique(), seed)
        table = table.assign(fold=folds, session=units, utterance_id=units)
    return replace(examples, table=table)
