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


def test_a_link_shows_what_lies_at_its_target_from_anywhere(tmp_path, target, monkeypatch):
    monkeypatch.chdir(tmp_path)
    link = tmp_path / "data" / "corpus" / "audio"
    point(link, target.relative_to(tmp_path))
    point(tmp_path / "link.flac", target / "a.flac")
    monkeypatch.chdir("/")
    assert link.is_symlink()
    assert (link / "a.flac").read_text() == (tmp_path / "link.flac").read_text() == "sound"
    (target / "b.flac").touch()
    assert (link / "b.flac").exists()


@pytest.mark.parametrize("before", ["earlier", "nowhere", "mine"])
def test_an_earlier_link_and_an_unfinished_one_are_replaced_and_what_they_showed_is_kept(
    tmp_path, target, before
):
    (tmp_path / "earlier").mkdir()
    (tmp_path / "earlier" / "c.flac").touch()
    link = tmp_path / "data" / "audio"
    link.parent.mkdir()
    for path in (link, link.with_name(".audio.unfinished")):
        path.symlink_to(tmp_path / before)
    point(link, target)
    assert link.resolve() == target
    assert (tmp_path / "earlier" / "c.flac").exists()
    assert list(link.parent.iterdir()) == [link]


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_no_link_is_never_replaced(tmp_path, target, kind):
    link = tmp_path / "audio"
    only_copy = link / "only copy.flac" if kind == "folder" else link
    only_copy.parent.mkdir(exist_ok=True)
    only_copy.write_text("only copy")
    with pytest.raises(UserError, match=r"audio: is no link of this pipeline; move it away"):
        point(link, target)
    assert only_copy.read_text() == "only copy"


@pytest.mark.parametrize("has_links", [True, False])
def test_a_second_name_outlives_the_first_and_takes_no_room_where_there_are_hard_links(
    tmp_path, target, monkeypatch, has_links
):
    def none_here(*_):
        raise PermissionError

    if not has_links:
        monkeypatch.setattr(os, "link", none_here)
    file, name = target / "a.flac", tmp_path / "b.flac"
    link_or_copy(file, name)
    assert name.samefile(file) == has_links
    file.unlink()
    assert name.read_text() == "sound"
