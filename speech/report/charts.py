"""The kinds of drawings on the page, each from a table: plain data for plotly.js."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from speech.report import wording
from speech.report.page import Attributes

PERCENT: Attributes = {"tickformat": ".0%"}
WHOLE_SHARE: Attributes = {**PERCENT, "range": [0, 1.02], "dtick": 0.2}
DASHES = ("solid", "dash", "dot", "dashdot")
SYMBOLS = ("circle", "square", "diamond", "triangle-up")

GENDER_COLOURS = {"F": "@2", "M": "@1"}

FEW = 8
"""Classes whose confusions are written out as numbers."""

MOST_ON_AN_AXIS = 60
"""Names beyond which an axis with one place for each cannot be read."""


def axis(title: str, **more: Any) -> Attributes:
    """Make an axis with a title."""
    return {"title": {"text": title}, **more}


def whole_numbers(title: str, largest: int) -> Attributes:
    """Make an axis that has no ticks between whole numbers."""
    return axis(title, dtick=max(1, round(largest / 6)))


def names_axis(title: str, names: Sequence[Any], **more: Any) -> Attributes:
    """Make an axis of names, which the page's script thins out where there is no room."""
    return axis(title, type="category", tickangle=-60, names=len(names)) | more


def values(column: pd.Series) -> list[Any]:
    """Give the values of a column as JSON has them: what is not known is null."""
    return [None if pd.isna(value) else value for value in column.tolist()]


def dots_with_intervals(
    table: pd.DataFrame,
    names: Mapping[str, str],
    groups: Mapping[str, str],
    x: Attributes,
    colours: Mapping[str, str] | None = None,
) -> tuple[list[Attributes], Attributes, int]:
    """Put names on the vertical axis and, beside each other, a dot with its interval per group.

    Parameters
    ----------
    table
        With ``name``, ``group``, ``value``, ``low``, ``high``.
    names, groups
        What is drawn, from top to bottom, and how it is called.
    x
        The horizontal axis.
    colours
        Of the groups, where the order of the palette is not meant.

    Returns
    -------
    traces, layout, height
    """
    traces = []
    for number, (group, called) in enumerate(groups.items()):
        own = table[table["group"] == group].set_index("name")
        own = own.loc[[name for name in names if name in own.index]]
        colour = (colours or {}).get(group, f"@{number + 1}")
        shift = 0.6 * ((number + 0.5) / len(groups) - 0.5)
        places = [list(names).index(name) + shift for name in own.index]
        told = [
            f"{names[name]}, {called}: {wording.interval(row.value, row.low, row.high)}"
            for name, row in zip(own.index, own.itertuples(), strict=True)
        ]
        trace = {"type": "scatter", "mode": "markers", "x": values(own["value"]), "y": places}
        trace |= {"name": called, "text": told, "hovertemplate": "%{text}<extra></extra>"}
        trace["marker"] = {"color": colour, "size": 9}
        trace["marker"]["symbol"] = SYMBOLS[number % len(SYMBOLS)]
        trace["error_x"] = error_bars(own, colour)
        traces.append(trace)
    ticks = {"tickvals": list(range(len(names))), "ticktext": list(names.values())}
    y = {**ticks, "range": [len(names) - 0.5, -0.5], "showgrid": False, "zeroline": False}
    layout = {"xaxis": x, "yaxis": y, "showlegend": len(groups) > 1}
    return traces, layout, 90 + len(names) * max(26, 17 * len(groups))


def error_bars(table: pd.DataFrame, colour: str) -> Attributes:
    """Draw from ``low`` to ``high`` around ``value``."""
    above, below = table["high"] - table["value"], table["value"] - table["low"]
    bars = {"type": "data", "symmetric": False, "width": 3, "thickness": 1.5, "color": colour}
    return bars | {"array": _short(above), "arrayminus": _short(below)}


def bars(
    table: pd.DataFrame,
    name: str,
    x: Attributes,
    y: Attributes,
    show: Callable[[float], str] = wording.percent,
) -> tuple[list[Attributes], Attributes]:
    """Draw a bar with its interval for each row, in the order of the table.

    Parameters
    ----------
    table
        With ``value``, ``low``, ``high`` and the column of names.
    name
        That column.
    x, y
        The axes.
    show
        How a value is written where a reader points.
    """
    told = [
        f"{row[name]}: {show(row['value'])} [{show(row['low'])}, {show(row['high'])}]"
        for _, row in table.iterrows()
    ]
    trace = {"type": "bar", "x": table[name].astype(str).tolist(), "y": values(table["value"])}
    trace |= {"marker": {"color": "@1"}, "error_y": error_bars(table, "@ink")}
    trace |= {"hovertext": told, "hovertemplate": "%{hovertext}<extra></extra>"}
    return [trace], {"xaxis": x, "yaxis": y}


def line(x: Sequence[Any], y: Sequence[Any], name: str, colour: str, **more: Any) -> Attributes:
    """Draw a line with a name."""
    trace = {"type": "scatter", "mode": "lines", "x": list(x), "y": list(y), "name": name}
    style = {"color": colour, "width": 2} | more.pop("line", {})
    return trace | {"line": style} | more


def interval_ends(table: pd.DataFrame, x: str, colour: str) -> list[Attributes]:
    """Draw ``low`` and ``high`` as two thin lines without names."""
    silent = {"type": "scatter", "mode": "lines", "hoverinfo": "skip", "showlegend": False}
    silent |= {"x": values(table[x]), "line": {"width": 0.5, "dash": "dot", "color": colour}}
    return [{**silent, "y": values(table[end])} for end in ("low", "high")]


def diagonal(start: float, end: float, name: str) -> Attributes:
    """Draw the line where both axes are equal, without a place in the legend."""
    more = {"hoverinfo": "skip", "showlegend": False, "line": {"width": 1, "dash": "dot"}}
    return line([start, end], [start, end], name, "@soft", **more)


def histogram(
    numbers: Sequence[float], x: Attributes, y: Attributes, **bins: float
) -> tuple[list[Attributes], Attributes]:
    """Count how often values fall into steps of equal width."""
    trace: Attributes = {"type": "histogram", "x": list(numbers), "marker": {"color": "@1"}}
    trace["marker"]["line"] = {"color": "@page", "width": 1}
    if bins:
        trace["xbins"] = bins
    return [trace], {"xaxis": x, "yaxis": y}


def confusion(table: pd.DataFrame, classes: Sequence[str]) -> tuple[list[Attributes], Attributes]:
    """Shade how often each actual class was taken for each other, as a share of its row.

    Parameters
    ----------
    table
        One row per prediction: ``actual``, ``predicted``.
    classes
        In the order of the axes.
    """
    counts = pd.crosstab(table["actual"], table["predicted"])
    counts = counts.reindex(index=classes, columns=classes, fill_value=0)
    shares = counts.div(counts.sum(axis=1).clip(lower=1), axis=0).round(4)
    trace = {"type": "heatmap", "z": shares.to_numpy().tolist(), "x": list(classes)}
    trace |= {"y": list(classes), "customdata": counts.to_numpy().tolist(), "zmin": 0, "zmax": 1}
    trace |= {"colorscale": [[0, "@panel"], [1, "@1"]], "xgap": 1, "ygap": 1}
    trace["hovertemplate"] = "%{y} taken for %{x}: %{customdata} (%{z:.0%})<extra></extra>"
    trace["colorbar"] = {"tickformat": ".0%", "thickness": 10, "outlinewidth": 0, "len": 0.9}
    style = {"showgrid": False, "tickfont": {"size": 10 if len(classes) > FEW else 13}}
    x = names_axis("predicted", classes, **style)
    y = names_axis("actual", classes, **style, tickangle=0, autorange="reversed")
    if len(classes) <= FEW:
        trace |= {"text": counts.to_numpy().tolist(), "texttemplate": "%{text}"}
        trace["textfont"] = {"size": 15}
        x["tickangle"] = 0
    return [trace], {"xaxis": x, "yaxis": y}


def _short(numbers: pd.Series) -> list[Any]:
    return values(numbers.clip(lower=0).round(6))
