"""Tables on disk: parquet between stages, CSV for people and plots; whole or not there."""

from pathlib import Path

import pandas as pd

from speech.storage.files import reading, replacing


def write_parquet(path: Path, table: pd.DataFrame) -> None:
    """Write a table as parquet, byte-identical for an identical table."""
    with replacing(path) as unfinished:
        table.to_parquet(unfinished, index=False)


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV with Unix line ends."""
    with replacing(path) as unfinished:
        table.to_csv(unfinished, index=False, lineterminator="\n")


def read_parquet(path: Path) -> pd.DataFrame:
    """Read a table that an earlier stage wrote.

    Raises
    ------
    UserError
        If it is missing or damaged.
    """
    with reading(path):
        return pd.read_parquet(path)


def read_folds(path: Path) -> pd.DataFrame:
    """Read a fold table: utterance_id, as it stands, and fold (int).

    A speaker may be called 007, NA or null, which pandas takes for a number or for nothing.

    Raises
    ------
    UserError
        If it is missing or damaged.
    """
    types = {"utterance_id": str, "fold": int}
    with reading(path):
        table = pd.read_csv(path, dtype=types, usecols=list(types), keep_default_na=False)
        return table[list(types)]
