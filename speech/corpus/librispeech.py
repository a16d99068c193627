"""The layout of LibriSpeech: where its parts lie and what its file names and tables say.

Panayotov, Chen, Povey & Khudanpur (2015), "LibriSpeech: an ASR corpus based on public domain
audio books".
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from speech.audio import EXTENSIONS
from speech.errors import UserError
from speech.params import Subset

SPEAKERS_FILE = "SPEAKERS.TXT"

_SPEAKER_FIELDS = 5
"""ID | SEX | SUBSET | MINUTES | NAME; a name may itself hold the delimiter."""

_GENDERS = {"F", "M"}
_STEM = re.compile(r"(?P<speaker>[^-]+)-(?P<chapter>[^-]+)-(?P<utterance>[^-]+)")


@dataclass(frozen=True)
class Location:
    """Where a corpus lies.

    Attributes
    ----------
    audio
        The folder under which the recordings are: the corpus's root, or one subset of it.
    speakers
        Its SPEAKERS.TXT.
    """

    audio: Path
    speakers: Path


@dataclass(frozen=True)
class Recording:
    """One audio file whose place and name fit together.

    Attributes
    ----------
    path
        Relative to the folder of the recordings, with forward slashes.
    utterance_id, speaker_id, chapter_id
        As the file's name and folders say.
    """

    path: str
    utterance_id: str
    speaker_id: str
    chapter_id: str


@dataclass(frozen=True)
class Misnamed:
    """An audio file that cannot be placed: its path, and the reason."""

    path: str
    reason: str


def locate(folder: Path) -> Location:
    """Find the parts of a corpus that the user named by some folder of it.

    The folder may be the root (which holds SPEAKERS.TXT), the folder that holds ``LibriSpeech/``,
    or one subset, whose SPEAKERS.TXT lies above it.

    Raises
    ------
    UserError
        If the folder does not exist, or no SPEAKERS.TXT is where it should be.
    """
    if not folder.is_dir():
        subsets = ", ".join(get_args(Subset))
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise UserError(
            f"corpus: the folder {folder} {what}; set corpus in params.yaml to `sample`, "
            f"to a subset of LibriSpeech ({subsets}) or to a folder in LibriSpeech layout."
        )
    for audio, speakers in (
        (folder, folder / SPEAKERS_FILE),
        (folder / "LibriSpeech", folder / "LibriSpeech" / SPEAKERS_FILE),
        (folder, folder.resolve().parent / SPEAKERS_FILE),
    ):
        if speakers.is_file():
            return Location(audio, speakers)
    raise UserError(
        f"corpus: {folder} has no {SPEAKERS_FILE} in it, in its LibriSpeech folder or above it; "
        "add one with a line `ID | SEX | SUBSET | MINUTES | NAME` per speaker."
    )


def read_genders(path: Path) -> dict[str, str | None]:
    """Read SPEAKERS.TXT.

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
        If it cannot be read, a line has too few fields, or a speaker stands there twice with
        different genders.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); mend its access rights."
        ) from None
    genders: dict[str, str | None] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith(";"):
            continue
        fields = [field.strip() for field in line.split("|", _SPEAKER_FIELDS - 1)]
        if len(fields) < 2:
            raise UserError(
                f"{path}: line {number} has no ` | ` between fields; write it as "
                "`ID | SEX | SUBSET | MINUTES | NAME`."
            )
        speaker, sex = fields[0], fields[1].upper()
        gender = sex if sex in _GENDERS else None
        if genders.setdefault(speaker, gender) != gender:
            raise UserError(
                f"{path}: line {number} gives speaker {speaker} another gender than an earlier "
                "line; keep one of the two."
            )
    return genders


def find_recordings(audio: Path) -> Iterator[Recording | Misnamed]:
    """List the audio files of a corpus in a fixed order.

    A recording is ``[<subset>/]<speaker>/<chapter>/<speaker>-<chapter>-<utterance>.<ext>``.

    Parameters
    ----------
    audio
        The corpus's root, or one subset.

    Yields
    ------
    Recording or Misnamed
        Sorted by path.
    """
    for relative in sorted(_audio_files(audio)):
        yield _place(relative)


def _audio_files(audio: Path) -> Iterator[str]:
    for folder, _, names in os.walk(audio, onerror=_refuse, followlinks=True):
        for name in names:
            if name.lower().endswith(EXTENSIONS) and not name.startswith("."):
                yield (Path(folder) / name).relative_to(audio).as_posix()


def _refuse(error: OSError) -> None:
    """Stop at a folder that cannot be read: skipping it would lose speech without a word."""
    raise UserError(
        f"corpus: {error.filename} cannot be read ({error.strerror}); mend its access rights."
    )


def _place(relative: str) -> Recording | Misnamed:
    printable = os.fsencode(relative).decode(errors="replace")
    if printable != relative:
        return Misnamed(printable, "wrong name: not UTF-8")
    path = Path(relative)
    name = _STEM.fullmatch(path.stem)
    if name is None:
        return Misnamed(relative, "wrong name: not <speaker>-<chapter>-<utterance>")
    folders = path.parts[:-1]
    if len(folders) not in (2, 3) or folders[-2:] != (name["speaker"], name["chapter"]):
        return Misnamed(relative, "wrong place: not in <speaker>/<chapter>/ as its name says")
    return Recording(relative, path.stem, name["speaker"], name["chapter"])
