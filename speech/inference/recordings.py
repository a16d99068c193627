"""Which recordings a user means by files, folders, patterns and standard input."""

import glob
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
        that exists is never taken for a pattern. Hidden files in folders are left out.

    Returns
    -------
    list of Found
        At least one for each argument: one that leads to nothing has a problem.
    """
    found: dict[Path | str, Found] = {}
    for argument in arguments:
        try:
            recordings = list(_find(argument))
        except OSError as error:
            # A folder above it may be closed to us, or its name too long for any file.
            recordings = [Found(argument, None, f"unreadable ({error.strerror})")]
        for one in recordings:
            found.setdefault(one.path.resolve() if one.path else one.name, one)
    return list(found.values())


def _find(argument: str) -> Iterator[Found]:
    path = Path(argument)
    if argument == STDIN:
        yield Found(STDIN, None)
    elif path.is_dir():
        yield from _inside(path)
    elif path.exists():
        yield Found(argument, path)
    elif not glob.has_magic(argument):
        yield Found(argument, None, "no such file")
    else:
        matches = [Path(match) for match in sorted(glob.glob(argument, recursive=True))]  # noqa: PTH207
        if not matches:
            yield Found(argument, None, "no file matches")
        elif len(matches) == 1 and matches[0].is_dir():
            yield from _inside(matches[0])
        yield from (Found(str(match), match) for match in matches if match.is_file())


def _inside(folder: Path) -> Iterator[Found]:
    files = [
        file
        for file in sorted(folder.rglob("*"))
        if file.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
        and file.is_file()
    ]
    if not files:
        yield Found(str(folder), None, "a folder without recordings")
    yield from (Found(str(file), file) for file in files)
