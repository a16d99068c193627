"""Tables that people wrote: rows of text with their line numbers, or one sentence."""

import csv
import io
from collections.abc import Iterator, Sequence
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
    line
        Its number in the file, to be named in complaints.
    cells
        Text by column, without surrounding blanks; empty for an optional column that is absent.
    """

    line: int
    cells: dict[str, str]


def read_header(path: Path) -> list[str]:
    """Name the columns of a table, in lower case.

    Raises
    ------
    UserError
        If the file cannot be read, is not UTF-8 or empty.
    """
    return _header(_read(path).partition("\n")[0])


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
        If the file cannot be read, is not UTF-8, is empty or lacks a column, has a column whose
        name is nearly that of an optional one, or a row has too many or too few fields.
    """
    text = _read(path)
    header = _header(text.partition("\n")[0])
    _check_header(path, header, required, optional)
    return [
        Row(line, dict.fromkeys(optional, "") | dict(zip(header, cells, strict=True)))
        for line, cells in _cells(path, text, len(header))
    ]


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); mend that.") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UserError(f"{path}: line {line} is not UTF-8; save it as CSV UTF-8.") from None
    if "\0" in text:
        raise UserError(f"{path}: holds NUL characters, as UTF-16 has them; save it as CSV UTF-8.")
    if not text.strip():
        raise UserError(f"{path}: is empty; write a header and a row per line.")
    return text


def _header(first_line: str) -> list[str]:
    (names,) = csv.reader([first_line], delimiter=_delimiter(first_line))
    return [name.strip().lower() for name in names]


def _delimiter(first_line: str) -> str:
    return max(_DELIMITERS, key=first_line.count)


def _check_header(
    path: Path, header: Sequence[str], required: Sequence[str], optional: Sequence[str]
) -> None:
    has = f"line 1 names {', '.join(header)}"
    for name in required:
        if name not in header:
            raise UserError(f"{path}: has no column {name} ({has}); add it.")
    for name in (*required, *optional):
        if header.count(name) > 1:
            raise UserError(f"{path}: has two columns {name} ({has}); remove one.")
    others = set(header) - {*required, *optional}
    for name in set(optional) - set(header):
        # To ignore a mistyped session_id would make every score flatter than it is.
        for other in get_close_matches(name, others, 1, cutoff=0.8):
            raise UserError(
                f"{path}: has a column {other}, which nothing reads; rename it to {name} if that "
                "is meant, or to something that is less like it."
            )


def _cells(path: Path, text: str, width: int) -> Iterator[tuple[int, list[str]]]:
    """Yield line numbers and stripped cells of all rows but the header and empty ones."""
    reader = csv.reader(io.StringIO(text), delimiter=_delimiter(text.partition("\n")[0]))
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if reader.line_num == 1 or not any(cells):
                continue
            if len(cells) != width:
                raise UserError(
                    f"{path}: line {reader.line_num} has {len(cells)} fields, but the header "
                    f"{width}; mend it (a field that holds the delimiter goes in double quotes)."
                )
            yield reader.line_num, cells
    except csv.Error as error:
        raise UserError(f"{path}: line {reader.line_num} is no CSV ({error}); mend it.") from None
