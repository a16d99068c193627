"""Tables that people wrote: rows of text with their line numbers, or one sentence."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from speech.errors import UserError

_DELIMITERS = ",;\t"
"""Spreadsheets write semicolons where the comma is the decimal mark."""


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes
    ----------
    place
        File and line, for error messages.
    cells
        Text by column, without surrounding blanks; empty for an optional column that is absent.
    """

    place: str
    cells: dict[str, str]


def read_header(path: Path) -> list[str]:
    """Name the columns of a table, in lower case.

    Raises
    ------
    UserError
        If the file is not UTF-8 or empty.
    """
    return _parse(path)[0]


def read_rows(path: Path, required: Sequence[str], optional: Sequence[str] = ()) -> list[Row]:
    """Read a CSV with a header; values stay text, so the speaker 007 keeps its zeros.

    Commas, semicolons or tabs separate; the header tells which.

    Parameters
    ----------
    path
        A UTF-8 file, with or without a byte order mark.
    required, optional
        Columns to read, in whatever order; others are ignored.

    Raises
    ------
    UserError
        If the file is not UTF-8, is empty or lacks a column, has a column whose
        name is nearly that of an optional one, or a row has too many or too few fields.
    """
    header, rows = _parse(path)
    has = f"line 1 names {', '.join(header)}"
    for name in (*required, *optional):
        if name in required and name not in header:
            raise UserError(f"{path}: has no column {name} ({has}); add it.")
        if header.count(name) > 1:
            raise UserError(f"{path}: has two columns {name} ({has}); remove one.")
    others = set(header) - {*required, *optional}
    for name in set(optional) - set(header):
        # To ignore a mistyped session_id would make every score better than it is.
        for other in get_close_matches(name, others, 1, cutoff=0.8):
            raise UserError(
                f"{path}: has a column {other}, which nothing reads; rename it to {name} if that "
                "is meant, or to something that is less like it."
            )
    for place, cells in rows:
        if len(cells) != len(header):
            raise UserError(
                f"{place} has {len(cells)} fields, but the header {len(header)}; correct it (a "
                "field that holds the delimiter goes in double quotes)."
            )
    absent = dict.fromkeys(optional, "")
    return [Row(place, absent | dict(zip(header, cells, strict=True))) for place, cells in rows]


def _parse(path: Path) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Split a file into its header and, with their places, its rows that are not empty."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not UTF-8; save it as CSV UTF-8.") from None
    first_line = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text), delimiter=max(_DELIMITERS, key=first_line.count))
    rows = []
    try:
        for row in reader:
            rows.append((f"{path}: line {reader.line_num}", [cell.strip() for cell in row]))
    except csv.Error as error:
        raise UserError(
            f"{path}: line {reader.line_num} is no CSV ({error}); correct it."
        ) from None
    if not rows:
        raise UserError(f"{path}: is empty; write a header and a row per line.")
    header = [name.lower() for name in rows[0][1]]
    return header, [(place, cells) for place, cells in rows[1:] if any(cells)]
