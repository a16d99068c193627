"""Files and folders are whole or absent, JSON is what DVC can read, links lose nothing."""

import json
import math
import os
import shutil

import pytest

from speech.errors import UserError
from speech.storage.files import (
    link_or_copy,
    point,
    read_json,
    replacing,
    replacing_folder,
    require_space,
    write_json,
    write_text,
    writing,
)


def test_text_is_written_as_given_into_folders_that_did_not_exist(tmp_path):
    path = tmp_path / "a" / "b" / "note.txt"
    write_text(path, "zwölf\n")
    assert path.read_bytes() == "zwölf\n".encode()


def test_an_existing_file_is_replaced_and_nothing_else_is_left_beside_it(tmp_path):
    path = tmp_path / "note.txt"
    write_text(path, "old")
    write_text(path, "new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_that_fails_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "table.csv"
    write_text(path, "old")

    def fail_halfway():
        with replacing(path) as sibling:
            sibling.write_text("half of the ne")
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        fail_halfway()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_sibling_keeps_the_suffix_that_writers_choose_a_format_by(tmp_path):
    with replacing(tmp_path / "table.parquet") as sibling:
        assert sibling.suffix == ".parquet"
        assert sibling.parent == tmp_path
        sibling.touch()


def test_json_keeps_the_order_of_keys_and_ends_with_a_newline(tmp_path):
    path = tmp_path / "metrics.json"
    write_json(path, {"utterance": {"f1": 0.5, "accuracy": 1.0}, "chunk": {}})
    text = path.read_text()
    assert text.endswith("}\n")
    assert list(json.loads(text)) == ["utterance", "chunk"]
    assert list(json.loads(text)["utterance"]) == ["f1", "accuracy"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "no such file; run `dvc repro`"), (b"[1, ", "damaged; "), (b"\xff", "damaged; ")],
)
def test_json_that_cannot_be_read_is_named_with_what_to_do(tmp_path, content, reason):
    path = tmp_path / "folds.json"
    write_json(path, [1, {"é": None}])
    assert read_json(path) == [1, {"é": None}]
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(UserError, match=rf"folds\.json: {reason}"):
        read_json(path)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_json_refuses_numbers_it_has_no_word_for_and_keeps_the_old_file(tmp_path, number):
    path = tmp_path / "metrics.json"
    write_json(path, {"accuracy": 1.0})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"accuracy": number})
    assert json.loads(path.read_text()) == {"accuracy": 1.0}


def test_a_folder_takes_its_place_when_it_is_full(tmp_path):
    path = tmp_path / "data" / "corpus"
    (path / "old").mkdir(parents=True)
    with replacing_folder(path) as folder:
        (folder / "new").touch()
        assert [file.name for file in path.iterdir()] == ["old"]
    assert [file.name for file in path.iterdir()] == ["new"]
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_folder_that_was_not_filled_leaves_the_old_one_and_no_other(tmp_path, error):
    (tmp_path / "corpus" / "old").mkdir(parents=True)

    def fail_halfway():
        with replacing_folder(tmp_path / "corpus") as folder:
            (folder / "half").touch()
            raise error

    with pytest.raises(error):
        fail_halfway()
    assert [file.name for file in (tmp_path / "corpus").iterdir()] == ["old"]
    assert [file.name for file in tmp_path.iterdir()] == ["corpus"]


def test_what_a_killed_run_left_of_a_folder_is_no_part_of_the_next(tmp_path):
    (tmp_path / ".corpus.unfinished").mkdir()
    (tmp_path / ".corpus.unfinished" / "half").touch()
    with replacing_folder(tmp_path / "corpus") as folder:
        (folder / "new").touch()
    assert [file.name for file in (tmp_path / "corpus").iterdir()] == ["new"]


# --- links ------------------------------------------------------------------------------------


@pytest.fixture
def target(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "a.flac").write_text("sound")
    return folder


def test_a_link_shows_what_lies_at_its_target(tmp_path, target):
    link = tmp_path / "data" / "corpus" / "audio"
    point(link, target)
    assert link.is_symlink()
    assert (link / "a.flac").read_text() == "sound"
    (target / "b.flac").touch()
    assert (link / "b.flac").exists()


def test_a_file_can_be_pointed_to_as_well(tmp_path, target):
    point(tmp_path / "link.flac", target / "a.flac")
    assert (tmp_path / "link.flac").read_text() == "sound"


def test_a_relative_target_is_found_from_anywhere(tmp_path, target, monkeypatch):
    monkeypatch.chdir(tmp_path)
    point(tmp_path / "data" / "audio", target.relative_to(tmp_path))
    monkeypatch.chdir("/")
    assert (tmp_path / "data" / "audio" / "a.flac").read_text() == "sound"


@pytest.mark.parametrize("before", ["a folder", "nowhere", "itself"])
def test_an_earlier_link_is_replaced_and_what_it_showed_is_kept(tmp_path, target, before):
    earlier = {"a folder": tmp_path / "earlier", "nowhere": tmp_path / "no", "itself": target}
    (tmp_path / "earlier").mkdir()
    (tmp_path / "earlier" / "c.flac").touch()
    link = tmp_path / "data" / "audio"
    link.parent.mkdir()
    link.symlink_to(earlier[before])
    point(link, target)
    assert link.resolve() == target
    assert (tmp_path / "earlier" / "c.flac").exists()
    assert list(link.parent.iterdir()) == [link]


def test_what_an_interrupted_run_left_is_no_obstacle(tmp_path, target):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / ".audio.unfinished").symlink_to(tmp_path / "no")
    point(tmp_path / "data" / "audio", target)
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["audio"]


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_no_link_is_never_replaced(tmp_path, target, kind):
    link = tmp_path / "audio"
    if kind == "folder":
        link.mkdir()
        (link / "only copy.flac").touch()
    else:
        link.write_text("only copy")
    with pytest.raises(UserError, match=r"audio: is no link of this pipeline; move it away"):
        point(link, target)
    assert not link.is_symlink()
    assert (link / "only copy.flac").exists() if kind == "folder" else link.read_text()


def test_a_second_name_takes_no_room_and_outlives_the_first(tmp_path, target):
    file, name = target / "a.flac", tmp_path / "b.flac"
    link_or_copy(file, name)
    assert name.samefile(file)
    file.unlink()
    assert name.read_text() == "sound"


def test_where_the_file_system_has_no_hard_links_the_content_is_copied(
    tmp_path, target, monkeypatch
):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    link_or_copy(target / "a.flac", tmp_path / "b.flac")
    assert (tmp_path / "b.flac").read_text() == "sound"


# --- the disk ---------------------------------------------------------------------------------


def test_too_little_room_is_said_with_both_numbers_before_anything_is_written(
    tmp_path, monkeypatch
):
    free = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda *_: free)
    require_space(tmp_path / "not" / "yet", 1_000_000)
    with pytest.raises(UserError, match=r"yet: 2\.5 MB are needed there but 1\.0 MB are free"):
        require_space(tmp_path / "not" / "yet", 2_500_000)
    assert list(tmp_path.iterdir()) == []


def test_what_the_disk_refuses_is_one_sentence_with_the_path(tmp_path):
    sentence = r"out: cannot be written \(No space left on device\)"
    with pytest.raises(UserError, match=sentence), writing(tmp_path / "out"):
        raise OSError(28, "No space left on device")
