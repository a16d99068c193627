"""A corpus is found by whatever part of it the user names, and everything in it is listed."""

import os
import random
from pathlib import Path
from unicodedata import normalize

import pytest

from speech.corpus.layouts import (
    Location,
    Recording,
    gender_of,
    list_recordings,
    locate,
    with_genders,
)
from speech.errors import UserError

NFD = normalize("NFD", "Zoé")


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def touch(folder, *names):
    for name in names:
        write(folder / name)


def values(recordings, name="path"):
    return [getattr(found, name) for found in recordings]


def listed(location):
    return with_genders(list_recordings(location))


def speakers(location):
    return values(listed(location), "speaker_id")


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
def test_librispeech_is_located_by_its_root_the_folder_above_or_a_subset(
    librispeech, monkeypatch, named
):
    location = locate((librispeech / named).resolve())
    assert location.labels.samefile(librispeech / "SPEAKERS.TXT")
    assert location.audio == (librispeech / "dev-clean" if named == "dev-clean" else librispeech)
    assert speakers(location) == ["84"]
    monkeypatch.chdir((librispeech / named).resolve())
    assert locate(Path()).labels.samefile(location.labels)


def test_a_table_is_located_with_the_deepest_folder_that_holds_its_files(table, tmp_path):
    assert locate(table) == Location(tmp_path / "tapes", table)
    touch(tmp_path, "d.wav")
    write(table, table.read_text() + "d.wav,ann,F\n")
    assert locate(table).audio == tmp_path
    assert speakers(locate(table)) == ["ann", "bob", "ann"]


def test_a_speakers_csv_is_a_table_if_it_has_paths_and_else_lists_folders(table, tmp_path):
    named = table.rename(tmp_path / "speakers.csv")
    assert locate(tmp_path) == locate(named) == Location(tmp_path / "tapes", named)
    assert speakers(locate(named)) == ["ann", "bob"]
    write(named, "speaker_id,gender\ntapes,F\n")
    assert locate(tmp_path) == locate(named) == Location(tmp_path, named)
    assert speakers(locate(named)) == ["tapes", "tapes"]


def test_speakers_txt_goes_before_speakers_csv_and_that_before_a_speakers_txt_above(librispeech):
    for folder, labels in ((librispeech, "SPEAKERS.TXT"), (librispeech / "dev-clean", None)):
        write(folder / "speakers.csv", "speaker_id,gender\n84,M\n")
        assert locate(folder).labels.name == (labels or "speakers.csv")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path,speaker_id,gender\nx/a.wav,ann,F\n", r"none of its 1 files .* x/a\.wav;"),
        ("path,speaker_id,gender\n", r"my\.csv: names no file"),
    ],
)
def test_a_table_that_names_no_file_is_refused_with_what_would_be(tmp_path, content, message):
    with pytest.raises(UserError, match=message):
        locate(write(tmp_path / "my.csv", content))


# --- LibriSpeech's table of speakers ----------------------------------------------------------


def test_speakers_tables_are_read_as_people_write_them_but_for_subsets_that_are_not_here(tmp_path):
    for subset in ("train-clean-100", "train-clean-360"):
        (tmp_path / subset).mkdir()
    lines = [
        "14   | F | train-clean-360  | 25.03 | Zoë",
        ";ID  |SEX| SUBSET           |MINUTES| NAME",
        "  ; indented comment | F |",
        "",
        "16|m|train-clean-360|25.11|Alys AtteWater",
        "60   | M | train-clean-100  | 20.18 | |CBW|Simon",
        "99 | F | dev-clean | 8.1 | in a subset that is not here",
        "7 | nonbinary | dev | 1.0 | A",
        "60   | M | said again",
    ]
    path = write(tmp_path / "SPEAKERS.TXT", "\n".join(lines))
    genders = list_recordings(Location(tmp_path, path)).genders
    assert {speaker: gender_of(written) for speaker, written in genders.items()} == {
        "14": "F",
        "16": "M",
        "60": "M",
        "7": None,
    }


def test_genders_are_known_as_people_write_them():
    for gender, spellings in {
        "F": ["F", "f", "female", " Woman ", "W", "FEMALE"],
        "M": ["M", "m", "male", "Man", " MALE "],
        None: ["", "unknown", "nonbinary", "x", "F/M", "ma le", "0"],
    }.items():
        assert {gender_of(written) for written in spellings} == {gender}


# --- LibriSpeech's files ----------------------------------------------------------------------


def find(audio):
    """List the audio files beside a SPEAKERS.TXT of three speakers."""
    table = write(audio / "SPEAKERS.TXT", "9 | F\n10 | M\n84 | F\n")
    return listed(Location(audio, table))


def test_recordings_of_every_format_are_placed_and_other_and_hidden_files_passed_over(tmp_path):
    for folder in ("", "dev-clean/"):
        names = [
            f"{folder}84/121123/84-121123-{number:04d}.{suffix}"
            for number, suffix in enumerate(("flac", "wav", "m4a", "ogg", "FLAC", "Wav", "MP3"))
        ]
        touch(
            tmp_path / folder,
            "84/121123/84-121123.trans.txt",
            "84/121123/._84-121123-0000.flac",
            "84/121123/84-121123-0000.flac.part",
            ".Trashes/84/121123/84-121123-0000.flac",
            "84/.cache/84-121123-0000.flac",
        )
        touch(tmp_path, *names)
        found = [item for item in find(tmp_path) if item.path in names]
        assert found == [Recording(name, Path(name).stem, "84", "121123", "F") for name in names]
    assert len(find(tmp_path)) == 2 * len(names)
    passed_over = list_recordings(Location(tmp_path, tmp_path / "SPEAKERS.TXT")).passed_over
    assert passed_over == {".txt": 2, ".part": 2}, "all but hidden files and the labels"


WRONG_NAME = "wrong name: not <speaker>-<chapter>-<utterance>"
WRONG_PLACE = "wrong place: not in <speaker>/<chapter>/ as its name says"


def test_a_wrong_name_or_place_is_reported(tmp_path):
    stems = ("84-1", "84-1-0-1", "noise", "84--0", "-1-2")
    folders = ("", "84/", "1/84/", "84/9/", "85/1/", "a/b/84/1/", "84/1/x/")
    wrong = {f"84/1/{stem}.flac": WRONG_NAME for stem in stems}
    wrong |= {f"{folder}84-1-0000.flac": WRONG_PLACE for folder in folders}
    touch(tmp_path, *wrong)
    assert find(tmp_path) == [Recording(path, problem=wrong[path]) for path in sorted(wrong)]


def test_the_order_does_not_depend_on_the_file_system_and_linked_folders_are_followed(
    tmp_path, monkeypatch
):
    names = [f"{s}/{c}/{s}-{c}-{u:04d}.flac" for s in (10, 9) for c in (1, 2) for u in range(3)]
    touch(tmp_path / "corpus", *names[6:])
    touch(tmp_path / "elsewhere", *names[:6])
    (tmp_path / "corpus" / "10").symlink_to(tmp_path / "elsewhere" / "10")
    walk = os.walk

    def shuffled(*args, **kwargs):
        for folder, folders, files in walk(*args, **kwargs):
            random.Random(4).shuffle(folders)
            yield folder, folders, random.Random(5).sample(files, len(files))

    monkeypatch.setattr(os, "walk", shuffled)
    assert values(find(tmp_path / "corpus")) == names


# --- a folder per speaker, and a table --------------------------------------------------------

FULL = "path,speaker_id,gender,session_id,utterance_id"


@pytest.fixture
def in_folders(tmp_path):
    """List empty files beside a speakers.csv."""

    def make(*names, speakers="ann,female\nbob,M\n"):
        touch(tmp_path, *names)
        write(tmp_path / "speakers.csv", f"speaker_id,gender\n{speakers}")
        return listed(locate(tmp_path))

    return make


@pytest.fixture
def in_table(tmp_path):
    """List a table that lies in lists/, beside audio/ with a.wav, b.wav and c/d.wav."""
    touch(tmp_path / "audio", "a.wav", "b.wav", "c/d.wav")

    def make(*rows, header="path,speaker_id,gender"):
        table = write(tmp_path / "lists" / "my.csv", "\n".join([header, *rows]) + "\n")
        return listed(locate(table))

    return make


def test_folders_in_a_speakers_folder_are_sessions_and_files_are_a_session_each(in_folders):
    assert in_folders(
        "ann/monday/1.wav", "ann/monday/tape 2/1.mp3", "ann/2.wav", "bob/notes.txt", "lost.wav"
    ) == [
        Recording("ann/2.wav", "ann:2", "ann", "ann:2", "F"),
        Recording("ann/monday/1.wav", "ann:monday:1", "ann", "monday", "F"),
        Recording("ann/monday/tape 2/1.mp3", "ann:monday:tape 2:1", "ann", "monday", "F"),
        Recording("lost.wav", problem="wrong place: not in a speaker's folder"),
    ]


def test_a_folder_and_a_table_may_write_accents_in_different_ways(in_folders, tmp_path):
    found = in_folders(f"{NFD}/1/a.wav", speakers="Zoé,F\n")
    assert found == [Recording(f"{NFD}/1/a.wav", "Zoé:1:a", "Zoé", "1", "F")]
    table = write(tmp_path / "my.csv", f"path,speaker_id,gender\nZoé/1/a.wav,{NFD},F\n")
    found = listed(locate(table))
    assert found == [Recording("a.wav", "Zoé:1:a", "Zoé", "Zoé:1:a", "F")]


def test_every_row_is_a_recording_with_its_ids_as_written(in_table):
    assert in_table(
        "../audio/a.wav,007,F,1,x",
        "../audio/b.wav,007,F,,",
        "/no where/b.wav,bob,M,,",
        "../audio/c,cid,M,,",
        "../audio/c/d.wav,Zoë M,m,2,y",
        header=FULL,
    ) == [
        Recording("a.wav", "x", "007", "1", "F"),
        Recording("b.wav", "audio:b", "007", "audio:b", "F"),
        Recording("/no where/b.wav", problem="no such file"),
        Recording("../audio/c", problem="no such file"),
        Recording("c/d.wav", "y", "Zoë M", "2", "M"),
    ]


def test_an_utterance_is_named_by_its_path_whatever_else_the_table_names(in_table, tmp_path):
    (alone,) = in_table("../audio/c/d.wav,ann,F")
    other, among = in_table(f"{tmp_path}/audio/a.wav,bob,M", "../audio/c/d.wav,ann,F")
    assert alone.utterance_id == among.utterance_id == "audio:c:d"
    assert (alone.path, among.path) == ("d.wav", "c/d.wav")
    assert "/" not in other.utterance_id


def test_a_folder_that_is_a_link_counts_where_it_points_to(in_table, tmp_path):
    touch(tmp_path, "elsewhere/e.wav")
    (tmp_path / "audio" / "link").symlink_to(tmp_path / "elsewhere")
    found = in_table("../audio/a.wav,ann,F", "../audio/link/e.wav,ann,F")
    assert values(found) == ["audio/a.wav", "elsewhere/e.wav"]


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
