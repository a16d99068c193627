"""The three layouts of a corpus: LibriSpeech's, a folder per speaker, and a table of files.

LibriSpeech: Panayotov, Chen, Povey & Khudanpur (2015), "LibriSpeech: an ASR corpus based on public
domain audio books".
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import get_args
from unicodedata import normalize

from speech.corpus.listing import Listing, Misnamed, Recording, find_audio, nfc, record_gender
from speech.corpus.spreadsheet import Row, read_header, read_rows
from speech.errors import UserError
from speech.params import Subset

SPEAKERS_TXT, SPEAKERS_CSV = "SPEAKERS.TXT", "speakers.csv"

_LIBRISPEECH_STEM = re.compile(r"(?P<speaker>[^-]+)-(?P<chapter>[^-]+)-(?P<utterance>[^-]+)")

_REQUIRED, _OPTIONAL = ("path", "speaker_id", "gender"), ("session_id", "utterance_id")
"""Columns of the user's table."""


@dataclass(frozen=True)
class Location:
    """Where a corpus lies.

    Attributes
    ----------
    audio
        The folder under which all its recordings are.
    labels
        The file that says who speaks: SPEAKERS.TXT, speakers.csv, or the user's table.
    """

    audio: Path
    labels: Path


def locate(corpus: Path) -> Location:
    """Find the parts of a corpus that the user named by a table, or by some folder of it.

    A folder in LibriSpeech layout may be the root (which holds SPEAKERS.TXT), the folder that
    holds ``LibriSpeech/``, or one subset, whose SPEAKERS.TXT lies above it. A folder with a
    speakers.csv holds a folder per speaker.

    Raises
    ------
    UserError
        If nothing is there, or no file that says who speaks, or it is a table that is not sound
        or whose files have no folder of their own.
    """
    if _is_csv(corpus) and corpus.is_file():
        return _locate_csv(corpus)
    if not corpus.is_dir():
        what = "is a file, but no CSV" if corpus.exists() else "does not exist"
        raise UserError(
            f"corpus: {corpus} {what}; set corpus in params.yaml to `sample`, to a subset of "
            f"LibriSpeech ({', '.join(get_args(Subset))}), to a folder of recordings or to a table "
            "of them (.csv)."
        )
    for audio, labels in (
        (corpus, corpus / SPEAKERS_TXT),
        (corpus / "LibriSpeech", corpus / "LibriSpeech" / SPEAKERS_TXT),
        (corpus, corpus / SPEAKERS_CSV),
        (corpus, corpus.resolve().parent / SPEAKERS_TXT),
    ):
        if labels.is_file():
            return _locate_csv(labels) if _is_csv(labels) else Location(audio, labels)
    raise UserError(
        f"corpus: {corpus} has no {SPEAKERS_TXT} in it, in its LibriSpeech folder or above it, and "
        f"no {SPEAKERS_CSV}; add one that names every speaker and gender."
    )


def list_recordings(location: Location) -> Listing:
    """List all recordings of a corpus and what is known of their speakers.

    Raises
    ------
    UserError
        If the labels are not sound, or a folder cannot be read; with the line's number.
    """
    if not _is_csv(location.labels):
        return _list_librispeech(location)
    if "path" in read_header(location.labels):
        return _list_table(location)
    return _list_speaker_folders(location)


def _is_csv(labels: Path) -> bool:
    return labels.suffix.lower() == ".csv"


def _locate_csv(labels: Path) -> Location:
    if labels.name == SPEAKERS_CSV and "path" not in read_header(labels):
        return Location(labels.parent, labels)
    rows = read_rows(labels, _REQUIRED, _OPTIONAL)
    if not rows:
        raise UserError(f"{labels}: names no file; add a row for each.")
    folders = [file.parent for row in rows if (file := _find(labels, row))]
    if not folders:
        raise UserError(
            f"{labels}: none of its {len(rows)} files exists, the first of them "
            f"{rows[0].cells['path']}; write paths that start at the table's folder, or absolute "
            "ones."
        )
    return Location(Path(os.path.commonpath(folders)), labels)


# --- LibriSpeech ------------------------------------------------------------------------------


def _list_librispeech(location: Location) -> Listing:
    """List ``[<subset>/]<speaker>/<chapter>/<speaker>-<chapter>-<utterance>.<ext>``."""
    labels = location.labels
    return Listing(
        find_audio(location.audio, _place_librispeech), read_speakers_txt(labels), labels.name
    )


def read_speakers_txt(path: Path) -> dict[str, str | None]:
    """Read LibriSpeech's table of speakers, ``ID | SEX | SUBSET | MINUTES | NAME``.

    Parameters
    ----------
    path
        The file; `;` starts a comment line.

    Returns
    -------
    dict
        Speaker id to ``"F"``, ``"M"``, or None where the file says neither.

    Raises
    ------
    UserError
        If it cannot be read, a line has too few fields, or a speaker has two genders.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); change its access rights."
        ) from None
    genders: dict[str, str | None] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith(";"):
            continue
        # Split no further: one official name holds the delimiter.
        speaker, *rest = (field.strip() for field in line.split("|", 2))
        if not rest:
            raise UserError(
                f"{path}: line {number} has no ` | ` between fields; write it as "
                "`ID | SEX | SUBSET | MINUTES | NAME`."
            )
        record_gender(genders, speaker, rest[0], f"{path}: line {number}")
    return genders


def _place_librispeech(relative: str) -> Recording | Misnamed:
    path = PurePosixPath(relative)
    name = _LIBRISPEECH_STEM.fullmatch(path.stem)
    if name is None:
        return Misnamed(relative, "wrong name: not <speaker>-<chapter>-<utterance>")
    folders = path.parts[:-1]
    if len(folders) not in (2, 3) or folders[-2:] != (name["speaker"], name["chapter"]):
        return Misnamed(relative, "wrong place: not in <speaker>/<chapter>/ as its name says")
    return Recording(relative, path.stem, name["speaker"], name["chapter"])


# --- a folder per speaker ---------------------------------------------------------------------


def _list_speaker_folders(location: Location) -> Listing:
    """List ``<speaker>/<session>/…`` and ``<speaker>/<file>``, which is a session of its own."""
    genders: dict[str, str | None] = {}
    for row in read_rows(location.labels, ("speaker_id", "gender")):
        record_gender(genders, row.cells["speaker_id"], row.cells["gender"], row.place)
    found = find_audio(location.audio, _place_in_speaker_folder)
    return Listing(found, genders, location.labels.name)


def _place_in_speaker_folder(relative: str) -> Recording | Misnamed:
    path = PurePosixPath(relative)
    if len(path.parts) == 1:
        return Misnamed(relative, "wrong place: not in a speaker's folder")
    speaker, *folders, _ = path.parts
    utterance = "-".join(path.with_suffix("").parts)
    return Recording(relative, utterance, speaker, folders[0] if folders else utterance)


# --- a table ----------------------------------------------------------------------------------


def _list_table(location: Location) -> Listing:
    """List the rows of ``path, speaker_id, gender`` and, optionally, session_id, utterance_id.

    A recording without a session_id is a session of its own; one without an utterance_id is named
    by its path.
    """
    found: list[Recording | Misnamed] = []
    genders: dict[str, str | None] = {}
    places: dict[tuple[str, object], str] = {}
    for row in read_rows(location.labels, _REQUIRED, _OPTIONAL):
        cells = row.cells
        written, speaker = cells["path"], nfc(cells["speaker_id"])
        if not (written and speaker):
            raise UserError(f"{row.place} needs a path and a speaker_id; fill them in.")
        record_gender(genders, speaker, cells["gender"], row.place)
        file = _find(location.labels, row)
        if file is None:
            found.append(Misnamed(written, "no such file"))
            continue
        utterance = nfc(cells["utterance_id"] or _id_from(written))
        for what, key in (("file", file), ("utterance_id", utterance)):
            if (first := places.setdefault((what, key), row.place)) != row.place:
                raise UserError(
                    f"{row.place} has the same {what} as {first.rpartition(': ')[2]} "
                    f"({written if what == 'file' else utterance}); keep one or give another."
                )
        path = Path(os.path.relpath(file, location.audio.resolve())).as_posix()
        session = nfc(cells["session_id"]) or utterance
        found.append(Recording(path, utterance, speaker, session))
    return Listing(found, genders, location.labels.name)


def _find(table: Path, row: Row) -> Path | None:
    """Find the file of a row, whichever way its name and the table write accents."""
    written = row.cells["path"]
    for form in (written, nfc(written), normalize("NFD", written)):
        path = table.resolve().parent / form
        # Path.is_file raises where a folder must not be entered.
        if os.path.isfile(path):  # noqa: PTH113
            # A file may be a link to anywhere, but its folder must lie below the one DVC walks.
            return path.parent.resolve() / path.name
    return None


def _id_from(written: str) -> str:
    """Name an utterance by its path as written, so that other rows cannot change it."""
    parts = PurePosixPath(written).with_suffix("").parts
    return "-".join(part for part in parts if part not in ("/", ".."))
