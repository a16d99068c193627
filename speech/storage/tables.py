"""Tables on disk: parquet between stages, CSV for people and plots; whole or not there."""

from collections import defaultdict
from collections.abc import Mapping
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


def read_csv(path: Path, types: Mapping[str, type] | None = None) -> pd.DataFrame:
    """Read a table that an earlier stage wrote: text as it stands, unless a column has a type.

    A speaker may be called 007, NA or null, which pandas takes for a number or for nothing.

    Parameters
    ----------
    path
        The table.
    types
        Of columns that must be there, such as ``{"fold": int, "value": float}``. An empty number
        is NaN in a column of floats and an error in one of integers.

    Raises
    ------
    UserError
        If it is missing or damaged, lacks one of these columns, or has a value of another type.
    """
    types = types or {}
    with reading(path):
        table = pd.read_csv(
            path,
            dtype=defaultdict(lambda: str, types),
            keep_default_na=False,
            na_values={name: [""] for name, kind in types.items() if kind is float},
        )
        if not types.keys() <= set(table.columns):
            raise ValueError
    return table


def read_folds(path: Path) -> pd.DataFrame:
    """Read a fold table: utterance_id (str) and fold (int).

    Raises
    ------
    UserError
        If it is missing or damaged.
    """
    types = {"utterance_id": str, "fold": int}
    return read_csv(path, types)[list(types)]
