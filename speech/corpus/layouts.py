"""The three layouts of a corpus: LibriSpeech's, a folder per speaker, and a table of files.

LibriSpeech: Panayotov, Chen, Povey & Khudanpur (2015), "LibriSpeech: an ASR corpus based on public
domain audio books".
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import get_args
from unicodedata import normalize

from speech.audio.decode import EXTENSIONS
from speech.corpus.spreadsheet import Row, read_header, read_rows
from speech.errors import UserError
from speech.folds import FEMALE, MALE
from speech.params import Subset

SPEAKERS_TXT, SPEAKERS_CSV = "SPEAKERS.TXT", "speakers.csv"

_SPELLINGS = {
    **dict.fromkeys(("f", "female", "w", "woman"), FEMALE),
    **dict.fromkeys(("m", "male", "man"), MALE),
}
_LIBRISPEECH_STEM = re.compile(r"(?P<speaker>[^-]+)-(?P<chapter>[^-]+)-(?P<utterance>[^-]+)")

_REQUIRED, _OPTIONAL = ("path", "speaker_id"), ("gender", "session_id", "utterance_id")
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


@dataclass(frozen=True)
class Recording:
    """One audio file, and what the corpus says of it before it is decoded.

    Attributes
    ----------
    path
        Relative to the folder of the recordings, with forward slashes.
    utterance_id, speaker_id, chapter_id
        As the layout says, in Unicode's composed form (NFC); a chapter is a recording session of
        its speaker. Empty if there is a problem.
    gender
        F, M, or None where neither is on record.
    problem
        Why nobody's utterance can be seen in the file; empty if one can.
    """

    path: str
    utterance_id: str = ""
    speaker_id: str = ""
    chapter_id: str = ""
    gender: str | None = None
    problem: str = ""


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
        f"no {SPEAKERS_CSV}; add one that names every speaker and, where it is known, the gender."
    )


def list_recordings(location: Location) -> list[Recording]:
    """List every audio file of a corpus, with what is known of its speaker.

    Raises
    ------
    UserError
        If the labels are not sound (with the line's number) or lack a speaker that has audio, or a
        folder cannot be read.
    """
    audio, labels = location.audio, location.labels
    if not _is_csv(labels):
        found, genders = _find_audio(audio, _place_librispeech), read_speakers_txt(labels)
    elif "path" not in read_header(labels):
        found = _find_audio(audio, _place_in_speaker_folder)
        genders = _genders_of(read_rows(labels, ["speaker_id"], ["gender"]))
    else:
        rows = read_rows(labels, _REQUIRED, _OPTIONAL)
        found, genders = list(_list_table(location, rows)), _genders_of(rows)
    absent = sorted({item.speaker_id for item in found if not item.problem} - set(genders))
    if absent:
        named = ", ".join(absent[:5]) + (" …" if len(absent) > 5 else "")
        raise UserError(
            f"{labels.name}: no line for {len(absent)} speaker(s) that have audio ({named}); "
            "add one for each, or remove their folders."
        )
    return [replace(item, gender=genders.get(item.speaker_id)) for item in found]


def gender_of(written: str) -> str | None:
    """Read a gender as people write it: F, female, w, woman, M, male, man, in any case.

    Returns
    -------
    str or None
        ``"F"``, ``"M"``, or None for whatever else.
    """
    return _SPELLINGS.get(written.strip().lower())


def nfc(text: str) -> str:
    """Compose accents: some systems and editors write é as one character, others as two."""
    return normalize("NFC", text)


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
    rows = []
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
        rows.append(Row(f"{path}: line {number}", {"speaker_id": speaker, "gender": rest[0]}))
    return _genders_of(rows)


def _genders_of(rows: Iterable[Row]) -> dict[str, str | None]:
    genders: dict[str, str | None] = {}
    for row in rows:
        speaker, gender = nfc(row.cells["speaker_id"]), gender_of(row.cells["gender"])
        if genders.setdefault(speaker, gender) != gender:
            raise UserError(
                f"{row.place} gives speaker {speaker} another gender than an earlier line; keep "
                "one of the two."
            )
    return genders


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


# --- folders ----------------------------------------------------------------------------------


def _find_audio(folder: Path, place: Callable[[PurePosixPath], Recording]) -> list[Recording]:
    """Find the audio files below a folder, in a fixed order; hidden ones are passed over."""
    paths = []
    for parent, folders, names in os.walk(folder, onerror=_refuse, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if name.lower().endswith(EXTENSIONS) and not name.startswith("."):
                paths.append((Path(parent) / name).relative_to(folder).as_posix())
    found = []
    for path in sorted(paths):
        printable = os.fsencode(path).decode(errors="replace")
        if printable == path:
            found.append(replace(place(PurePosixPath(nfc(path))), path=path))
        else:
            found.append(Recording(printable, problem="wrong name: not UTF-8"))
    return found


def _refuse(error: OSError) -> None:
    """Stop at a folder that cannot be read: skipping it would lose speech without a word."""
    raise UserError(
        f"corpus: {error.filename} cannot be read ({error.strerror}); change its access rights."
    )


def _place_librispeech(path: PurePosixPath) -> Recording:
    """Read ``[<subset>/]<speaker>/<chapter>/<speaker>-<chapter>-<utterance>.<ext>``."""
    name = _LIBRISPEECH_STEM.fullmatch(path.stem)
    folders = path.parts[:-1]
    if name is None:
        problem = "wrong name: not <speaker>-<chapter>-<utterance>"
    elif len(folders) not in (2, 3) or folders[-2:] != (name["speaker"], name["chapter"]):
        problem = "wrong place: not in <speaker>/<chapter>/ as its name says"
    else:
        return Recording(str(path), path.stem, name["speaker"], name["chapter"])
    return Recording(str(path), problem=problem)


def _place_in_speaker_folder(path: PurePosixPath) -> Recording:
    """Read ``<speaker>/<session>/…`` and ``<speaker>/<file>``, which is a session of its own."""
    if len(path.parts) == 1:
        return Recording(str(path), problem="wrong place: not in a speaker's folder")
    speaker, *folders, _ = path.parts
    utterance = "-".join(path.with_suffix("").parts)
    return Recording(str(path), utterance, speaker, folders[0] if folders else utterance)


# --- a table ----------------------------------------------------------------------------------


def _list_table(location: Location, rows: Iterable[Row]) -> Iterator[Recording]:
    """List the rows of ``path, speaker_id`` and, optionally, gender, session_id, utterance_id.

    A recording without a session_id is a session of its own; one without an utterance_id is named
    by its path.
    """
    places: dict[tuple[str, object], str] = {}
    for row in rows:
        written, speaker = row.cells["path"], nfc(row.cells["speaker_id"])
        if not (written and speaker):
            raise UserError(f"{row.place} needs a path and a speaker_id; fill them in.")
        file = _find(location.labels, row)
        if file is None:
            yield Recording(written, problem="no such file")
            continue
        utterance = nfc(row.cells["utterance_id"] or _id_from(written))
        for what, key in (("file", file), ("utterance_id", utterance)):
            if (first := places.setdefault((what, key), row.place)) != row.place:
                raise UserError(
                    f"{row.place} has the same {what} as {first.rpartition(': ')[2]} "
                    f"({written if what == 'file' else utterance}); keep one or give another."
                )
        path = Path(os.path.relpath(file, location.audio.resolve())).as_posix()
        yield Recording(path, utterance, speaker, nfc(row.cells["session_id"]) or utterance)


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
