"""Genders that the user knows better than the corpus's labels: applied, and reported."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from speech.corpus.layouts import Recording, gender_of, nfc
from speech.corpus.spreadsheet import read_rows
from speech.errors import UserError

COLUMNS = ("speaker_id", "gender", "reason")


def apply_overrides(
    recordings: Sequence[Recording], path: Path
) -> tuple[list[Recording], list[dict[str, str | None]]]:
    """Give speakers the genders that the user says.

    An override that says what the label says is no mistake: somebody has listened.

    Parameters
    ----------
    recordings
        Of the corpus.
    path
        A CSV: ``speaker_id, gender`` and, optionally, ``reason``.

    Returns
    -------
    recordings : list of Recording
        With the other genders.
    applied : list of dict
        Of each override, speaker, from, to and reason.

    Raises
    ------
    UserError
        If the CSV is not sound, a gender is neither F nor M, a speaker stands there twice, or has
        no recording in the corpus.
    """
    labels = {item.speaker_id: item.gender for item in recordings if not item.problem}
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
        if speaker not in labels:
            raise UserError(
                f"gender_overrides: the corpus has no recording of a speaker {speaker!r}; write "
                "the id as the corpus does (in quotes if it begins with 0), or remove it."
            )
        applied[speaker] = {
            "speaker": speaker,
            "from": labels[speaker],
            "to": gender,
            "reason": row.cells["reason"],
        }
    changed = [
        replace(item, gender=applied[item.speaker_id]["to"]) if item.speaker_id in applied else item
        for item in recordings
    ]
    return changed, list(applied.values())
