"""The page itself: sections of text, tables and figures in one HTML file that needs no network."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Any, NamedTuple

import pandas as pd
from plotly.offline import get_plotlyjs

from speech.report import wording

Attributes = dict[str, Any]
"""Of plotly.js: a trace, a layout, or a part of one. A colour may be one of the page's own, which
follow light and dark: ``@1`` to ``@8``, ``@ink``, ``@soft``."""


class Html(str):
    """Markup that is ready; any other text is escaped."""


@dataclass(frozen=True)
class Figure:
    """A drawing by plotly.js.

    Parameters
    ----------
    title
        What it shows.
    says
        What one sees in it, in a sentence or two: under the title, and for those who cannot see.
    traces, layout
        As plotly.js takes them.
    height
        In CSS pixels.
    square
        Whether both axes mean the same kind of thing, and it should not be drawn wide.
    choices
        Traces among which a reader chooses, by the title of the choice and its names: only those
        of the chosen name are drawn, of the first one at first.
    points
        For a map: what the page's script colours and places it by; see `maps`.
    """

    title: str
    says: str
    traces: Sequence[Attributes]
    layout: Attributes
    height: int = 340
    square: bool = False
    choices: Mapping[str, Mapping[str, Sequence[int]]] | None = None
    points: Mapping[str, Any] | None = None


class Column(NamedTuple):
    """A column of a table: its heading, and how its values are shown."""

    heading: str
    show: Callable[[Any], str] = wording.name
    numeric: bool = False


@dataclass(frozen=True)
class Table:
    """A table that a reader can sort.

    Parameters
    ----------
    caption
        What it lists.
    frame
        Its values.
    columns
        Those of the frame that are shown.
    folded
        Whether it is closed at first.
    """

    caption: str
    frame: pd.DataFrame
    columns: Mapping[str, Column]
    folded: bool = False


Block = Figure | Table | Html | str


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading of its own; plain text in it is a paragraph."""

    title: str
    blocks: Sequence[Block]

    @property
    def anchor(self) -> str:
        """The name that links lead to."""
        return "".join(c if c.isalnum() else "-" for c in self.title.lower())


def page(title: str, lead: Sequence[Block], sections: Sequence[Section]) -> str:
    """Write a page.

    Parameters
    ----------
    title
        Its heading.
    lead
        What comes first, before the list of sections.
    sections
        The rest.

    Returns
    -------
    str
        HTML that holds its script, style and data, and forbids itself any request.
    """
    figures: list[Figure] = []
    links = "".join(f'<li><a href="#{s.anchor}">{escape(s.title)}</a></li>' for s in sections)
    body = [
        f"<header><h1>{escape(title)}</h1>{_blocks(lead, figures, 2)}</header>",
        f'<nav aria-label="Sections"><ul>{links}</ul></nav>' if len(sections) > 1 else "",
        "<main>",
        *(_section(section, figures) for section in sections),
        "</main>",
    ]
    drawn = [
        {"traces": f.traces, "layout": f.layout, "choices": f.choices, "points": f.points}
        for f in figures
    ]
    return _SKELETON.format(
        title=escape(title),
        first=sections[0].anchor,
        style=_own("page.css"),
        body="\n".join(body),
        figures=_embedded(drawn),
        plotly=get_plotlyjs() if figures else "",
        script=_own("page.js"),
    )


def _embedded(data: Any) -> str:
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # A closing tag within the data would end the script element.
    return text.replace("</", "<\\/")


def _own(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


def _section(section: Section, figures: list[Figure]) -> str:
    head = f'<h2 id="{section.anchor}">{escape(section.title)}</h2>'
    inner = _blocks(section.blocks, figures, 3)
    return f'<section aria-labelledby="{section.anchor}">{head}{inner}</section>'


def _blocks(blocks: Sequence[Block], figures: list[Figure], level: int) -> str:
    return "\n".join(_block(block, figures, level) for block in blocks)


def _block(block: Block, figures: list[Figure], level: int) -> str:
    match block:
        case Figure():
            figures.append(block)
            return _figure(block, len(figures) - 1, level)
        case Table():
            return _table(block)
        case Html():
            return block
        case _:
            return f"<p>{escape(block)}</p>"


def _figure(figure: Figure, place: int, level: int) -> str:
    label = escape(f"{figure.title}. {figure.says}", quote=True)
    shape = ' class="square"' if figure.square else ""
    return (
        f'<figure{shape}><figcaption><h{level} class="title">{escape(figure.title)}</h{level}>'
        f"<p>{escape(figure.says)}</p></figcaption>"
        f'<div class="controls"></div>'
        f'<div class="plot" role="img" aria-label="{label}" data-figure="{place}" '
        f'style="height:{figure.height}px"></div></figure>'
    )


def _table(table: Table) -> str:
    kinds = [' class="number"' if column.numeric else "" for column in table.columns.values()]
    heads = "".join(
        f'<th scope="col"{kind}><button type="button">{escape(column.heading)}</button></th>'
        for column, kind in zip(table.columns.values(), kinds, strict=True)
    )
    rows = []
    for values in zip(*(table.frame[name] for name in table.columns), strict=True):
        cells = "".join(
            _cell(value, column, kind)
            for value, column, kind in zip(values, table.columns.values(), kinds, strict=True)
        )
        rows.append(f"<tr>{cells}</tr>")
    caption = escape(table.caption, quote=True)
    inner = (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{caption}">'
        f"<table><caption>{caption}</caption><thead><tr>{heads}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )
    if table.folded:
        return f"<details><summary>{caption}</summary>{inner}</details>"
    return inner


def _cell(value: Any, column: Column, kind: str) -> str:
    order = ""
    if column.numeric:
        # The plain number is what the script sorts by.
        order = f' data-value="{"" if pd.isna(value) else f"{value:.6g}"}"'
    shown = column.show(value)
    return f"<td{kind}{order}>{shown if isinstance(shown, Html) else escape(shown)}</td>"


_SKELETON = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; media-src data:">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<a class="skip" href="#{first}">Skip to the sections</a>
{body}
<noscript><p>The figures are drawn by a script; the tables need none.</p></noscript>
<script type="application/json" id="figures">{figures}</script>
<script>{plotly}</script>
<script>
{script}</script>
</body>
</html>
"""
"""Scripts come last, so that the first screen is there before they are read."""
