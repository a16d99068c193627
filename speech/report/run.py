"""What a run left behind: metrics, tables of plots, the corpus's table."""

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from speech.errors import UserError
from speech.storage.tables import read_parquet

NAMES = ("utterance_id", "speaker_id", "chapter_id", "actual", "predicted", "label", "fold", "path")
"""Columns that hold names, though they may look like numbers or like nothing at all (NA)."""
METRICS = ["corpus", "split", "mfcc", "clusters_mfcc", "clusters_wav2vec2", "gender", "speaker"]
METRICS += ["split_audit", "layers", "learning_curve", "verification", "rejection"]
"""All that the stages write."""


@dataclass(frozen=True)
class Run:
    """The places where the stages leave what the page shows.

    Parameters
    ----------
    utterances, rejected
        The tables of usable recordings and of the others.
    audio
        The folder of recordings.
    metrics, plots
        The folders of metrics (JSON) and of the tables behind plots (CSV).
    """

    utterances: Path
    rejected: Path
    audio: Path
    metrics: Path
    plots: Path

    def read_metrics(self) -> dict[str, Any]:
        """Read all metrics, by the names of their files."""
        return {name: json.loads(read(self.metrics / f"{name}.json")) for name in METRICS}

    def read_plot(self, name: str) -> pd.DataFrame:
        """Read the table behind a plot, such as ``gender/models``."""
        return _table(self.plots / f"{name}.csv")

    def read_rejected(self) -> pd.DataFrame:
        """Read the table of files that could not be used, and why."""
        return _table(self.rejected)

    def read_utterances(self) -> pd.DataFrame:
        """Read the corpus's table, one row per usable utterance."""
        return read_parquet(self.utterances)

    def digest(self) -> str:
        """Compute a SHA-256 of all metrics, by which a run can be recognised."""
        everything = b"".join(read(self.metrics / f"{name}.json") for name in METRICS)
        return hashlib.sha256(everything).hexdigest()


def read(path: Path) -> bytes:
    """Read a file.

    Raises
    ------
    UserError
        If it is not there.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run `dvc repro` to make it.") from None


def _table(path: Path) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(read(path)), converters=dict.fromkeys(NAMES, str))
