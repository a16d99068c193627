"""Files and folders are whole or absent, JSON is what DVC can read, links lose nothing."""

import math
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors import SafetensorError

from speech.errors import UserError
from speech.storage.arrays import write_arrays
from speech.storage.files import (
    link_or_copy,
    point,
    read_json,
    reading,
    replacing,
    replacing_folder,
    require_space,
    write_json,
    write_text,
    writing,
)


def test_text_is_written_as_given_into_new_folders_and_replaced(tmp_path):
    path = tmp_path / "a" / "b" / "note.txt"
    for text in ("old", "zwölf\n"):
        write_text(path, text)
        assert path.read_bytes() == text.encode()
        assert list(path.parent.iterdir()) == [path]


def test_every_file_has_the_rights_that_the_umask_leaves(tmp_path):
    """Safetensors keeps its own to their owner; others could use neither features nor models."""
    before = os.umask(0o027)
    try:
        write_arrays(tmp_path / "a.safetensors", {"a": np.ones(3)})
        write_text(tmp_path / "a.txt", "a")
    finally:
        os.umask(before)
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o640}


def test_json_is_read_as_written_in_the_order_of_its_keys(tmp_path):
    path, content = tmp_path / "metrics.json", {"f1": 0.5, "é": [None]}
    write_json(path, content)
    assert path.read_text("utf-8") == '{\n  "f1": 0.5,\n  "é": [\n    null\n  ]\n}\n'
    assert read_json(path) == content


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_numbers_that_json_has_no_word_for_are_refused(tmp_path, number):
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "metrics.json", {"accuracy": number})


@pytest.mark.parametrize("content", [b"[1, ", b"\xff"])
def test_json_that_cannot_be_read_is_named_with_what_to_do(tmp_path, content):
    path = tmp_path / "folds.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"folds\.json: damaged; "):
        read_json(path)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_takes_its_place_when_it_is_full(tmp_path):
    path = tmp_path / "data" / "corpus"
    (path / "old").mkdir(parents=True)
    (path.parent / ".corpus.unfinished" / "left by a killed run").mkdir(parents=True)
    with replacing_folder(path) as folder:
        (folder / "new").touch()
        assert names(path) == ["old"]
    assert names(path) == ["new"]
    assert names(path.parent) == ["corpus"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("way", [replacing, replacing_folder])
def test_what_is_given_up_half_way_leaves_what_was_there_and_nothing_else(tmp_path, way, error):
    path = tmp_path / "table.csv"
    file = path / "old" if way is replacing_folder else path
    write_text(file, "old")

    def fail_halfway():
        with way(path) as sibling:
            # Writers choose a format by the suffix.
            assert way is replacing_folder or (sibling.suffix, sibling.parent) == (".csv", tmp_path)
            write_text(sibling / "new" if way is replacing_folder else sibling, "half of the ne")
            raise error

    with pytest.raises(error):
        fail_halfway()
    assert file.read_text() == "old"
    assert names(tmp_path) == ["table.csv"]


# --- links ------------------------------------------------------------------------------------


@pytest.fixture
def target(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "a.flac").write_text("sound")
    return folder


@pytest.mark.parametrize("name", ["", "a.flac"])
def test_a_link_to_a_folder_or_file_shows_it_from_anywhere(tmp_path, target, monkeypatch, name):
    link = tmp_path / "data" / "corpus" / "link"
    monkeypatch.chdir(tmp_path)
    point(link, target.relative_to(tmp_path) / name)
    monkeypatch.chdir("/")
    assert link.is_symlink()
    assert (link if name else link / "a.flac").read_text() == "sound"


@pytest.mark.parametrize("before", ["a folder", "nowhere", "itself", "left unfinished"])
def test_an_earlier_link_is_replaced_and_what_it_showed_is_kept(tmp_path, target, before):
    earlier = tmp_path / "earlier"
    earlier.mkdir()
    (earlier / "c.flac").touch()
    link = tmp_path / "data" / "audio"
    link.parent.mkdir()
    shown = {"a folder": earlier, "nowhere": tmp_path / "no", "itself": target}
    if before == "left unfinished":
        (link.parent / ".audio.unfinished").symlink_to(earlier)
    else:
        link.symlink_to(shown[before])
    point(link, target)
    assert link.resolve() == target
    assert (earlier / "c.flac").exists()
    assert list(link.parent.iterdir()) == [link]


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_no_link_is_never_replaced(tmp_path, target, kind):
    link = tmp_path / "audio"
    only_copy = link / "only copy.flac" if kind == "folder" else link
    write_text(only_copy, "only copy")
    with pytest.raises(UserError, match=r"audio: is no link of this pipeline; move it away"):
        point(link, target)
    assert not link.is_symlink()
    assert only_copy.read_text() == "only copy"


def test_a_link_that_cannot_be_made_is_named_not_what_it_would_point_to(
    tmp_path, target, monkeypatch
):
    def refuse(link, target):
        raise PermissionError(13, "Permission denied", str(target))  # as the system does

    monkeypatch.setattr(Path, "symlink_to", refuse)
    with pytest.raises(UserError, match=r"data/audio: cannot be written \(Permission denied\);"):
        point(tmp_path / "data/audio", target)


@pytest.mark.parametrize("hard_links", [True, False])
def test_a_second_name_outlives_the_first_and_takes_no_room_where_hard_links_exist(
    tmp_path, target, monkeypatch, hard_links
):
    def refuse(*_):
        raise PermissionError

    if not hard_links:
        monkeypatch.setattr(os, "link", refuse)
    file, name = target / "a.flac", tmp_path / "b.flac"
    link_or_copy(file, name)
    assert name.samefile(file) == hard_links
    file.unlink()
    assert name.read_text() == "sound"


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


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), SafetensorError("No space left on device")]
)
@pytest.mark.parametrize("way", [writing, replacing, replacing_folder])
def test_what_the_disk_refuses_is_one_sentence_with_the_path(tmp_path, way, error):
    sentence = r"out: cannot be written \(No space left on device\); make room or"
    with pytest.raises(UserError, match=sentence), way(tmp_path / "out"):
        raise error
    assert list(tmp_path.iterdir()) == []


def test_what_is_missing_was_to_be_read_and_is_not_said_to_be_unwritable(tmp_path):
    with pytest.raises(FileNotFoundError), replacing_folder(tmp_path / "out"):
        (tmp_path / "lost.wav").read_bytes()


@pytest.mark.parametrize("way", [replacing, replacing_folder])
def test_a_file_in_place_of_the_folder_is_one_sentence(tmp_path, way):
    (tmp_path / "data").write_text("")
    with pytest.raises(UserError, match=r"out: cannot be written \("), way(tmp_path / "data/out"):
        raise AssertionError("not reached")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (FileNotFoundError(2, "No such file or directory"), "no such file; run `dvc repro`"),
        (
            PermissionError(13, "Permission denied"),
            r"cannot be read \(Permission denied\); correct",
        ),
        (OSError("Invalid parquet"), "damaged; delete it"),
        (ValueError("no JSON"), "damaged; delete it"),
    ],
    ids=str,
)
def test_what_cannot_be_read_says_whether_it_is_missing_refused_or_damaged(error, sentence):
    with pytest.raises(UserError, match=f"^table: {sentence}"), reading(Path("table")):
        raise error
