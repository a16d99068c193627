"""The section on the MFCC before any model: genders compared, normalisations, outliers."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from plotly import graph_objects as go

from speech.report import charts, wording
from speech.report.charts import Columns, Figure, Table
from speech.report.run import Run

NORMALISATIONS = {
    "none": "none",
    "utterance_mean": "own mean",
    "utterance": "own mean, variance",
    "standard": "standard",
    "robust": "robust",
}
MOST_OUTLIERS = 20


def features_section(run: Run) -> dict[str, Any]:
    """Make the drawings and tables of the MFCC."""
    effects, outliers = run.read_plot("mfcc/effect_sizes"), run.read_plot("mfcc/outliers")
    correlation = run.read_plot("mfcc/correlation")
    by_coefficient = partial(charts.intervals, at="coefficient", show=wording.number)
    return {
        "coefficients": len(effects),
        "effects": by_coefficient(effects, axis={"title": "Cohen's d, women minus men"}),
        "correlation": by_coefficient(correlation, axis={"title": "point-biserial r"}),
        "density": _density(run.read_plot("mfcc/density"), effects),
        "normalisations": _normalisations(run.read_plot("mfcc/normalisations")),
        "outliers": _outliers(outliers.head(MOST_OUTLIERS)) if len(outliers) else None,
    }


def _density(density: pd.DataFrame, effects: pd.DataFrame) -> Figure:
    x, y = {"title": "value"}, {"title": "density", "showticklabels": False, "rangemode": "tozero"}
    order = effects.sort_values("value", key=lambda d: -d.abs(), kind="stable")["coefficient"]
    order = order if len(order) else density["coefficient"].unique()
    # A picture needs no more digits.
    points = density.astype({"value": np.float32, "density": np.float32})
    points["gender"] = points["gender"].map(wording.gender)
    of_coefficient = dict([*points.groupby("coefficient")])
    drawn = {
        name: charts.curves(of_coefficient[name], "value", "density", "gender")
        for name in order
        if name in of_coefficient
    }
    return charts.choose("Coefficient", drawn, {"xaxis": x, "yaxis": y})


def _normalisations(table: pd.DataFrame) -> Figure:
    inputs = {True: "standardised", False: "as they are"}
    rows = pd.DataFrame(
        {
            "normalisation": table["normalisation"].replace(NORMALISATIONS),
            "inputs": table["standardised"].map(inputs),
            "value": table["accuracy"],
        }
    )
    rows = rows.join(table[["low", "high"]])
    return charts.intervals(rows, "normalisation", "inputs", upright=False)


def _outliers(most: pd.DataFrame) -> Figure:
    names, one_digit = most["utterance_id"], partial(wording.number, digits=1)
    bars = go.Bar(x=most["distance"], y=names, orientation="h", name="distance")
    threshold = go.Scatter(x=most["threshold"], y=names, mode="lines", name="threshold")
    y = {"type": "category", "autorange": "reversed"}
    drawing = go.Figure([bars, threshold], {"xaxis": {"title": "distance"}, "yaxis": y})
    columns: Columns = dict.fromkeys(["utterance_id", "speaker_id", "chapter_id"])
    columns |= dict.fromkeys(["distance", "threshold"], one_digit)
    return Figure(drawing, 110 + 20 * len(most), numbers=Table(most, columns))
