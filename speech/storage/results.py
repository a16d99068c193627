"""Results as DVC and people read them: metrics in JSON, plots in CSV, to few significant digits."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from speech.storage.files import write_json, write_text

_METRIC_DIGITS, _PLOT_DIGITS = 4, 6
"""Significant ones, not decimals: a p-value of 1e-12 must not become 0. The last digits differ
between processors; metrics are compared between commits and must not flicker."""


def write_metrics(path: Path, metrics: Mapping[str, Any]) -> None:
    """Write metrics as JSON, which has no NaN: a score that is not defined is null.

    Parameters
    ----------
    path
        The file to create or replace.
    metrics
        Numbers and text by name, nested as deep as one likes.
    """
    write_json(path, rounded(metrics, _METRIC_DIGITS))


def write_plot(path: Path, table: pd.DataFrame) -> None:
    """Write the points of a plot as CSV.

    Parameters
    ----------
    path
        The file to create or replace.
    table
        One row per point.
    """
    write_text(
        path, table.to_csv(index=False, float_format=f"%.{_PLOT_DIGITS}g", lineterminator="\n")
    )


def with_names(table: pd.DataFrame, names: Mapping[str, str | float]) -> pd.DataFrame:
    """Put columns that say what a table is of, the same in every row, before its own."""
    return pd.concat([pd.DataFrame(names, index=table.index), table], axis=1)


def rounded(value: Any, digits: int = _PLOT_DIGITS) -> Any:
    """Round every number in a nested mapping or sequence; one that is not defined is None."""
    if isinstance(value, Mapping):
        return {name: rounded(part, digits) for name, part in value.items()}
    if isinstance(value, tuple | list):
        return [rounded(part, digits) for part in value]
    if isinstance(value, float | np.floating):
        return None if np.isnan(value) else float(f"{value:.{digits}g}")
    return value
