"""Which recordings a user means by files, folders, patterns and standard input."""

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

STDIN = "-"

_DECODED = (
    "aif aifc aiff au avr caf flac htk iff mat mp3 nist oga ogg opus paf pvf rf64 sd2 sds sf snd "
    "sph svx voc w64 wav wve xi"
)
_NOT_DECODED = "3gp aac amr m4a m4b mka mkv mov mp4 webm wma"
"""By libsndfile; but that a recording was passed over must not go unsaid."""

SUFFIXES = frozenset(f".{suffix}" for suffix in f"{_DECODED} {_NOT_DECODED}".split())
"""What is taken for a recording in a folder; a file that is named is always taken for one."""


@dataclass(frozen=True)
class Found:
    """A recording, or why there is none.

    Attributes
    ----------
    name
        What it is called in the answers: the path as the user wrote it, or ``-``.
    path
        Where it lies; None for standard input, or if there is a problem.
    problem
        Why it cannot be answered, or an empty string.
    """

    name: str
    path: Path | None
    problem: str = ""


def find_recordings(arguments: Sequence[str]) -> list[Found]:
    """Find the recordings that are meant, each once, in the order in which they are named.

    Parameters
    ----------
    arguments
        Files, folders (searched with all their folders), patterns such as ``tapes/*.wav`` or
        ``**/*.flac`` (for shells that leave them alone), or ``-`` for standard input. A path that
        exists is never taken for a pattern. Files that begin with a dot are passed over in folders.

    Returns
    -------
    list of Found
        At least one for each argument: one that leads to nothing is a problem.
    """
    found: dict[Path | str, Found] = {}
    for argument in arguments:
        try:
            meant = list(_meant_by(argument))
        except OSError as error:
            # A folder above it may be closed to us, or its name too long for any file.
            meant = [Found(argument, None, f"unreadable ({error.strerror})")]
        for one in meant:
            found.setdefault(one.path.resolve() if one.path else one.name, one)
    return list(found.values())


def _meant_by(argument: str) -> Iterator[Found]:
    path = Path(argument)
    if argument == STDIN:
        yield Found(STDIN, None)
    elif path.is_dir():
        yield from _inside(path, "a folder without recordings")
    elif path.exists() or not glob.has_magic(argument):
        yield Found(argument, path) if path.exists() else Found(argument, None, "no such file")
    else:
        matches = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207
        if not matches:
            yield Found(argument, None, "no file matches")
        for match in map(Path, matches):
            if match.is_file():
                yield Found(str(match), match)
            elif len(matches) == 1:
                yield from _inside(match, "a folder without recordings")


def _inside(folder: Path, problem: str) -> Iterator[Found]:
    files = [
        file
        for file in sorted(folder.rglob("*"))
        if file.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
        and file.is_file()
    ]
    if not files:
        yield Found(str(folder), None, problem)
    for file in files:
        yield Found(str(file), file)
