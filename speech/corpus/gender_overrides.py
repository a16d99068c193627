"""Genders that the user knows better than the corpus's labels: applied, and reported."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from speech.corpus.listing import Listing, gender_of, nfc
from speech.corpus.spreadsheet import read_rows
from speech.errors import UserError

COLUMNS = ("speaker_id", "gender", "reason")


@dataclass(frozen=True)
class Override:
    """One speaker's gender, F or M, and why it is another than the label says."""

    speaker_id: str
    gender: str
    reason: str


def read_overrides(path: Path) -> list[Override]:
    """Read a CSV of overrides: ``speaker_id, gender`` and, optionally, ``reason``.

    Raises
    ------
    UserError
        If it is not sound, a gender is neither F nor M, or a speaker stands there twice.
    """
    overrides: dict[str, Override] = {}
    for row in read_rows(path, COLUMNS[:2], COLUMNS[2:]):
        speaker, gender = nfc(row.cells["speaker_id"]), gender_of(row.cells["gender"])
        if gender is None:
            raise UserError(
                f"{row.place} gives speaker {speaker} the gender {row.cells['gender']!r}, but "
                "should give F or M; change it."
            )
        if speaker in overrides:
            raise UserError(f"{row.place} names speaker {speaker} again; keep one.")
        overrides[speaker] = Override(speaker, gender, row.cells["reason"])
    return list(overrides.values())


def apply_overrides(
    listing: Listing, overrides: Sequence[Override]
) -> tuple[Listing, list[dict[str, Any]]]:
    """Give speakers the genders that the user says.

    An override that says what the label says is no mistake: somebody has listened.

    Returns
    -------
    listing : Listing
        With the other genders.
    applied : list of dict
        Of each override, speaker, from, to and reason.

    Raises
    ------
    UserError
        If a speaker has no recording in the corpus.
    """
    speakers = {recording.speaker_id for recording in listing.recordings}
    genders, applied = dict(listing.genders), []
    for override in overrides:
        speaker, gender = override.speaker_id, override.gender
        if speaker not in speakers:
            raise UserError(
                f"gender_overrides: the corpus has no recording of a speaker {speaker!r}; write "
                "the id as the corpus does (in quotes if it begins with 0), or remove it."
            )
        applied.append(
            {
                "speaker": speaker,
                "from": genders.get(speaker),
                "to": gender,
                "reason": override.reason,
            }
        )
        genders[speaker] = gender
    return replace(listing, genders=genders), applied
