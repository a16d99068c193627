"""Answers as rows: a table for people, CSV and JSON for programs."""

import csv
import json
from collections.abc import Callable, Sequence
from io import StringIO
from typing import Any
from unicodedata import combining, east_asian_width

from speech.inference.answers import Answer, Segment

Row = dict[str, Any]
Write = Callable[[str], Any]

COLUMNS = (
    "file",
    "start",
    "end",
    "speech_seconds",
    "gender",
    "gender_probability",
    "speaker",
    "nearest",
    "voice_score",
    "flags",
    "error",
)

_WIDEST_FILE = 40
_SUREST = 0.99
_NOTHING = "–"  # noqa: RUF001


def rows_of(answer: Answer, *, by_segment: bool) -> list[Row]:
    """Make rows of an answer, with all `COLUMNS`.

    Parameters
    ----------
    answer
        For one recording.
    by_segment
        A row for each chunk, instead of one for all.

    Returns
    -------
    list of dict
        At least one: a recording that could not be read has its error.
    """
    if answer.summary is None:
        return [dict.fromkeys(COLUMNS) | {"file": answer.file, "flags": [], "error": answer.error}]
    segments = answer.segments if by_segment else [answer.summary]
    return [_row(answer.file, segment) for segment in segments]


class Writer:
    """Writes rows as they come; by itself one JSON object per line.

    Parameters
    ----------
    write
        Where text goes.
    files
        Names of all recordings.
    """

    def __init__(self, write: Write, files: Sequence[str]) -> None:  # noqa: ARG002
        self._write = write

    def put(self, row: Row) -> None:
        """Write a row."""
        self._write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")

    def end(self) -> None:
        """Write what comes after the last row."""


class Json(Writer):
    """One JSON array of all rows."""

    def __init__(self, write: Write, files: Sequence[str]) -> None:
        super().__init__(write, files)
        self._before = "["

    def put(self, row: Row) -> None:
        """Write a row."""
        self._write(f"{self._before}\n{json.dumps(row, ensure_ascii=False, allow_nan=False)}")
        self._before = ","

    def end(self) -> None:
        """Close the array."""
        self._write("[]\n" if self._before == "[" else "\n]\n")


class Csv(Writer):
    """Comma-separated values with a header; lists are joined by semicolons."""

    def __init__(self, write: Write, files: Sequence[str]) -> None:
        super().__init__(write, files)
        self._line(COLUMNS)

    def put(self, row: Row) -> None:
        """Write a row."""
        nearest = [f"{one['speaker']} {one['probability']}" for one in row["nearest"] or []]
        flat = row | {"nearest": "; ".join(nearest), "flags": "; ".join(row["flags"])}
        self._line([flat[name] for name in COLUMNS])

    def _line(self, cells: Sequence[Any]) -> None:
        text = StringIO()
        csv.writer(text, lineterminator="\n").writerow(cells)
        self._write(text.getvalue())


class Table(Writer):
    """Aligned columns for people; their widths are fixed before the first row."""

    def __init__(self, write: Write, files: Sequence[str]) -> None:
        super().__init__(write, files)
        names = map(printable, files)
        self._widths = [min(_WIDEST_FILE, max([4, *map(_width, names)])), 17, 9, 16, 30]
        self._line("file", "time", "gender", "speaker", "flags")

    def put(self, row: Row) -> None:
        """Write a row."""
        if row["error"]:
            self._line(row["file"], _NOTHING, _NOTHING, _NOTHING, row["error"])
            return
        times = f"{clock(row['start'])} {_NOTHING} {clock(row['end'])}"
        gender = with_percent(row["gender"], row["gender_probability"])
        nearest = row["nearest"][0]["probability"] if row["nearest"] else None
        named = with_percent(row["speaker"], nearest)
        speaker = "unknown" if row["nearest"] and not row["speaker"] else named
        self._line(row["file"], times, gender, speaker, ", ".join(row["flags"]))

    def _line(self, *cells: str) -> None:
        file, *others = map(printable, cells)
        cells = (_end_of(file, self._widths[0]), *others)
        padded = [
            cell + " " * (width - _width(cell))
            for cell, width in zip(cells, self._widths, strict=True)
        ]
        self._write("  ".join(padded).rstrip() + "\n")


FORMATS: dict[str, type[Writer]] = {"table": Table, "csv": Csv, "json": Json, "jsonl": Writer}


def clock(seconds: float) -> str:
    """Write a time as people do: 1:02.5 is a minute and two seconds and a half."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"


def printable(name: str) -> str:
    """Write a name so that it stays on its line, cannot control a terminal, and can be encoded."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in name)


def with_percent(label: str | None, probability: float | None) -> str:
    """Write a label with its probability, or a dash for none."""
    if label is None or probability is None:
        return label or _NOTHING
    # No model is certain.
    percent = ">99" if probability > _SUREST else f"{100 * probability:.0f}"
    # In brackets, because many corpora name their speakers by numbers.
    return f"{label} ({percent} %)"


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


def _row(file: str, segment: Segment) -> Row:
    return {
        "file": file,
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "speech_seconds": round(segment.speech_seconds, 3),
        "gender": segment.gender,
        "gender_probability": _rounded(segment.gender_probability),
        "speaker": segment.speaker,
        "nearest": [
            {"speaker": name, "probability": _rounded(value)} for name, value in segment.nearest
        ],
        "voice_score": _rounded(segment.voice_score),
        "flags": list(segment.flags),
        "error": None,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
