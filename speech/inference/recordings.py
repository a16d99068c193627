"""Which recordings a user means by files, folders, patterns and standard input."""

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from speech.audio import SUFFIXES

STDIN = "-"


class Found(NamedTuple):
    """A recording, or why there is none.

    Attributes
    ----------
    name
        The path as the user wrote it, or ``-``.
    path
        Where it lies; None for standard input, or if there is a problem.
    problem
        Why there is no recording, or an empty string.
    """

    name: str
    path: Path | None
    problem: str = ""


def find_recordings(arguments: Sequence[str]) -> list[Found]:
    """Find recordings, each once, in the order in which they are named.

    Parameters
    ----------
    arguments
        Files, folders (searched with all their folders), patterns such as ``tapes/*.wav`` or
        ``**/*.flac`` (for shells that do not expand them), or ``-`` for standard input. A path
        that exists is never taken for a pattern. What is hidden in folders is left out.

    Returns
    -------
    list of Found
        At least one for each argument: one that leads to nothing has a problem.
    """
    found: dict[str | tuple[str], Found] = {}
    for argument in arguments:
        try:
            recordings = list(_find(argument))
        except OSError as error:
            # A folder above it may be closed to us, or its name too long for any file.
            recordings = [Found(argument, None, f"unreadable ({error.strerror})")]
        for one in recordings:
            # No `resolve`, which raises where links go in a circle.
            found.setdefault(os.path.realpath(one.path) if one.path else (one.name,), one)
    return list(found.values())


def _find(argument: str) -> Iterator[Found]:
    if argument == STDIN:
        yield Found(STDIN, None)
    elif Path(argument).exists() or not glob.has_magic(argument):
        yield from _named(argument)
    else:
        # As if the shell had expanded it.
        matches = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207
        found = [one for match in matches for one in _named(match)]
        yield from found or [Found(argument, None, "no file matches")]


def _named(name: str) -> Iterator[Found]:
    path = Path(name)
    if path.is_dir():
        yield from _inside(path)
    elif path.exists():
        yield Found(name, path)
    else:
        yield Found(name, None, "no such file")


def _inside(folder: Path) -> Iterator[Found]:
    closed: list[OSError] = []
    files: list[Path] = []
    for parent, folders, names in os.walk(folder, onerror=closed.append):
        folders[:] = (name for name in folders if not name.startswith("."))
        files += (Path(parent, name) for name in names if not name.startswith("."))
    found = [Found(str(file), file) for file in sorted(files) if _is_recording(file)]
    # What cannot be looked into may hold recordings.
    found += map(_unreadable, closed)
    yield from found or [Found(str(folder), None, "a folder without recordings")]


def _unreadable(error: OSError) -> Found:
    return Found(str(error.filename), None, f"unreadable ({error.strerror})")


def _is_recording(file: Path) -> bool:
    """Decide by its name; devices and pipes, which may have no end, are none."""
    try:
        return file.suffix.lower() in SUFFIXES and (file.is_file() or not file.exists())
    except OSError:
        # Opening it will say why.
        return True
