"""The user's folder is pointed to, never copied, and never overwritten."""

import os

import pytest

from speech.errors import UserError
from speech.storage.links import link_or_copy, point


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
    def none_here(*_):
        raise PermissionError

    monkeypatch.setattr(os, "link", none_here)
    link_or_copy(target / "a.flac", tmp_path / "b.flac")
    assert (tmp_path / "b.flac").read_text() == "sound"
