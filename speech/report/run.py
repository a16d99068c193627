"""What a run left behind: metrics, tables and settings, of the working tree or any revision."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import yaml

from speech.errors import UserError

NAMES = ("utterance_id", "speaker_id", "chapter_id", "actual", "predicted", "label", "fold", "path")
"""Columns that hold names, though they may look like numbers or like nothing at all (NA)."""


class Places(NamedTuple):
    """Where the stages leave what the page tells, from the root of the repository."""

    params: Path
    utterances: Path
    rejected: Path
    audio: Path
    metrics: Path
    plots: Path


@dataclass(frozen=True)
class Run:
    """What a run left, wherever it lies.

    Parameters
    ----------
    open
        Gives the bytes of a file, and raises `FileNotFoundError` where it is not.
    places
        Where everything lies.
    remedy
        What to do about a file that is not there.
    """

    open: Callable[[Path], bytes]
    places: Places
    remedy: str = "run `dvc repro` to make it"

    def read(self, path: Path) -> bytes:
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
        """Read the metrics of that name."""
        return json.loads(self.read(self.places.metrics / f"{name}.json"))

    def plot(self, name: str) -> pd.DataFrame:
        """Read the table of a plot, names as text."""
        return self._csv(self.places.plots / f"{name}.csv")

    def recording(self, path: str) -> bytes:
        """Read a recording by its path in the table of utterances."""
        return self.read(self.places.audio / path)

    def utterances(self) -> pd.DataFrame:
        """Read the corpus's table, one row per usable utterance."""
        return pd.read_parquet(io.BytesIO(self.read(self.places.utterances)))

    def rejected(self) -> pd.DataFrame:
        """Read the table of files that could not be used, and why."""
        return self._csv(self.places.rejected)

    def settings(self) -> dict[str, Any]:
        """Read the params, nested as they are."""
        return yaml.safe_load(self.read(self.places.params))

    def _csv(self, path: Path) -> pd.DataFrame:
        names = dict.fromkeys(NAMES, str)
        return pd.read_csv(io.BytesIO(self.read(path)), converters=names)
