"""Recordings named one by one in the user's table: ``path, speaker_id, gender`` and more."""

import os
from pathlib import Path, PurePosixPath

from speech.corpus.listing import Listing, Misnamed, Recording, record_gender
from speech.corpus.spreadsheet import Row, read_rows
from speech.errors import UserError

_REQUIRED = ("path", "speaker_id", "gender")
_OPTIONAL = ("session_id", "utterance_id")


def common_folder(table: Path) -> Path:
    """Find the deepest folder that holds all recordings a table names.

    Parameters
    ----------
    table
        The CSV; its relative paths start at its own folder.

    Raises
    ------
    UserError
        If the table is not sound, or none of its files exists.
    """
    rows = read_rows(table, _REQUIRED, _OPTIONAL)
    if not rows:
        raise UserError(f"{table}: names no file; add a row for each.")
    folders = [file.parent for row in rows if _exists(file := _file(table, row))]
    if not folders:
        raise UserError(
            f"{table}: none of its {len(rows)} files exists, the first of them "
            f"{rows[0].cells['path']}; write paths that start at the table's folder, or absolute "
            "ones."
        )
    return Path(os.path.commonpath(folders))


def list_recordings(audio: Path, table: Path) -> Listing:
    """List what a table names.

    A recording without a session_id is a session of its own; one without an utterance_id is named
    by its path. A file that does not exist is told as `Misnamed`.

    Parameters
    ----------
    audio
        The folder that the listed paths will be relative to.
    table
        The CSV.

    Raises
    ------
    UserError
        If the table is not sound, a path or speaker is missing, a file or an utterance's id
        stands there twice, or a speaker has two genders; with the line's number.
    """
    found: list[Recording | Misnamed] = []
    genders: dict[str, str | None] = {}
    files: dict[Path, int] = {}
    utterances: dict[str, int] = {}
    own_sessions = 0
    for row in read_rows(table, _REQUIRED, _OPTIONAL):
        place, cells = f"{table}: line {row.line}", row.cells
        written, speaker = cells["path"], cells["speaker_id"]
        if not (written and speaker):
            raise UserError(f"{place} needs a path and a speaker_id; fill them in.")
        file = _file(table, row)
        if (first := files.setdefault(file, row.line)) != row.line:
            raise UserError(f"{place} names the file of line {first} again ({written}); keep one.")
        record_gender(genders, speaker, cells["gender"], place)
        if not _exists(file):
            found.append(Misnamed(written, "no such file"))
            continue
        utterance = cells["utterance_id"] or _id_from(written)
        if (first := utterances.setdefault(utterance, row.line)) != row.line:
            raise UserError(
                f"{place} names an utterance as line {first} does ({utterance}); give each an "
                "utterance_id of its own."
            )
        path = Path(os.path.relpath(file, audio.resolve())).as_posix()
        found.append(Recording(path, utterance, speaker, cells["session_id"] or utterance))
        own_sessions += not cells["session_id"]
    return Listing(found, genders, table.name, own_sessions)


def _file(table: Path, row: Row) -> Path:
    path = table.resolve().parent / row.cells["path"]
    # A file may be a link to anywhere, but its folder must lie below the one that DVC walks.
    return path.parent.resolve() / path.name


def _exists(file: Path) -> bool:
    # Path.is_file raises where a folder must not be entered.
    return os.path.isfile(file)  # noqa: PTH113


def _id_from(written: str) -> str:
    """Name an utterance by its path as written, so that other rows cannot change it."""
    parts = PurePosixPath(written).with_suffix("").parts
    return "-".join(part for part in parts if part not in ("/", ".."))
