"""The kinds of drawings and tables on the page, each made from a data frame."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from plotly import graph_objects as go
from plotly import io as pio

from speech.report import wording

Attributes = dict[str, Any]
"""Of plotly: a trace, a layout, or a part of one."""
Show = Callable[[Any], str]
Columns = dict[str, Show | None]
"""Which columns a table shows, and how the numbers in them are written; None for names."""

SHARE: Attributes = {"ticksuffix": " %", "hoverformat": ".1f", "range": [-1, 102]}
"""An axis of per cent; plotly's own format would write them without the space."""
ACCURACY = {**SHARE, "title": "accuracy"}
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "star", "pentagon", "cross")
DASHES = ("solid", "dash", "dot", "dashdot")

BINS = 40
MOST_LEVEL = 15
"""Names beyond which those under an axis are turned."""
MOST_ON_AN_AXIS = 60
"""Names beyond which an axis with one place for each cannot be read."""

# The page has templates of its own, light and dark.
pio.templates.default = None


@dataclass(frozen=True)
class Table:
    """A table that a reader can sort.

    Parameters
    ----------
    frame
        Its values.
    columns
        Those that are shown, under their names.
    """

    frame: pd.DataFrame
    columns: Columns


@dataclass(frozen=True)
class Figure:
    """A drawing by plotly.

    Parameters
    ----------
    drawing
        What is drawn.
    height
        In CSS pixels.
    square
        Whether both axes mean the same kind of thing, and it should not be drawn wide.
    numbers
        The numbers behind it, for those who cannot see it or want to copy them.
    choices
        What a reader may choose: by title and name, how ``Plotly.restyle`` changes the traces. A
        ``key``, names in the order of colours, is the page's own.
    """

    drawing: go.Figure
    height: int = 320
    square: bool = False
    numbers: Table | None = None
    choices: Mapping[str, Mapping[str, Attributes]] = field(default_factory=dict)


def choose(
    title: str,
    traces: Mapping[str, list[Any]],
    layout: Attributes,
    first: str | None = None,
    *,
    square: bool = False,
) -> Figure:
    """Make a figure of which a reader sees some traces at a time.

    Parameters
    ----------
    title
        What is chosen.
    traces
        By the name that is chosen.
    layout
        The axes.
    first
        Which name is chosen at first; by default, the first.
    square
        Whether both axes mean the same kind of thing.
    """
    names = sorted(traces, key=lambda name: name != first)
    names_of = [name for name in names for _ in traces[name]]
    choices = {name: {"visible": [one == name for one in names_of]} for name in names}
    drawing = go.Figure([trace for name in names for trace in traces[name]], layout)
    for trace, name in zip(drawing.data, names_of, strict=True):
        trace.visible = name == names[0]
    return Figure(drawing, 440 if square else 320, square, choices={title: choices})


def intervals(
    table: pd.DataFrame,
    at: str,
    by: str | None = None,
    *,
    axis: Attributes = ACCURACY,
    upright: bool = True,
    lines: bool = False,
) -> Figure:
    """Draw a dot with its 95 % interval for each name, groups side by side.

    Parameters
    ----------
    table
        With ``value``, ``low``, ``high``, and the columns `at` and `by`, whose names and values
        are shown as they are. Shares, if the axis is one of per cent.
    at
        The column of names on the one axis.
    by
        The column of groups.
    axis
        The axis of values.
    upright
        Whether names are on the horizontal axis.
    lines
        Whether the dots of a group are joined.
    """
    names = table[at].astype(str).unique().tolist()
    ends = ["value", "low", "high"]
    drawn = table.assign(**(table[ends] * (100 if "ticksuffix" in axis else 1)))
    groups = [*drawn.groupby(by, sort=False)] if by else [("", drawn)]
    # Groups stand side by side, closer where their dots are joined.
    gap = {"scattermode": "group", "scattergap": 0.8 if lines else 0.4}
    drawing = go.Figure(layout={**gap, "showlegend": bool(by)})
    of_name, of_value = ("x", "y") if upright else ("y", "x")
    for (group, own), symbol in zip(groups, SYMBOLS * len(groups), strict=False):
        drawing.add_scatter(
            **{of_name: own[at].astype(str), of_value: own["value"]},
            **{f"error_{of_value}": error_bars(own)},
            orientation="v" if upright else "h",
            mode="lines+markers" if lines else "markers",
            marker={"size": 9, "symbol": symbol},
            name=str(group),
        )
    category = {"type": "category", "categoryorder": "array", "categoryarray": names}
    category |= {"autorange": True if upright else "reversed"}
    category |= {"title": at if upright else None}
    category |= {"tickangle": -60} if upright and len(names) > MOST_LEVEL else {}
    drawing.update_layout({f"{of_name}axis": category, f"{of_value}axis": axis})
    columns = dict.fromkeys(name for name in (by, at) if name)
    numbers = Table(table, columns | dict.fromkeys(ends, wording.percent))
    height = 320 if upright else 90 + len(names) * max(26, 18 * len(groups))
    return Figure(drawing, height, numbers=numbers)


def error_bars(table: pd.DataFrame) -> Attributes:
    """Draw from ``low`` to ``high`` around ``value``."""
    ends = {"array": table["high"] - table["value"], "arrayminus": table["value"] - table["low"]}
    return {"type": "data", "symmetric": False, "width": 3, "thickness": 1.5, **ends}


def curves(table: pd.DataFrame, x: str, y: str, by: str) -> list[go.Scatter]:
    """Draw a line for each group; where a value is missing, the line is broken.

    Parameters
    ----------
    table
        With the columns named, and ``about`` where a point has something to say of itself.
    x, y, by
        Columns: of the axes, and of the groups.
    """
    traces = []
    for number, (group, own) in enumerate(table.groupby(by, sort=False)):
        line = {"width": 2, "dash": DASHES[number % len(DASHES)]}
        more = {"text": own["about"], "hovertemplate": "%{text}"} if "about" in own else {}
        one = go.Scatter(x=own[x], y=own[y], mode="lines", name=str(group), line=line, **more)
        traces.append(one)
    return traces


def diagonal(start: float = 0, end: float = 100) -> Attributes:
    """Make the line where both axes are equal, as a part of a layout."""
    ends = {"x0": start, "y0": start, "x1": end, "y1": end}
    return {"shapes": [{"type": "line", "layer": "below", **ends}]}


def histogram(values: pd.Series, x: Attributes, y: str) -> Figure:
    """Count how often values fall into bins; the page carries the counts only."""
    counts, edges = np.histogram(values, BINS)
    middles = ((edges[1:] + edges[:-1]) / 2).round(4)
    layout = {"xaxis": x, "yaxis": {"title": y}, "bargap": 0.05}
    return Figure(go.Figure(go.Bar(x=middles, y=counts), layout), 280)


def speakers(table: pd.DataFrame, value: str, axis: Attributes, columns: Columns) -> Figure:
    """Draw a bar for each speaker; of many speakers, how often each value occurs.

    Parameters
    ----------
    table
        One row per speaker in the order of the bars: ``speaker_id``, ``gender`` and more.
    value
        The column that is drawn.
    axis
        The axis of values.
    columns
        Those of the table of numbers.
    """
    numbers, scale = Table(table, columns), 100 if "ticksuffix" in axis else 1
    if len(table) > MOST_ON_AN_AXIS:
        return replace(histogram(scale * table[value], axis, "speakers"), numbers=numbers)
    drawing = go.Figure(layout={"barmode": "stack", "yaxis": axis, "showlegend": True})
    for gender, own in table.groupby(table["gender"].map(wording.name)):
        drawing.add_bar(x=own["speaker_id"], y=scale * own[value], name=wording.gender(gender))
    order = {"categoryorder": "array", "categoryarray": table["speaker_id"].tolist()}
    drawing.update_xaxes(type="category", tickangle=-60, title="speaker", **order)
    return Figure(drawing, numbers=numbers)


def confusion(table: pd.DataFrame, classes: list[str]) -> Figure:
    """Draw a confusion matrix, shaded by shares of each row.

    Parameters
    ----------
    table
        One row per prediction: ``actual``, ``predicted``.
    classes
        In the order of the axes.
    """
    counts = pd.crosstab(table["actual"], table["predicted"])
    counts = counts.reindex(index=classes, columns=classes, fill_value=0)
    shares = counts.div(counts.sum(axis=1).clip(lower=1), axis=0)
    few = len(classes) <= 8
    trace = go.Heatmap(
        **{"z": 100 * shares.to_numpy(), "x": classes, "y": classes, "zmin": 0, "zmax": 100},
        **{"text": counts.to_numpy().tolist(), "xgap": 1, "ygap": 1},
        hovertemplate="actual %{y}, predicted %{x}: %{text} (%{z:.1f} %)<extra></extra>",
        texttemplate="%{text}" if few else None,
    )
    axis = {"type": "category", "showgrid": False, "tickfont": {"size": 13 if few else 10}}
    x = axis | {"title": "predicted", "tickangle": 0 if few else -60}
    y = axis | {"title": "actual", "autorange": "reversed"}
    drawing = go.Figure(trace, {"xaxis": x, "yaxis": y})
    return Figure(drawing, max(280, 110 + 20 * len(classes)), square=few)
