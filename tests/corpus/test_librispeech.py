"""LibriSpeech's layout is found, and everything that does not fit it is told with a reason."""

import os
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech.corpus.layouts import locate
from speech.corpus.librispeech import list_recordings, read_genders
from speech.corpus.listing import Misnamed, Recording
from speech.errors import UserError

HEADER = ";ID  |SEX| SUBSET           |MINUTES| NAME\n"


@pytest.fixture
def speakers_table(tmp_path):
    """Write a SPEAKERS.TXT and return its path."""

    def write(text, encoding="utf-8"):
        path = tmp_path / "SPEAKERS.TXT"
        path.write_bytes(text.encode(encoding))
        return path

    return write


def find(audio):
    """List the audio files beside an empty SPEAKERS.TXT."""
    table = audio / "SPEAKERS.TXT"
    table.touch()
    return list_recordings(audio, table).found


def touch(audio, *paths):
    for path in paths:
        (audio / path).parent.mkdir(parents=True, exist_ok=True)
        (audio / path).touch()


def test_genders_are_read_past_comments_blank_lines_and_padding(speakers_table):
    path = speakers_table(
        ";comment | F | here\n"
        + HEADER
        + "\n"
        + "14   | F | train-clean-360  | 25.03 | Kristin LeMoine\n"
        + "  ; indented comment\n"
        + "16|m|train-clean-360|25.11|Alys AtteWater\n"
    )
    assert read_genders(path) == {"14": "F", "16": "M"}


def test_a_name_may_hold_the_delimiter(speakers_table):
    path = speakers_table("60   | M | train-clean-100  | 20.18 | |CBW|Simon\n")
    assert read_genders(path) == {"60": "M"}


@pytest.mark.parametrize("sex", ["", " ", "X", "nonbinary", "?"])
def test_any_other_gender_is_none_on_record(speakers_table, sex):
    assert read_genders(speakers_table(f"7 | {sex} | dev | 1.0 | A\n")) == {"7": None}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1"])
def test_tables_saved_by_other_editors_are_read(speakers_table, encoding):
    path = speakers_table("7 | F | dev | 1.0 | Zoë\r\n8 | M | dev | 1.0 | Jörg\r\n", encoding)
    assert read_genders(path) == {"7": "F", "8": "M"}


def test_a_line_without_fields_is_named_by_its_number(speakers_table):
    with pytest.raises(UserError, match=r"SPEAKERS\.TXT: line 2 has no"):
        read_genders(speakers_table("7 | F | dev | 1.0 | A\n8 M dev\n"))


def test_a_speaker_with_two_genders_is_refused_and_one_that_is_only_repeated_is_not(
    speakers_table,
):
    assert read_genders(speakers_table("7 | F | a\n7 | F | b\n")) == {"7": "F"}
    with pytest.raises(UserError, match="line 2 gives speaker 7 another gender"):
        read_genders(speakers_table("7 | F | a\n7 | M | b\n"))


def test_a_table_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.txt: cannot be read \(No such file"):
        read_genders(tmp_path / "none.txt")


@given(st.dictionaries(st.text("0123456789ab", min_size=1, max_size=6), st.sampled_from("FM")))
def test_what_is_written_as_librispeech_writes_it_is_read_back(tmp_path_factory, genders):
    path = tmp_path_factory.mktemp("table") / "SPEAKERS.TXT"
    lines = [
        f"{name:<5}| {sex} | dev-clean        | 8.00 | A | B\n" for name, sex in genders.items()
    ]
    path.write_text(HEADER + "".join(lines))
    assert read_genders(path) == genders


@pytest.mark.parametrize("suffix", ["flac", "wav", "mp3", "ogg", "FLAC", "Wav", "MP3"])
def test_recordings_of_every_format_are_placed_with_or_without_a_subset(tmp_path, suffix):
    name = f"84/121123/84-121123-0000.{suffix}"
    touch(tmp_path, name, f"dev-clean/{name}")
    recording = Recording(name, "84-121123-0000", "84", "121123")
    assert find(tmp_path) == [
        recording,
        Recording(f"dev-clean/{name}", *list(vars(recording).values())[1:]),
    ]


def test_other_files_and_hidden_ones_are_no_recordings(tmp_path):
    touch(
        tmp_path,
        "84/121123/84-121123.trans.txt",
        "84/121123/._84-121123-0000.flac",
        "84/121123/84-121123-0000.flac.part",
        "SPEAKERS.TXT",
    )
    assert find(tmp_path) == []


@pytest.mark.parametrize("stem", ["84-121123", "84-121123-0000-1", "recording", "84--0000", "-1-2"])
def test_a_wrong_name_is_told(tmp_path, stem):
    touch(tmp_path, f"84/121123/{stem}.flac")
    reason = "wrong name: not <speaker>-<chapter>-<utterance>"
    assert find(tmp_path) == [Misnamed(f"84/121123/{stem}.flac", reason)]


@pytest.mark.parametrize(
    "folder", ["", "84", "121123/84", "84/9", "85/121123", "a/b/84/121123", "84/121123/x"]
)
def test_a_wrong_place_is_told(tmp_path, folder):
    touch(tmp_path, Path(folder) / "84-121123-0000.flac")
    (found,) = find(tmp_path)
    assert found == Misnamed(
        (Path(folder) / "84-121123-0000.flac").as_posix(),
        "wrong place: not in <speaker>/<chapter>/ as its name says",
    )


def test_a_name_that_is_not_utf8_is_told_in_letters_that_can_be_written_down(tmp_path):
    folder = tmp_path / "84" / "121123"
    folder.mkdir(parents=True)
    try:
        (folder / os.fsdecode(b"84-121123-\xff.flac")).touch()
    except OSError:
        pytest.skip("this file system takes only names in UTF-8")
    (found,) = find(tmp_path)
    assert found == Misnamed(
        "84/121123/84-121123-\N{REPLACEMENT CHARACTER}.flac", "wrong name: not UTF-8"
    )


def test_a_linked_speaker_folder_is_followed(tmp_path):
    touch(tmp_path / "elsewhere", "121123/84-121123-0000.flac")
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "84").symlink_to(tmp_path / "elsewhere")
    (found,) = find(tmp_path / "corpus")
    assert found.path == "84/121123/84-121123-0000.flac"


def test_the_order_does_not_depend_on_the_file_system(tmp_path, monkeypatch):
    names = [f"{s}/{c}/{s}-{c}-{u:04d}.flac" for s in (9, 10) for c in (1, 2) for u in range(3)]
    touch(tmp_path, *names)
    expected = [found.path for found in find(tmp_path)]
    assert expected == sorted(names)
    walk = os.walk

    def shuffled(*args, **kwargs):
        for folder, folders, files in walk(*args, **kwargs):
            random.Random(4).shuffle(folders)
            random.Random(5).shuffle(files)
            yield folder, folders, files

    monkeypatch.setattr(os, "walk", shuffled)
    assert [found.path for found in find(tmp_path)] == expected


def test_the_sample_corpus_has_the_layout_throughout(tiny_corpus):
    location = locate(tiny_corpus)
    listing = list_recordings(location.audio, location.labels)
    assert listing.found == listing.recordings
    assert {item.speaker_id for item in listing.recordings} == set(listing.genders)
    assert sorted(listing.genders.values()) == ["F"] * 4 + ["M"] * 4


def test_librispeech_itself_has_the_layout_throughout(dev_clean_20):
    location = locate(dev_clean_20)
    listing = list_recordings(location.audio, location.labels)
    found = listing.recordings
    assert len(listing.found) == len(found) == 1_313
    assert len({(item.speaker_id, item.chapter_id) for item in found}) == 48
    heard = [listing.genders[speaker] for speaker in {item.speaker_id for item in found}]
    assert (heard.count("M"), heard.count("F")) == (11, 9)
