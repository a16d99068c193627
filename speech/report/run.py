"""What a run left behind: results, tables of plots, the corpus's table."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from speech.params import Task
from speech.storage.files import read_json, reading
from speech.storage.tables import read_folds, read_parquet

NAMES = ("utterance_id", "speaker_id", "chapter_id", "actual", "predicted", "label", "fold")
"""Columns that hold names, though they may look like numbers or like nothing at all (NA)."""
RESULTS = ["corpus", "split", "encoder", "clusters_mfcc", "clusters_wav2vec2", "gender", "speaker"]
RESULTS += ["split_audit", "layers", "learning_curve", "verification", "rejection"]
RESULTS += ["external"]
"""All that the stages write; of a task that was not asked for, without its block."""


@dataclass(frozen=True)
class Run:
    """The places where the stages leave what the page shows.

    Parameters
    ----------
    utterances, rejected
        The tables of usable recordings and of the others.
    folds, results, plots
        The folders of folds (CSV), of results (JSON) and of the tables behind plots (CSV).
    """

    utterances: Path
    rejected: Path
    folds: Path
    results: Path
    plots: Path

    def read_results(self) -> dict[str, Any]:
        """Read all results, by the names of their files."""
        return {name: read_json(self.results / f"{name}.json") for name in RESULTS}

    def read_plot(self, name: str) -> pd.DataFrame:
        """Read the table behind a plot, such as ``gender/models``."""
        return _table(self.plots / f"{name}.csv")

    def read_rejected(self) -> pd.DataFrame:
        """Read the table of files that could not be used, and why."""
        return _table(self.rejected)

    def read_utterances(self) -> pd.DataFrame:
        """Read the corpus's table, one row per usable utterance."""
        return read_parquet(self.utterances)

    def fold_sizes(self, task: Task) -> pd.Series:
        """Count the speakers (gender) or chapters (speaker) that each fold holds out."""
        unit = {"gender": ["speaker_id"], "speaker": ["speaker_id", "chapter_id"]}[task]
        table = self.read_utterances().merge(read_folds(self.folds / f"{task}.csv"))
        return table.drop_duplicates(["fold", *unit]).groupby("fold").size()


def _table(path: Path) -> pd.DataFrame:
    """Read a table; nothing but an empty cell is missing, for a speaker may be called NA."""
    with reading(path):
        text = dict.fromkeys(NAMES, str)
        return pd.read_csv(path, dtype=text, keep_default_na=False, na_values=[""])
