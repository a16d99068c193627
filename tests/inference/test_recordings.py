"""Which recordings are found by files, folders, patterns and standard input."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from speech.inference.recordings import find_recordings

ODD = [
    "two words.wav",
    "it's “quoted”.flac",
    'a "b".ogg',
    "Zoë 日本語.mp3",
    "list[1].wav",
    "-x.wav",
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in [*ODD, "a/b/deep.WAV", "a/notes.txt", "a/film.m4a", "a/.hidden.wav", ".old/x.wav"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*arguments):
    return [one.name for one in find_recordings(arguments)]


def problems(*arguments):
    return {one.name: one.problem for one in find_recordings(arguments) if one.problem}


def test_a_file_is_found_whatever_its_name_and_whatever_its_format(folder):
    found = find_recordings([*ODD, "a/film.m4a", "a/.hidden.wav"])
    assert [str(one.path) for one in found] == [one.name for one in found]
    assert [one.name for one in found] == [*ODD, "a/film.m4a", "a/.hidden.wav"]


def test_a_folder_is_searched_with_its_folders_but_for_what_is_hidden(folder):
    assert names("a") == ["a/b/deep.WAV", "a/film.m4a"]
    assert not any(".hidden" in name or ".old" in name for name in names("."))


def test_a_pattern_is_expanded_where_the_shell_did_not(folder):
    (folder / "list1.wav").write_bytes(b"")
    assert names("*.flac") == ["it's “quoted”.flac"]
    assert names("**/*.WAV") == ["a/b/deep.WAV"]
    assert names("list[1].wav") == ["list[1].wav"]  # which is there by that name


def test_each_recording_is_found_once_in_the_order_named(folder):
    assert names("two words.wav", "-", "./two words.wav", "*words.wav", "-") == [
        "two words.wav",
        "-",
    ]


def test_an_argument_that_leads_to_nothing_has_a_problem(folder):
    long = "a" * 300
    assert problems("empty", "gone.wav", "*.opus", long, "two words.wav") == {
        "empty": "a folder without recordings",
        "gone.wav": "no such file",
        "*.opus": "no file matches",
        long: "unreadable (File name too long)",
    }


def test_a_pattern_means_what_it_means_to_a_shell(folder):
    """Folders that it matches are searched, however many, and nothing is found twice."""
    (folder / "ab").mkdir()
    (folder / "ab" / "talk.wav").write_bytes(b"")
    assert names("a*") == ["a/b/deep.WAV", "a/film.m4a", 'a "b".ogg', "ab/talk.wav"]
    assert problems("e*") == {"empty": "a folder without recordings"}


def test_a_folder_that_may_not_be_read_is_a_problem_and_what_lies_beside_it_is_found():
    with TemporaryDirectory() as name:  # pytest's own folders are closed to others
        outer, inner = Path(name), Path(name, "in")
        outer.chmod(0o755)
        inner.mkdir()
        for file in (outer / "beside.wav", inner / "lost.wav"):
            file.write_bytes(b"")
        inner.chmod(0)
        if root := os.geteuid() == 0:  # who may read everything
            os.seteuid(65_534)
        try:
            found = find_recordings([name, str(inner), str(inner / "*.wav")])
        finally:
            if root:
                os.seteuid(0)
            inner.chmod(0o755)
    assert [(one.name, one.problem) for one in found] == [
        (str(outer / "beside.wav"), ""),
        (str(inner), "unreadable (Permission denied)"),
        (str(inner / "*.wav"), "unreadable (Permission denied)"),
    ]


def test_links_that_lead_nowhere_or_in_a_circle_are_not_lost_and_a_pipe_is_no_recording(folder):
    inside = folder / "links"
    inside.mkdir()
    (inside / "gone.wav").symlink_to("nothing.wav")
    (inside / "loop.wav").symlink_to("loop.wav")
    (inside / "again").symlink_to(inside)
    os.mkfifo(inside / "pipe.wav")
    (inside / "endless.wav").symlink_to("/dev/zero")
    assert names("links") == ["links/gone.wav", "links/loop.wav"]
    assert problems("links/gone.wav", "links/loop.wav") == {
        "links/gone.wav": "no such file",
        "links/loop.wav": "no such file",
    }
