"""Examples of a task on disk: one row per chunk, pooled vectors and frames, augmented copies.

Fits read examples from here, so they do not depend on the code that computes features.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from speech.storage.arrays import read_arrays, write_arrays
from speech.storage.tables import read_parquet, write_parquet

Form = Literal["pooled", "frames"]

_TABLE, _CLEAN = "table.parquet", "clean"
_FILES: dict[Form, str] = {"pooled": "vectors.safetensors", "frames": "frames.safetensors"}


@dataclass(frozen=True)
class Examples:
    """Chunks of many utterances.

    Attributes
    ----------
    table
        One row per chunk: utterance_id, speaker_id, chapter_id, gender, chunk, start_seconds,
        end_seconds; for a task also label, session and fold (-1: takes no part).
    inputs
        Shape (chunks, dimensions) if pooled, (chunks, frames, dimensions) if not.
    copies
        The same chunks under other acoustic conditions, for training only: each of the shape of
        `inputs`.
    """

    table: pd.DataFrame
    inputs: NDArray[np.floating]
    copies: tuple[NDArray[np.floating], ...] = ()

    def __getitem__(self, chosen: NDArray[np.bool_]) -> "Examples":
        """Return the chosen examples."""
        return Examples(
            self.table[chosen].reset_index(drop=True),
            self.inputs[chosen],
            tuple(copy[chosen] for copy in self.copies),
        )


def write_examples(folder: Path, pooled: Examples, frames: Examples) -> None:
    """Write the examples of a task in both forms: a table and two files of arrays.

    Parameters
    ----------
    folder
        Made if it is not there.
    pooled, frames
        The same chunks in both forms.
    """
    write_parquet(folder / _TABLE, pooled.table)
    forms: dict[Form, Examples] = {"pooled": pooled, "frames": frames}
    for form, examples in forms.items():
        arrays = {_CLEAN: examples.inputs}
        arrays |= {copy_name(number): copy for number, copy in enumerate(examples.copies)}
        write_arrays(folder / _FILES[form], arrays)


def read_examples(folder: Path, form: Form = "pooled", *, copies: bool = False) -> Examples:
    """Read what `write_examples` wrote.

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
    table = read_parquet(folder / _TABLE)
    arrays = read_arrays(folder / _FILES[form], None if copies else [_CLEAN])
    numbered = tuple(arrays[copy_name(number)] for number in range(len(arrays) - 1))
    return Examples(table, arrays[_CLEAN], numbered)


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
    """Name the arrays of an augmented copy, here and among the features of an utterance."""
    return f"copy{number}"
