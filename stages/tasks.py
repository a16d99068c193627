"""What becomes of the outputs of a task that was not asked for."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from speech.folds import Task
from speech.storage.files import write_json
from speech.storage.tables import write_csv


def leave_out(
    task: Task,
    *,
    why: str = "was not asked for (tasks in params.yaml)",
    folders: Iterable[Path] = (),
    documents: Iterable[Path] = (),
    tables: Mapping[Path, Sequence[str]] | None = None,
) -> str:
    """Write the outputs of a task that is not among ``tasks`` of params.yaml, all of them empty.

    DVC runs every instance of a matrix and wants all its outputs to be there; what an earlier run
    left must not be taken for this one's.

    Parameters
    ----------
    task
        The one that was not asked for.
    why
        What else there is to say of it.
    folders
        Left without a file.
    documents
        JSON files, left without a key.
    tables
        CSV files with their columns, left without a row.

    Returns
    -------
    str
        The closing line.
    """
    for folder in folders:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
    for document in documents:
        write_json(document, {})
    for path, columns in (tables or {}).items():
        write_csv(path, pd.DataFrame(columns=list(columns)))
    return f"the {task} task {why}: its outputs are empty"
