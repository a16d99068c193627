"""The section on the MFCC before any model: genders compared, normalisations, outliers."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from speech.report import charts, wording
from speech.report.charts import Columns, Figure, Table
from speech.report.run import Run

NORMALISATIONS = {"utterance_mean": "own mean", "utterance": "own mean, variance"}
"""Those that are called otherwise than in params.yaml."""
MOST_OUTLIERS = 20
_two_digits, _one_digit = wording.number, partial(wording.number, digits=1)


def features_section(run: Run, normalisation: str) -> dict[str, Any]:
    """Make the drawings and tables of the MFCC.

    Parameters
    ----------
    run
        The run.
    normalisation
        The one that models are given.
    """
    correlation, outliers = run.read_plot("mfcc/correlation"), run.read_plot("mfcc/outliers")
    normalisations = run.read_plot("mfcc/normalisations")
    order = correlation.sort_values("d", key=np.abs, ascending=False, kind="stable")
    distributions = run.read_plot("mfcc/distributions")
    names = [*order["coefficient"]] or distributions["coefficient"].unique().tolist()
    return {
        "coefficients": len(names),
        "correlation": _correlation(correlation) if len(correlation) else None,
        "strongest": order.iloc[0] if len(order) else None,
        "significant": correlation.loc[correlation["significant"].astype(bool), "coefficient"],
        "density": _density(run.read_plot("mfcc/density"), distributions, names),
        "normalisations": _normalisations(normalisations, normalisation),
        "outliers": _outliers(outliers) if len(outliers) else None,
        "distances": outliers,
    }


def _correlation(table: pd.DataFrame) -> Figure:
    marks = {True: "significant (p < 0.05)", False: "not significant"}
    rows = table.assign(about=table["significant"].map(marks))
    axis = {"title": "correlation (r)", "range": [-1.05, 1.05], "dtick": 0.5}
    figure = charts.intervals(rows, "coefficient", "about", axis=axis)
    figure.drawing.update_layout(scattermode="overlay")
    figure.drawing.update_xaxes(categoryarray=table["coefficient"].tolist())
    called = {"value": "r", "d": "Cohen's d", "p_corrected": "p (Holm)"}
    columns: Columns = {"coefficient": None, "about": None}
    columns |= dict.fromkeys(["r", "low", "high", "Cohen's d", "d_low", "d_high"], _two_digits)
    columns |= {"p (Holm)": partial(wording.number, digits=4)}
    return replace(figure, numbers=Table(rows.rename(columns=called), columns))


def _density(density: pd.DataFrame, numbers: pd.DataFrame, order: list[str]) -> Figure:
    x, y = {"title": "value"}, {"title": "density", "rangemode": "tozero"}
    # A picture needs no more digits.
    points = density.astype({"value": np.float32, "density": np.float32})
    points["gender"] = points["gender"].map(wording.gender)
    drawn = {
        str(name): charts.curves(own, "value", "density", "gender")
        for name, own in points.groupby("coefficient")
    }
    figure = charts.choose(
        "Coefficient", {name: drawn[name] for name in order}, {"xaxis": x, "yaxis": y}
    )
    quantiles = [name for name in numbers if name[1:].isdigit()]
    columns: Columns = {"coefficient": None, "gender": None}
    columns |= dict.fromkeys(["mean", "std", "skewness", "kurtosis", *quantiles], _two_digits)
    return replace(figure, numbers=Table(numbers, columns))


def _normalisations(table: pd.DataFrame, in_use: str) -> dict[str, Any] | None:
    """Draw the accuracies, and compare what models are given with no normalisation at all."""
    if table.empty:
        return None
    table = table.assign(normalisation=table["normalisation"].replace(NORMALISATIONS))
    in_use = NORMALISATIONS.get(in_use, in_use)
    inputs = {True: "standardised", False: "as they are"}
    rows = table.rename(columns={"accuracy": "value"}).assign(
        normalisation=table["normalisation"].replace(in_use, f"{in_use} (in use)"),
        inputs=table["standardised"].map(inputs),
    )
    compared = table[table["standardised"]].set_index("normalisation")
    return {
        "figure": charts.intervals(rows, "normalisation", "inputs", upright=False),
        "in_use": compared.loc[in_use],
        "below": compared.index[compared["difference_high"] < 0].tolist(),
        "above": compared.index[compared["difference_low"] > 0].tolist(),
    }


def _outliers(table: pd.DataFrame) -> Figure:
    """Count distances, mark the threshold, and list those that are furthest."""
    x = {"title": "distance from the chapter's median", "rangemode": "tozero"}
    figure = charts.histogram(table["distance"], x, "utterances")
    threshold = table["threshold"].iloc[0]
    figure.drawing.add_vline(threshold, line_dash="dash", line_width=2)
    figure.drawing.add_annotation(
        **{"x": threshold, "y": 1, "yref": "paper", "xanchor": "left", "showarrow": False},
        text=f"threshold {threshold:.1f}",
    )
    columns: Columns = dict.fromkeys(["utterance_id", "speaker_id", "chapter_id"])
    columns |= dict.fromkeys(["distance", "threshold"], _one_digit)
    return replace(figure, numbers=Table(table.head(MOST_OUTLIERS), columns))
