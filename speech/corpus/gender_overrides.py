"""Genders that the user knows better than the corpus's labels: applied, and reported."""

from dataclasses import replace
from pathlib import Path

from speech.corpus.layouts import Listing, gender_of, nfc
from speech.corpus.spreadsheet import read_rows
from speech.errors import UserError

COLUMNS = ("speaker_id", "gender", "reason")


def apply_overrides(listing: Listing, path: Path) -> tuple[Listing, list[dict[str, str | None]]]:
    """Put speakers on record with the genders that the user says, also those who were not.

    An override that says what the label says is no mistake: somebody has listened.

    Parameters
    ----------
    listing
        Of the corpus.
    path
        A CSV: ``speaker_id, gender`` and, optionally, ``reason``.

    Returns
    -------
    listing : Listing
        With the other genders.
    applied : list of dict
        Of each override, speaker, from, to and reason.

    Raises
    ------
    UserError
        If the CSV is not sound, a gender is neither F nor M, a speaker stands there twice, or has
        no recording in the corpus.
    """
    speakers = {item.speaker_id for item in listing.recordings if not item.problem}
    applied: dict[str, dict[str, str | None]] = {}
    for row in read_rows(path, COLUMNS[:2], COLUMNS[2:]):
        speaker, gender = nfc(row.cells["speaker_id"]), gender_of(row.cells["gender"])
        if gender is None:
            raise UserError(
                f"{row.place} gives speaker {speaker} the gender {row.cells['gender']!r}, but "
                "should give F or M; change it."
            )
        if speaker in applied:
            raise UserError(f"{row.place} names speaker {speaker} again; keep one.")
        if speaker not in speakers:
            raise UserError(
                f"gender_overrides: the corpus has no recording of a speaker {speaker!r}; write "
                "the id as the corpus does (in quotes if it begins with 0), or remove it."
            )
        applied[speaker] = {
            "speaker": speaker,
            "from": gender_of(listing.genders.get(speaker, "")),
            "to": gender,
            "reason": row.cells["reason"],
        }
    genders = {name: str(override["to"]) for name, override in applied.items()}
    return replace(listing, genders={**listing.genders, **genders}), list(applied.values())
