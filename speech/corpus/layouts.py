"""Which of the three layouts a corpus has, where its parts lie and what it lists."""

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from speech.corpus import librispeech, speaker_folders, table
from speech.corpus.listing import Listing
from speech.corpus.spreadsheet import read_header
from speech.errors import UserError
from speech.params import Subset


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
        (corpus, corpus / librispeech.SPEAKERS_FILE),
        (corpus / "LibriSpeech", corpus / "LibriSpeech" / librispeech.SPEAKERS_FILE),
        (corpus, corpus / speaker_folders.SPEAKERS_FILE),
        (corpus, corpus.resolve().parent / librispeech.SPEAKERS_FILE),
    ):
        if labels.is_file():
            return _locate_csv(labels) if _is_csv(labels) else Location(audio, labels)
    raise UserError(
        f"corpus: {corpus} has no {librispeech.SPEAKERS_FILE} in it, in its LibriSpeech folder or "
        f"above it, and no {speaker_folders.SPEAKERS_FILE}; add one that names every speaker and "
        "gender."
    )


def list_recordings(location: Location) -> Listing:
    """List all recordings of a corpus and what is known of their speakers.

    Raises
    ------
    UserError
        If the labels are not sound, or a folder cannot be read.
    """
    if not _is_csv(location.labels):
        layout = librispeech
    elif _names_files(location.labels):
        layout = table
    else:
        layout = speaker_folders
    return layout.list_recordings(location.audio, location.labels)


def _locate_csv(labels: Path) -> Location:
    if labels.name == speaker_folders.SPEAKERS_FILE and not _names_files(labels):
        return Location(labels.parent, labels)
    return Location(table.common_folder(labels), labels)


def _is_csv(labels: Path) -> bool:
    return labels.suffix.lower() == ".csv"


def _names_files(labels: Path) -> bool:
    return "path" in read_header(labels)
