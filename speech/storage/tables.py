"""Tables on disk: parquet between stages, CSV for people and plots; whole or not there."""

from pathlib import Path

import pandas as pd

from speech.errors import UserError
from speech.storage.files import replacing


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
    try:
        return pd.read_parquet(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run `dvc repro` to make it.") from None
    except (OSError, ValueError):
        raise UserError(f"{path}: damaged; delete it and run `dvc repro`.") from None


def read_folds(path: Path) -> pd.DataFrame:
    """Read a fold table: utterance_id (str) and fold (int).

    Raises
    ------
    UserError
        If it is missing or damaged.
    """
    try:
        # An utterance may be called NA.
        return pd.read_csv(
            path,
            usecols=["utterance_id", "fold"],
            dtype={"utterance_id": str, "fold": int},
            keep_default_na=False,
        )
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run `dvc repro` to make it.") from None
    except (OSError, ValueError):
        raise UserError(f"{path}: damaged; delete it and run `dvc repro`.") from None
