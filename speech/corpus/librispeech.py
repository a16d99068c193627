"""The layout of LibriSpeech: where its parts lie and what its file names and tables say.

Panayotov, Chen, Povey & Khudanpur (2015), "LibriSpeech: an ASR corpus based on public domain
audio books".
"""

import re
from pathlib import Path

from speech.corpus.listing import Listing, Misnamed, Recording, find_audio, record_gender
from speech.errors import UserError

SPEAKERS_FILE = "SPEAKERS.TXT"

_SPEAKER_FIELDS = 5
"""ID | SEX | SUBSET | MINUTES | NAME; a name may itself hold the delimiter."""

_STEM = re.compile(r"(?P<speaker>[^-]+)-(?P<chapter>[^-]+)-(?P<utterance>[^-]+)")


def list_recordings(audio: Path, speakers: Path) -> Listing:
    """List the audio files of a corpus and the genders of SPEAKERS.TXT.

    A recording is ``[<subset>/]<speaker>/<chapter>/<speaker>-<chapter>-<utterance>.<ext>``.

    Parameters
    ----------
    audio
        The corpus's root, or one subset.
    speakers
        Its SPEAKERS.TXT.

    Raises
    ------
    UserError
        If a folder cannot be read, or as `read_genders` does.
    """
    genders = read_genders(speakers)
    return Listing(find_audio(audio, _place), genders, speakers.name)


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
        record_gender(genders, fields[0], fields[1], f"{path}: line {number}")
    return genders


def _place(relative: str) -> Recording | Misnamed:
    path = Path(relative)
    name = _STEM.fullmatch(path.stem)
    if name is None:
        return Misnamed(relative, "wrong name: not <speaker>-<chapter>-<utterance>")
    folders = path.parts[:-1]
    if len(folders) not in (2, 3) or folders[-2:] != (name["speaker"], name["chapter"]):
        return Misnamed(relative, "wrong place: not in <speaker>/<chapter>/ as its name says")
    return Recording(relative, path.stem, name["speaker"], name["chapter"])
