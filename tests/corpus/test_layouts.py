"""A corpus is found by whatever part of it the user names, and everything in it is listed."""

import os
import random
from pathlib import Path
from unicodedata import normalize

import pytest

from speech.corpus.layouts import Location, list_recordings, locate, read_speakers_txt
from speech.corpus.listing import Misnamed, Recording, gender_of
from speech.errors import UserError

NFD = normalize("NFD", "Zoé")


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def touch(folder, *names):
    for name in names:
        write(folder / name)


def paths(listing):
    return [found.path for found in listing.found]


# --- what the user names ----------------------------------------------------------------------


@pytest.fixture
def librispeech(tmp_path):
    """Make a folder that holds LibriSpeech/ with one subset."""
    root = tmp_path / "Meine Aufnahmen (2024)" / "LibriSpeech"
    touch(root, "dev-clean/84/121123/84-121123-0000.flac")
    write(root / "SPEAKERS.TXT", "84 | F | dev-clean | 8.02 | Christie Nowak\n")
    return root


@pytest.fixture
def table(tmp_path):
    """Make a table of two files in different folders."""
    touch(tmp_path, "tapes/a/1.wav", "tapes/b/c/2.wav")
    rows = "tapes/a/1.wav,ann,F\ntapes/b/c/2.wav,bob,M\n"
    return write(tmp_path / "my.CSV", f"path,speaker_id,gender\n{rows}")


@pytest.mark.parametrize("named", [".", "..", "dev-clean"])
def test_librispeech_is_located_by_its_root_the_folder_above_or_a_subset(librispeech, named):
    location = locate((librispeech / named).resolve())
    assert location.labels.samefile(librispeech / "SPEAKERS.TXT")
    assert location.audio == (librispeech / "dev-clean" if named == "dev-clean" else librispeech)
    assert [item.speaker_id for item in list_recordings(location).recordings] == ["84"]


def test_a_subset_named_from_inside_finds_the_table_above_it(librispeech, monkeypatch):
    monkeypatch.chdir(librispeech / "dev-clean")
    assert locate(Path()).labels.samefile(librispeech / "SPEAKERS.TXT")


def test_a_table_is_located_with_the_deepest_folder_that_holds_its_files(table, tmp_path):
    assert locate(table) == Location(tmp_path / "tapes", table)
    touch(tmp_path, "d.wav")
    write(table, table.read_text() + "d.wav,ann,F\n")
    assert locate(table).audio == tmp_path
    assert len(list_recordings(locate(table)).recordings) == 3


def test_a_folder_of_speakers_is_located_by_its_speakers_csv(tmp_path):
    touch(tmp_path, "ann/a.wav")
    speakers = write(tmp_path / "speakers.csv", "speaker_id,gender\nann,F\n")
    assert locate(tmp_path) == locate(speakers) == Location(tmp_path, speakers)
    assert [item.speaker_id for item in list_recordings(locate(tmp_path)).found] == ["ann"]


def test_a_table_that_happens_to_be_called_speakers_csv_is_a_table(table, tmp_path):
    named = table.rename(tmp_path / "speakers.csv")
    assert locate(tmp_path) == locate(named) == Location(tmp_path / "tapes", named)
    assert len(list_recordings(locate(named)).recordings) == 2


def test_speakers_txt_goes_before_speakers_csv_and_that_before_a_speakers_txt_above(librispeech):
    for folder, labels in ((librispeech, "SPEAKERS.TXT"), (librispeech / "dev-clean", None)):
        write(folder / "speakers.csv", "speaker_id,gender\n84,M\n")
        assert locate(folder).labels.name == (labels or "speakers.csv")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path,speaker_id,gender\nx/a.wav,ann,F\n", r"none of its 1 files exists, .* x/a\.wav;"),
        ("path,speaker_id,gender\n", r"my\.csv: names no file"),
        ("speaker_id,gender\nann,F\n", r"my\.csv: has no column path \(line 1 names speaker_id"),
        (None, r"^corpus: .*my\.csv does not exist; set corpus"),
    ],
)
def test_a_csv_that_names_no_recording_is_refused(tmp_path, content, message):
    if content:
        write(tmp_path / "my.csv", content)
    with pytest.raises(UserError, match=message):
        locate(tmp_path / "my.csv")


def test_what_is_no_corpus_is_refused_with_what_would_be(librispeech, tmp_path):
    with pytest.raises(UserError, match=r"SPEAKERS\.TXT is a file, but no CSV; set corpus"):
        locate(librispeech / "SPEAKERS.TXT")
    with pytest.raises(UserError, match=r"has no SPEAKERS\.TXT .* no speakers\.csv; add one"):
        locate(tmp_path)


# --- LibriSpeech's table of speakers ----------------------------------------------------------

HEADER = ";ID  |SEX| SUBSET           |MINUTES| NAME\n"


@pytest.fixture
def genders_of(tmp_path):
    """Read a SPEAKERS.TXT of the given text."""

    def read(text, encoding="utf-8"):
        path = tmp_path / "SPEAKERS.TXT"
        path.write_bytes(text.encode(encoding))
        return read_speakers_txt(path)

    return read


def test_genders_are_read_past_comments_blank_lines_padding_and_delimiters_in_names(genders_of):
    lines = [
        ";comment | F | here",
        HEADER,
        "14   | F | train-clean-360  | 25.03 | Kristin LeMoine",
        "  ; indented comment",
        "16|m|train-clean-360|25.11|Alys AtteWater",
        "60   | M | train-clean-100  | 20.18 | |CBW|Simon",
        "7 | nonbinary | dev | 1.0 | A",
    ]
    assert genders_of("\n".join(lines)) == {"14": "F", "16": "M", "60": "M", "7": None}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1"])
def test_speakers_tables_saved_by_other_editors_are_read(genders_of, encoding):
    text = "7 | F | dev | 1.0 | Zoë\r\n8 | M | dev | 1.0 | Jörg\r\n"
    assert genders_of(text, encoding) == {"7": "F", "8": "M"}


def test_a_line_without_fields_and_a_speaker_with_two_genders_are_named_by_line(
    genders_of, tmp_path
):
    with pytest.raises(UserError, match=r"SPEAKERS\.TXT: line 2 has no"):
        genders_of("7 | F | dev | 1.0 | A\n8 M dev\n")
    assert genders_of("7 | F | a\n7 | F | b\n") == {"7": "F"}
    with pytest.raises(UserError, match="line 2 gives speaker 7 another gender"):
        genders_of("7 | F | a\n7 | M | b\n")
    with pytest.raises(UserError, match=r"none\.txt: cannot be read \(No such file"):
        read_speakers_txt(tmp_path / "none.txt")


@pytest.mark.parametrize(
    ("gender", "spellings"),
    [
        ("F", ["F", "f", "female", " Woman ", "W", "FEMALE"]),
        ("M", ["M", "m", "male", "Man", " MALE "]),
        (None, ["", "unknown", "nonbinary", "x", "F/M", "ma le", "0"]),
    ],
)
def test_genders_are_known_as_people_write_them(gender, spellings):
    assert {gender_of(written) for written in spellings} == {gender}


# --- LibriSpeech's files ----------------------------------------------------------------------


def find(audio):
    """List the audio files beside an empty SPEAKERS.TXT."""
    return list_recordings(Location(audio, write(audio / "SPEAKERS.TXT"))).found


@pytest.mark.parametrize("suffix", ["flac", "wav", "mp3", "ogg", "FLAC", "Wav", "MP3"])
def test_recordings_of_every_format_are_placed_with_or_without_a_subset(tmp_path, suffix):
    name = f"84/121123/84-121123-0000.{suffix}"
    touch(tmp_path, name, f"dev-clean/{name}")
    ids = ("84-121123-0000", "84", "121123")
    assert find(tmp_path) == [Recording(name, *ids), Recording(f"dev-clean/{name}", *ids)]


def test_other_files_and_hidden_files_and_folders_are_passed_over(tmp_path):
    touch(
        tmp_path,
        "84/121123/84-121123.trans.txt",
        "84/121123/._84-121123-0000.flac",
        "84/121123/84-121123-0000.flac.part",
        ".Trashes/84/121123/84-121123-0000.flac",
        "84/.cache/84-121123-0000.flac",
    )
    assert find(tmp_path) == []


WRONG_NAME = "wrong name: not <speaker>-<chapter>-<utterance>"
WRONG_PLACE = "wrong place: not in <speaker>/<chapter>/ as its name says"


@pytest.mark.parametrize(
    ("folder", "stem", "reason"),
    [
        *(("84/1/", stem, WRONG_NAME) for stem in ("84-1", "84-1-0-1", "noise", "84--0", "-1-2")),
        *(
            (folder, "84-1-0000", WRONG_PLACE)
            for folder in ("", "84/", "1/84/", "84/9/", "85/1/", "a/b/84/1/", "84/1/x/")
        ),
    ],
)
def test_a_wrong_name_or_place_is_reported(tmp_path, folder, stem, reason):
    touch(tmp_path, f"{folder}{stem}.flac")
    assert find(tmp_path) == [Misnamed(f"{folder}{stem}.flac", reason)]


def test_a_name_that_is_not_utf8_is_reported_in_letters_that_can_be_written_down(tmp_path):
    folder = tmp_path / "84" / "121123"
    folder.mkdir(parents=True)
    try:
        (folder / os.fsdecode(b"84-121123-\xff.flac")).touch()
    except OSError:
        pytest.skip("this file system takes only names in UTF-8")
    path = "84/121123/84-121123-\N{REPLACEMENT CHARACTER}.flac"
    assert find(tmp_path) == [Misnamed(path, "wrong name: not UTF-8")]


def test_the_order_does_not_depend_on_the_file_system_and_linked_folders_are_followed(
    tmp_path, monkeypatch
):
    names = [f"{s}/{c}/{s}-{c}-{u:04d}.flac" for s in (9, 10) for c in (1, 2) for u in range(3)]
    touch(tmp_path / "corpus", *(name for name in names if name.startswith("9")))
    touch(tmp_path / "elsewhere", *(name for name in names if name.startswith("10")))
    (tmp_path / "corpus" / "10").symlink_to(tmp_path / "elsewhere" / "10")
    walk = os.walk

    def shuffled(*args, **kwargs):
        for folder, folders, files in walk(*args, **kwargs):
            random.Random(4).shuffle(folders)
            random.Random(5).shuffle(files)
            yield folder, folders, files

    monkeypatch.setattr(os, "walk", shuffled)
    assert [found.path for found in find(tmp_path / "corpus")] == sorted(names)


def test_librispeech_itself_has_the_layout_throughout(dev_clean_20):
    listing = list_recordings(locate(dev_clean_20))
    found = listing.recordings
    assert len(listing.found) == len(found) == 1_313
    assert len({(item.speaker_id, item.chapter_id) for item in found}) == 48
    genders = [listing.genders[speaker] for speaker in {item.speaker_id for item in found}]
    assert (genders.count("M"), genders.count("F")) == (11, 9)


# --- a folder per speaker ---------------------------------------------------------------------


@pytest.fixture
def in_folders(tmp_path):
    """List empty files beside a speakers.csv."""

    def make(*names, speakers="ann,female\nbob,M\n"):
        touch(tmp_path, *names)
        write(tmp_path / "speakers.csv", f"speaker_id,gender\n{speakers}")
        return list_recordings(locate(tmp_path))

    return make


def test_folders_in_a_speakers_folder_are_sessions_and_files_are_a_session_each(in_folders):
    listing = in_folders(
        "ann/monday/1.wav", "ann/monday/tape 2/1.mp3", "ann/2.wav", "bob/notes.txt", "lost.wav"
    )
    assert listing.found == [
        Recording("ann/2.wav", "ann-2", "ann", "ann-2"),
        Recording("ann/monday/1.wav", "ann-monday-1", "ann", "monday"),
        Recording("ann/monday/tape 2/1.mp3", "ann-monday-tape 2-1", "ann", "monday"),
        Misnamed("lost.wav", "wrong place: not in a speaker's folder"),
    ]
    assert listing.own_sessions == 1
    assert listing.genders == {"ann": "F", "bob": "M"}


def test_a_speaker_with_two_genders_is_reported_with_the_line(in_folders):
    with pytest.raises(UserError, match=r"speakers\.csv: line 4 gives speaker ann another gender"):
        in_folders("ann/1.wav", speakers="ann,F\nbob,M\nann,M\n")


def test_a_folder_and_a_table_may_write_accents_in_different_ways(in_folders, tmp_path):
    (found,) = in_folders(f"{NFD}/1/a.wav", speakers="Zoé,F\n").found
    assert found == Recording(f"{NFD}/1/a.wav", "Zoé-1-a", "Zoé", "1")
    rows = f"path,speaker_id,gender\nZoé/1/a.wav,{NFD},F\n"
    table = write(tmp_path / "my.csv", rows)
    listing = list_recordings(locate(table))
    assert listing.found == [Recording("a.wav", "Zoé-1-a", "Zoé", "Zoé-1-a")]
    assert listing.genders == {"Zoé": "F"}


# --- a table ----------------------------------------------------------------------------------

FULL = "path,speaker_id,gender,session_id,utterance_id"


@pytest.fixture
def in_table(tmp_path):
    """List a table that lies in lists/, beside audio/ with a.wav, b.wav and c/d.wav."""
    touch(tmp_path / "audio", "a.wav", "b.wav", "c/d.wav")

    def make(*rows, header="path,speaker_id,gender"):
        table = write(tmp_path / "lists" / "my.csv", "\n".join([header, *rows]) + "\n")
        return list_recordings(locate(table))

    return make


def test_every_row_is_a_recording_with_its_ids_as_written(in_table):
    listing = in_table(
        "../audio/a.wav,007,F,1,x",
        "../audio/b.wav,007,F,,",
        "../audio/c/d.wav,Zoë M,m,2,y",
        header=FULL,
    )
    assert listing.found == [
        Recording("a.wav", "x", "007", "1"),
        Recording("b.wav", "audio-b", "007", "audio-b"),
        Recording("c/d.wav", "y", "Zoë M", "2"),
    ]
    assert listing.genders == {"007": "F", "Zoë M": "M"}
    assert listing.own_sessions == 1
    assert listing.labels == "my.csv"


def test_an_utterance_is_named_by_its_path_whatever_else_the_table_names(in_table, tmp_path):
    alone = in_table("../audio/c/d.wav,ann,F")
    among = in_table(f"{tmp_path}/audio/a.wav,bob,M", "../audio/c/d.wav,ann,F")
    assert alone.recordings[0].utterance_id == among.recordings[1].utterance_id == "audio-c-d"
    assert (alone.recordings[0].path, among.recordings[1].path) == ("d.wav", "c/d.wav")
    assert "/" not in among.recordings[0].utterance_id


def test_a_file_that_does_not_exist_is_reported_by_name_and_the_rest_goes_on(in_table):
    listing = in_table("../audio/a.wav,ann,F", "/no where/b.wav,bob,M", "../audio/c,cid,M")
    assert [found.path for found in listing.found] == ["a.wav", "/no where/b.wav", "../audio/c"]
    assert {found.reason for found in listing.found[1:]} == {"no such file"}


def test_a_folder_that_is_a_link_counts_where_it_points_to(in_table, tmp_path):
    touch(tmp_path, "elsewhere/e.wav")
    (tmp_path / "audio" / "link").symlink_to(tmp_path / "elsewhere")
    listing = in_table("../audio/a.wav,ann,F", "../audio/link/e.wav,ann,F")
    assert paths(listing) == ["audio/a.wav", "elsewhere/e.wav"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("../audio/c/../a.wav,bob,M,1,y", "has the same file as line 2"),
        ("../audio/b.wav,bob,M,1,x", r"has the same utterance_id as line 2 \(x\)"),
        ("../audio/b.wav,ann,man,1,y", "gives speaker ann another gender than an earlier line"),
        ("../audio/b.wav,,F,1,y", "needs a path and a speaker_id"),
        (",ann,F,1,y", "needs a path and a speaker_id"),
    ],
)
def test_a_mistake_is_reported_with_its_line(in_table, row, message):
    with pytest.raises(UserError, match=rf"my\.csv: line 3 {message}.*[^.\n]\.$"):
        in_table("../audio/a.wav,ann,F,1,x", row, header=FULL)
