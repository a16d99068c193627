"""What a run left behind: metrics, tables and settings, of the working tree or any revision."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
import yaml

from speech.errors import UserError

NAMES = ("utterance_id", "speaker_id", "chapter_id", "actual", "predicted", "label", "fold", "path")
"""Columns that hold names, though they may look like numbers or like nothing at all (NA)."""


@dataclass(frozen=True)
class Run:
    """What a run left, wherever it lies.

    Parameters
    ----------
    open
        Gives the bytes of a file by its path from the root of the repository, and raises
        `FileNotFoundError` where it is not.
    remedy
        What to do about a file that is not there.
    """

    open: Callable[[str], bytes]
    remedy: str = "run `dvc repro` to make it"

    def read(self, path: str) -> bytes:
        """Read a file.

        Raises
        ------
        UserError
            If it is not there.
        """
        try:
            return self.open(path)
        except FileNotFoundError:
            raise UserError(f"{path}: no such file; {self.remedy}.") from None

    def metrics(self, name: str) -> dict[str, Any]:
        """Read ``metrics/<name>.json``."""
        return json.loads(self.read(f"metrics/{name}.json"))

    def plot(self, name: str) -> pd.DataFrame:
        """Read ``plots/<name>.csv``, names as text."""
        return self._csv(f"plots/{name}.csv")

    def utterances(self) -> pd.DataFrame:
        """Read the corpus's table, one row per usable utterance."""
        return pd.read_parquet(io.BytesIO(self.read("data/utterances.parquet")))

    def rejected(self) -> pd.DataFrame:
        """Read the table of files that could not be used, and why."""
        return self._csv("data/rejected.csv")

    def settings(self) -> dict[str, Any]:
        """Read params.yaml, nested as it is."""
        return yaml.safe_load(self.read("params.yaml"))

    def _csv(self, path: str) -> pd.DataFrame:
        names = dict.fromkeys(NAMES, str)
        return pd.read_csv(io.BytesIO(self.read(path)), converters=names)
