"""What a corpus says of itself before any file is decoded: the same for every layout."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from unicodedata import normalize

from speech.audio.decode import EXTENSIONS
from speech.errors import UserError
from speech.folds import FEMALE, MALE

_SPELLINGS = {
    **dict.fromkeys(("f", "female", "w", "woman"), FEMALE),
    **dict.fromkeys(("m", "male", "man"), MALE),
}


@dataclass(frozen=True)
class Recording:
    """One audio file that is known to be somebody's utterance.

    Attributes
    ----------
    path
        Relative to the folder of the recordings, with forward slashes.
    utterance_id, speaker_id, chapter_id
        As the layout says, in Unicode's composed form (NFC); a chapter is a recording session of
        its speaker.
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


@dataclass(frozen=True)
class Listing:
    """All that is listed.

    Attributes
    ----------
    found
        Every audio file.
    genders
        Speaker id to F, M, or None where neither is on record.
    labels
        The name of the file that says so.
    """

    found: list[Recording | Misnamed]
    genders: Mapping[str, str | None]
    labels: str

    @property
    def recordings(self) -> list[Recording]:
        """The files that could be placed."""
        return [item for item in self.found if isinstance(item, Recording)]

    @property
    def own_sessions(self) -> int:
        """How many count as a session each, because nothing says which belong together."""
        return sum(item.chapter_id == item.utterance_id for item in self.recordings)


def gender_of(written: str) -> str | None:
    """Read a gender as people write it: F, female, w, woman, M, male, man, in any case.

    Returns
    -------
    str or None
        ``"F"``, ``"M"``, or None for whatever else.
    """
    return _SPELLINGS.get(written.strip().lower())


def record_gender(
    genders: dict[str, str | None], speaker_id: str, written: str, place: str
) -> None:
    """Add a speaker's gender to those known.

    Parameters
    ----------
    genders
        What is known so far; changed in place.
    speaker_id, written
        Whose, and as people write it.
    place
        File and line, for the error.

    Raises
    ------
    UserError
        If another one is known.
    """
    gender = gender_of(written)
    if genders.setdefault(nfc(speaker_id), gender) != gender:
        raise UserError(
            f"{place} gives speaker {speaker_id} another gender than an earlier line; keep one of "
            "the two."
        )


def nfc(text: str) -> str:
    """Compose accents: some systems and editors write é as one character, others as two."""
    return normalize("NFC", text)


def find_audio(
    folder: Path, place: Callable[[str], Recording | Misnamed]
) -> list[Recording | Misnamed]:
    """Find the audio files below a folder, in a fixed order; hidden ones are passed over.

    Parameters
    ----------
    folder
        Where to look.
    place
        Says what a path means; it is relative to the folder, with forward slashes, in NFC.

    Raises
    ------
    UserError
        If a folder cannot be read.
    """
    paths = []
    for parent, folders, names in os.walk(folder, onerror=_refuse, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if name.lower().endswith(EXTENSIONS) and not name.startswith("."):
                paths.append((Path(parent) / name).relative_to(folder).as_posix())
    found: list[Recording | Misnamed] = []
    for path in sorted(paths):
        printable = os.fsencode(path).decode(errors="replace")
        if printable == path:
            found.append(replace(place(nfc(path)), path=path))
        else:
            found.append(Misnamed(printable, "wrong name: not UTF-8"))
    return found


def _refuse(error: OSError) -> None:
    """Stop at a folder that cannot be read: skipping it would lose speech without a word."""
    raise UserError(
        f"corpus: {error.filename} cannot be read ({error.strerror}); change its access rights."
    )
