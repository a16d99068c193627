"""A folder per speaker, with whatever file names, and a speakers.csv: ``speaker_id, gender``."""

from pathlib import Path, PurePosixPath

from speech.corpus.listing import Listing, Misnamed, Recording, find_audio, record_gender
from speech.corpus.spreadsheet import read_rows

SPEAKERS_FILE = "speakers.csv"


def list_recordings(audio: Path, speakers: Path) -> Listing:
    """List what lies in the speakers' folders.

    A recording is ``<speaker>/<session>/…`` or ``<speaker>/<file>``, which is a session of its
    own. It is named by its path.

    Parameters
    ----------
    audio
        The folder that holds the speakers' folders.
    speakers
        The CSV.

    Raises
    ------
    UserError
        If the CSV is not sound or gives a speaker two genders, or a folder cannot be read.
    """
    genders: dict[str, str | None] = {}
    for row in read_rows(speakers, ("speaker_id", "gender")):
        place = f"{speakers}: line {row.line}"
        record_gender(genders, row.cells["speaker_id"], row.cells["gender"], place)
    found = find_audio(audio, _place)
    own_sessions = sum(
        isinstance(item, Recording) and item.chapter_id == item.utterance_id for item in found
    )
    return Listing(found, genders, speakers.name, own_sessions)


def _place(relative: str) -> Recording | Misnamed:
    path = PurePosixPath(relative)
    if len(path.parts) == 1:
        return Misnamed(relative, "wrong place: not in a speaker's folder")
    speaker, *folders, _ = path.parts
    utterance = "-".join(path.with_suffix("").parts)
    return Recording(relative, utterance, speaker, folders[0] if folders else utterance)
