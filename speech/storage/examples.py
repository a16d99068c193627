"""Examples of a task on disk: one row per chunk, pooled vectors and frames, augmented copies.

Fits read examples from here, so they do not depend on the code that computes features. Arrays are
mapped: what is not used is not read, and what is read needs no memory of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from speech.errors import UserError
from speech.storage.arrays import choose_rows, map_arrays
from speech.storage.tables import read_parquet, write_parquet

Form = Literal["pooled", "frames"]

_TABLE = "table.parquet"
_FILES: dict[Form, str] = {"pooled": "vectors.npy", "frames": "frames.npy"}


@dataclass(frozen=True)
class Examples:
    """Chunks of many utterances.

    Attributes
    ----------
    table
        One row per chunk: utterance_id, speaker_id, chapter_id, gender, chunk, start_seconds,
        end_seconds; for a task also label, session (what is never in both training and test:
        speakers for gender, chapters for speakers) and fold (-1: takes no part).
    inputs
        Shape (chunks, dimensions) if pooled, (chunks, frames, dimensions) if not. Read from a
        file, they are mapped.
    copies
        The same chunks under other acoustic conditions, for training only: each of the shape of
        `inputs`.
    """

    table: pd.DataFrame
    inputs: NDArray[np.floating]
    copies: tuple[NDArray[np.floating], ...] = ()

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, chosen: NDArray[Any]) -> "Examples":
        """Return the chosen examples, by boolean mask or positions; frames are not copied."""
        return Examples(
            self.table.iloc[chosen].reset_index(drop=True),
            choose_rows(self.inputs, chosen),
            tuple(choose_rows(copy, chosen) for copy in self.copies),
        )

    @property
    def labels(self) -> NDArray[np.str_]:
        """What is to be learnt, shape (chunks,)."""
        return self.table["label"].to_numpy(dtype=str)

    @property
    def utterances(self) -> NDArray[np.str_]:
        """What predictions are averaged over, shape (chunks,)."""
        return self.table["utterance_id"].to_numpy(dtype=str)

    @property
    def sessions(self) -> NDArray[np.str_]:
        """The sessions by names that are unique among all labels, shape (chunks,)."""
        sessions = self.table["session"].to_numpy(dtype=str)
        return np.char.add(np.char.add(self.labels, "/"), sessions)

    def with_copies(
        self, most: int | None = None, seed: int = 0
    ) -> tuple[NDArray[np.floating], NDArray[np.str_]]:
        """Return the inputs followed by their copies as further examples, and all their labels.

        Parameters
        ----------
        most
            Of more, a sample is returned: as large a share of each session of each label, so of
            each speaker, or of each label where there are more sessions than that.
        seed
            Of the draw.

        Raises
        ------
        UserError
            If a sample of that size cannot hold two examples of some label.
        """
        versions, labels = [self.inputs, *self.copies], self.labels
        if most is None or len(versions) * len(self) <= most:
            chosen = np.arange(len(versions) * len(self))
        elif most <= (count := len(np.unique(labels))):
            raise UserError(
                f"max_examples is {most:,}, but there are {count:,} labels to learn; set it "
                "higher, or to null."
            )
        else:
            groups = (np.tile(own, len(versions)) for own in (self.sessions, labels))
            chosen = draw_in_proportion(*groups, most=most, seed=seed)
        version, row = np.divmod(chosen, len(self))
        inputs = [array[row[version == number]] for number, array in enumerate(versions)]
        return np.concatenate(inputs), labels[row]


def array_file(folder: Path, form: Form) -> Path:
    """Return where the arrays of a form lie."""
    return folder / _FILES[form]


def write_table(folder: Path, table: pd.DataFrame) -> None:
    """Write the table of the examples of a task; the folder is made if it is not there."""
    write_parquet(folder / _TABLE, table)


def read_examples(folder: Path, form: Form = "pooled", *, copies: bool = False) -> Examples:
    """Read what `speech.features.examples.build_examples` and `write_table` wrote.

    Parameters
    ----------
    folder
        Of a task and its features, such as ``data/examples/gender-mfcc``.
    form
        ``pooled`` or ``frames``.
    copies
        Whether augmented copies are read as well.

    Raises
    ------
    UserError
        If a file is missing or damaged.
    """
    clean, *others = map_arrays(array_file(folder, form))
    return Examples(read_parquet(folder / _TABLE), clean, tuple(others) if copies else ())


def with_labels(examples: Examples, folds: pd.DataFrame, task: str) -> Examples:
    """Add the columns of a task: label, session and fold.

    Parameters
    ----------
    examples
        Chunks.
    folds
        utterance_id and fold; utterances that are not listed take no part: fold -1.
    task
        ``gender``: labels are genders, and a session is a speaker. ``speaker``: labels are
        speakers, and a session is a chapter. No session is in training and test.
    """
    label, session = {"gender": ("gender", "speaker_id"), "speaker": ("speaker_id", "chapter_id")}[
        task
    ]
    fold_of = folds.set_index("utterance_id")["fold"]
    fold = examples.table["utterance_id"].map(fold_of).fillna(-1).astype(int)
    table = examples.table.assign(
        label=examples.table[label], session=examples.table[session], fold=fold
    )
    return replace(examples, table=table)


def draw_in_proportion(
    *groups: Sequence[Any] | pd.Series | NDArray[Any], most: int, seed: int = 0
) -> NDArray[np.intp]:
    """Draw rows at random, about the same share of each group.

    Parameters
    ----------
    groups
        Of each row, such as its chapter and its speaker, from the finest to the coarsest. The
        finest counts of which there are no more than rows to be drawn.
    most
        How many rows may be drawn.
    seed
        Of the draw.

    Returns
    -------
    ndarray
        Positions of the drawn rows, in order: all, or exactly `most`. Every group that counts has
        one, where it can.

    Examples
    --------
    >>> draw_in_proportion(["a", "a", "a", "a", "b", "b"], most=3)
    array([2, 3, 5])
    """
    count = len(groups[0])
    if count <= most:
        return np.arange(count)
    codes = [pd.factorize(np.asarray(own))[0] for own in groups]
    few = [own for own in codes if own.max() < most]
    rows = pd.DataFrame({"group": (few or codes[-1:])[0]})
    rows["random"] = np.random.default_rng(seed).random(len(rows))
    by_group = rows.groupby("group")["random"]
    # The place of each row in its group's random order, from 0 to 1. Cutting all groups at the same
    # place takes the same share of each, rounded up.
    place = (by_group.rank(method="first") - 1) / by_group.transform("size")
    return np.sort(np.lexsort([rows["random"], place])[:most])


def draw_utterances(
    utterances: NDArray[np.str_], *groups: NDArray[Any], most: int, seed: int = 0
) -> NDArray[np.bool_]:
    """Choose whole utterances at random, about the same share of each group.

    Parameters
    ----------
    utterances
        Of each chunk.
    groups
        Of each chunk, as in `draw_in_proportion`; the same for all chunks of an utterance.
    most
        How many chunks may be chosen, about.
    seed
        Of the draw.

    Returns
    -------
    ndarray of shape (chunks,)
        Which chunks are chosen.
    """
    if len(utterances) <= most:
        return np.ones(len(utterances), dtype=bool)
    names, first, members = np.unique(utterances, return_index=True, return_inverse=True)
    share = len(names) * most // len(utterances)
    drawn = draw_in_proportion(*(own[first] for own in groups), most=max(1, share), seed=seed)
    return np.isin(members, drawn)


def average_over_utterances(
    table: pd.DataFrame, vectors: NDArray[np.floating]
) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """Average the vectors of each utterance's chunks.

    Parameters
    ----------
    table
        One row per chunk, with utterance_id, speaker_id and chapter_id.
    vectors
        Shape (chunks, dimensions).

    Returns
    -------
    table : DataFrame
        One row per utterance, in order of utterance_id: utterance_id, speaker_id, chapter_id.
    vectors : ndarray of shape (utterances, dimensions)
    """
    utterances = table.groupby("utterance_id", sort=True)
    means = pd.DataFrame(vectors.astype(np.float64)).groupby(table["utterance_id"].to_numpy())
    names = utterances[["speaker_id", "chapter_id"]].first().reset_index()
    return names, means.mean().to_numpy()


def copy_name(number: int) -> str:
    """Name the features of an augmented copy among those of an utterance."""
    return f"copy{number}"
