"""A folder per speaker: sub-folders are sessions, files beside them one each."""

import pytest

from speech.corpus.listing import Misnamed, Recording
from speech.corpus.speaker_folders import list_recordings
from speech.errors import UserError


@pytest.fixture
def listed(tmp_path):
    """List empty files beside a speakers.csv."""

    def make(*names, speakers="speaker_id,gender\nann,female\nbob,M\n"):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        table = tmp_path / "speakers.csv"
        table.write_text(speakers, "utf-8")
        return list_recordings(tmp_path, table)

    return make


def test_sub_folders_are_sessions_however_deep_the_files(listed):
    listing = listed("ann/monday/1.wav", "ann/monday/tape 2/1.mp3", "bob/x/1.flac", "bob/notes.txt")
    assert listing.found == [
        Recording("ann/monday/1.wav", "ann-monday-1", "ann", "monday"),
        Recording("ann/monday/tape 2/1.mp3", "ann-monday-tape 2-1", "ann", "monday"),
        Recording("bob/x/1.flac", "bob-x-1", "bob", "x"),
    ]
    assert listing.own_sessions == 0
    assert listing.genders == {"ann": "F", "bob": "M"}


def test_files_directly_in_a_speakers_folder_are_a_session_each_and_counted(listed):
    listing = listed("ann/1.wav", "ann/2.wav", "ann/monday/3.wav")
    assert [item.chapter_id for item in listing.recordings] == ["ann-1", "ann-2", "monday"]
    assert listing.own_sessions == 2


def test_a_file_in_no_speakers_folder_is_told(listed):
    assert listed("lost.wav").found == [
        Misnamed("lost.wav", "wrong place: not in a speaker's folder")
    ]


def test_a_speaker_with_two_genders_is_told_with_the_line(listed):
    with pytest.raises(UserError, match=r"speakers\.csv: line 4 gives speaker ann another gender"):
        listed("ann/1.wav", speakers="speaker_id,gender\nann,F\nbob,M\nann,M\n")
