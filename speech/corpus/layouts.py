"""The three layouts of a corpus: LibriSpeech's, a folder per speaker, and a table of files.

LibriSpeech: Panayotov, Chen, Povey & Khudanpur (2015), "LibriSpeech: an ASR corpus based on public
domain audio books".
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import get_args
from unicodedata import category, normalize

from speech.audio import SUFFIXES
from speech.corpus.spreadsheet import Row, read_header, read_rows
from speech.errors import UserError, first_of
from speech.folds import FEMALE, MALE
from speech.params import Subset

SPEAKERS_TXT, SPEAKERS_CSV = "SPEAKERS.TXT", "speakers.csv"

_SPELLINGS = {
    **dict.fromkeys(("f", "female", "w", "woman"), FEMALE),
    **dict.fromkeys(("m", "male", "man"), MALE),
}
_LIBRISPEECH_STEM = re.compile(r"(?P<speaker>[^-]+)-(?P<chapter>[^-]+)-(?P<utterance>[^-]+)")

_LOOP = "a link to a folder above it"

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


@dataclass(frozen=True)
class Listing:
    """What a corpus says of itself before any file is decoded.

    Attributes
    ----------
    labels
        The file that says who speaks.
    recordings
        Every audio file, in a fixed order; none has a gender yet.
    genders
        Of each speaker on record, as written.
    passed_over
        How many files are no recordings by their names, by suffix; hidden ones do not count.
    """

    labels: Path
    recordings: list[Recording]
    genders: Mapping[str, str]
    passed_over: Counter[str] = field(default_factory=Counter)


@contextmanager
def about(named: str) -> Iterator[None]:
    """Let complaints name another corpus than ``corpus``, such as ``external``."""
    try:
        yield
    except UserError as error:
        raise UserError(re.sub("^corpus:", f"{named}:", str(error))) from None


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
    try:
        return _locate(corpus)
    except (OSError, RuntimeError) as error:  # too long a name, a closed folder, a loop of links
        reason = getattr(error, "strerror", None) or "it leads in a circle"
        raise UserError(
            f"corpus: {str(corpus)[:200]} cannot be read ({reason}); change it or its access "
            "rights."
        ) from None


def _locate(corpus: Path) -> Location:
    if _is_csv(corpus) and corpus.is_file():
        return _locate_csv(corpus)
    if not corpus.is_dir():
        # Experiments run in folders of their own, from which a relative path leads elsewhere.
        place = "" if corpus.is_absolute() else f" in {Path.cwd()}, which the path is relative to"
        what = "is a file, but no CSV" if corpus.exists() else f"does not exist{place}"
        raise UserError(
            f"corpus: {corpus} {what}; set it in params.yaml to a subset of LibriSpeech "
            f"({', '.join(get_args(Subset))}), to a folder of recordings, to a table of them "
            "(.csv) or, for corpus, to `sample`."
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


def list_recordings(location: Location) -> Listing:
    """List every audio file of a corpus, and what is on record of its speakers.

    Parameters
    ----------
    location
        As `locate` returns it.

    Raises
    ------
    UserError
        If the labels are not sound (with the line's number), or a folder cannot be read.
    """
    audio, labels = location.audio, location.labels
    if _is_csv(labels) and "path" in read_header(labels):
        rows = read_rows(labels, _REQUIRED, _OPTIONAL)
        return Listing(labels, list(_list_table(location, rows)), _genders_of(rows))
    if _is_csv(labels):
        place, rows = _place_in_speaker_folder, read_rows(labels, ["speaker_id"], ["gender"])
    else:
        place, rows = _place_librispeech, _read_speakers_txt(labels)
    recordings, others = _find_files(audio, place)
    with_audio = {item.speaker_id for item in recordings}
    # The official table names the speakers of all subsets, of which few people have them all.
    here = {audio.resolve().name, *(entry.name for entry in audio.iterdir())}
    elsewhere = {
        nfc(row.cells["speaker_id"])
        for row in rows
        if row.cells.get("subset") in set(get_args(Subset)) - here
    }
    genders = _genders_of(rows)
    on_record = {
        speaker: gender
        for speaker, gender in genders.items()
        if speaker in with_audio or speaker not in elsewhere
    }
    others.subtract([labels.suffix.lower()] * labels.resolve().is_relative_to(audio.resolve()))
    return Listing(labels, recordings, on_record, +others)


def with_genders(listing: Listing) -> list[Recording]:
    """Give every recording its speaker's gender.

    Raises
    ------
    UserError
        If speakers that have audio are not on record.
    """
    speakers = {item.speaker_id for item in listing.recordings if not item.problem}
    absent = sorted(speakers - set(listing.genders))
    if absent:
        raise UserError(
            f"{listing.labels.name}: no line for {len(absent)} speaker(s) that have audio "
            f"({first_of(absent)}); add one for each, there or in gender_overrides, or remove "
            "their folders."
        )
    genders = {name: gender_of(written) for name, written in listing.genders.items()}
    return [replace(item, gender=genders.get(item.speaker_id)) for item in listing.recordings]


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


def _read_speakers_txt(path: Path) -> list[Row]:
    """Read LibriSpeech's table of speakers, ``ID | SEX | SUBSET | MINUTES | NAME``.

    `;` starts a comment line; all from the third field on may be left out.
    """
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith(";"):
            continue
        fields = map(str.strip, line.split("|", 3))
        cells = dict(zip(("speaker_id", "gender", "subset"), fields, strict=False))
        if "gender" not in cells:
            raise UserError(
                f"{path}: line {number} has no ` | ` between fields; write it as "
                "`ID | SEX | SUBSET | MINUTES | NAME`."
            )
        rows.append(Row(f"{path}: line {number}", cells))
    return rows


def _genders_of(rows: Iterable[Row]) -> dict[str, str]:
    """Return each speaker's gender as written; refuse two of them."""
    genders: dict[str, str] = {}
    for row in rows:
        speaker, written = nfc(row.cells["speaker_id"]), row.cells["gender"]
        if gender_of(genders.setdefault(speaker, written)) != gender_of(written):
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


def _find_files(
    folder: Path, place: Callable[[PurePosixPath], Recording]
) -> tuple[list[Recording], Counter[str]]:
    """Find the audio files below a folder, in a fixed order, and count the others by suffix.

    Hidden files and folders are passed over.
    """
    problems: dict[str, str] = {}
    others: Counter[str] = Counter()
    above = {os.fspath(folder): {os.path.realpath(folder)}}
    for parent, folders, names in os.walk(folder, onerror=_refuse, followlinks=True):
        for name in folders.copy():
            path = os.path.join(parent, name)  # noqa: PTH118  # Path would cost seconds here
            real = os.path.realpath(path)
            above[path] = above[parent] | {real}
            if name.startswith("."):
                folders.remove(name)
            elif real in above[parent]:
                folders.remove(name)
                problems[os.path.relpath(path, folder)] = _LOOP
        for name in names:
            suffix = PurePosixPath(name).suffix.lower()
            if name.startswith("."):
                continue
            if suffix in SUFFIXES:
                problems[os.path.relpath(os.path.join(parent, name), folder)] = ""  # noqa: PTH118
            else:
                others[suffix] += 1
    return [_placed(path, place, problems[path]) for path in sorted(problems)], others


def _placed(path: str, place: Callable[[PurePosixPath], Recording], problem: str) -> Recording:
    """Say whose recording a file is, or why nobody's; in letters that can be written down."""
    printable = os.fsencode(path).decode(errors="replace")
    if printable != path:
        return Recording(printable, problem="wrong name: not UTF-8")
    if any(category(sign) == "Cc" for sign in path):
        return Recording(repr(path)[1:-1], problem="wrong name: holds a control character")
    found = replace(place(PurePosixPath(nfc(path))), path=path)
    return Recording(path, problem=problem) if problem else found


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
    utterance = _id_from(path)
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
        utterance = nfc(row.cells["utterance_id"] or _id_from(PurePosixPath(written)))
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


def _id_from(path: PurePosixPath) -> str:
    """Name an utterance by its path as written, so that no other file can change it.

    Different paths have different names, which hold no slash.
    """
    parts = [part for part in path.with_suffix("").parts if part not in ("/", "..")]
    return ":".join(part.replace("~", "~~").replace(":", "~:") for part in parts)
