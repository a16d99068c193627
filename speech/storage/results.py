"""Results as DVC and people read them: metrics in JSON, plots in CSV, to few significant digits."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from speech.storage.files import write_json, write_text

NOTHING = "\N{EN DASH}"
"""Written where there is no number or name."""

ENDS = ("", "_low", "_high")
"""What follows the name of a score: nothing for its value, and the ends of its interval."""

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


def named_with_ends(name: str, values: Iterable[float]) -> dict[str, float]:
    """Name a score and the ends of its interval, as `ENDS` says."""
    return {f"{name}{end}": float(value) for end, value in zip(ENDS, values, strict=True)}


def printable(name: str) -> str:
    """Write a name so that it stays on its line, cannot control a terminal, and can be encoded."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in name)


def percent(share: float | None, low: float | None = None, high: float | None = None) -> str:
    """Write a share as people read it: ``97.1 % [94.6, 99.2]``; a dash for one that is not defined.

    Parameters
    ----------
    share
        0 to 1; NaN, or null in JSON, if it is not defined.
    low, high
        The ends of its interval, if it has one.
    """
    value, *ends = (np.nan if one is None else 100 * one for one in (share, low, high))
    if np.isnan(value):
        return NOTHING
    return f"{value:.1f} %" + ("" if np.isnan(ends).any() else " [{:.1f}, {:.1f}]".format(*ends))


def percent_with_ends(scores: Mapping[str, float], name: str) -> str:
    """Write a score beside its ``_low`` and ``_high``, as `percent` does."""
    return percent(*(scores[f"{name}{end}"] for end in ENDS))


def rounded(value: Any, digits: int = _PLOT_DIGITS) -> Any:
    """Round every number in a nested mapping or sequence; one that is not defined is None."""
    if isinstance(value, Mapping):
        return {name: rounded(part, digits) for name, part in value.items()}
    if isinstance(value, tuple | list):
        return [rounded(part, digits) for part in value]
    if isinstance(value, float | np.floating):
        return None if np.isnan(value) else float(f"{value:.{digits}g}")
    return value
