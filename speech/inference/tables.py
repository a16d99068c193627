"""Answers as rows: a table for people, CSV and JSON for programs."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields
from io import StringIO
from typing import Any, Literal
from unicodedata import combining, east_asian_width

from speech.inference.answers import Answer, Segment
from speech.inference.wording import clock, with_percent
from speech.storage.results import NOTHING, printable

Row = dict[str, Any]

COLUMNS = ("file", *(field.name for field in fields(Segment)), "error")

_DIGITS = 4
_WIDEST_FILE = 40


def rows_of(answer: Answer, *, per: Literal["recording", "segment", "chunk"]) -> list[Row]:
    """Make rows of an answer, with all `COLUMNS`.

    Parameters
    ----------
    answer
        For one recording.
    per
        What each row is of.

    Returns
    -------
    list of dict
        At least one: a recording that could not be read has its error.
    """
    if answer.summary is None:
        return [dict.fromkeys(COLUMNS) | {"file": answer.file, "flags": [], "error": answer.error}]
    segments = {"recording": [answer.summary], "segment": answer.segments, "chunk": answer.chunks}
    rows = []
    for segment in segments[per]:
        row = {name: _plain(value) for name, value in vars(segment).items()}
        nearest = [
            {"speaker": name, "probability": _plain(probability)}
            for name, probability in segment.nearest
        ]
        rows.append({"file": answer.file, **row, "nearest": nearest, "error": None})
    return rows


def _plain(value: Any) -> Any:
    return round(value, _DIGITS) if isinstance(value, float) else value


def _json(row: Row) -> str:
    # A NaN would be no JSON.
    return json.dumps(row, ensure_ascii=False, allow_nan=False)


def _write_json_lines(rows: Iterable[Row], files: Sequence[str]) -> Iterator[str]:  # noqa: ARG001
    """Write one JSON object per line."""
    for row in rows:
        yield _json(row) + "\n"


def _write_json(rows: Iterable[Row], files: Sequence[str]) -> Iterator[str]:  # noqa: ARG001
    """Write one JSON array of all rows."""
    before = "["
    for row in rows:
        yield f"{before}\n{_json(row)}"
        before = ","
    yield "[]\n" if before == "[" else "\n]\n"


def _write_csv(rows: Iterable[Row], files: Sequence[str]) -> Iterator[str]:  # noqa: ARG001
    """Write comma-separated values with a header; lists are joined by semicolons."""
    yield ",".join(COLUMNS) + "\n"
    for row in rows:
        nearest = [f"{one['speaker']} {one['probability']}" for one in row["nearest"] or []]
        flat = row | {"nearest": "; ".join(nearest), "flags": "; ".join(row["flags"])}
        line = StringIO()
        csv.DictWriter(line, COLUMNS, lineterminator="\n").writerow(flat)
        yield line.getvalue()


def _write_table(rows: Iterable[Row], files: Sequence[str]) -> Iterator[str]:
    """Write aligned columns for people; their widths are fixed before the first row."""
    widest = max([len("file"), *(_width(printable(file)) for file in files)])
    widths = [min(_WIDEST_FILE, widest), 17, 9, 16, 0]
    yield _line(widths, "file", "time", "gender", "speaker", "flags")
    for row in rows:
        if row["error"]:
            yield _line(widths, row["file"], NOTHING, NOTHING, NOTHING, row["error"])
            continue
        times = f"{clock(row['start'])} {NOTHING} {clock(row['end'])}"
        gender = with_percent(row["gender"], row["gender_probability"])
        nearest = row["nearest"][0]["probability"] if row["nearest"] else None
        named = with_percent(row["speaker"], nearest)
        speaker = "unknown" if row["nearest"] and not row["speaker"] else named
        yield _line(widths, row["file"], times, gender, speaker, ", ".join(row["flags"]))


def _line(widths: Sequence[int], *cells: str) -> str:
    file, *others = map(printable, cells)
    padded = [
        cell + " " * (width - _width(cell))
        for cell, width in zip((_end_of(file, widths[0]), *others), widths, strict=True)
    ]
    return "  ".join(padded).rstrip() + "\n"


FORMATS: dict[str, Callable[[Iterable[Row], Sequence[str]], Iterator[str]]] = {
    "table": _write_table,
    "csv": _write_csv,
    "json": _write_json,
    "jsonl": _write_json_lines,
}
"""Given rows as they come, and the names of all recordings, they give text as it is to appear."""


def _width(text: str) -> int:
    """Count the columns that a text takes on a terminal."""
    return sum(
        0 if combining(sign) else 2 if east_asian_width(sign) in "WF" else 1 for sign in text
    )


def _end_of(path: str, widest: int) -> str:
    """Shorten a path to a width; its end says more than its beginning."""
    if _width(path) <= widest:
        return path
    while _width(path) >= widest:
        path = path[1:]
    return "…" + path
