"""LibriSpeech is fetched once, checked, unpacked whole, and never fetched again."""

import hashlib
import io
import json
import shutil
import tarfile
from contextlib import contextmanager
from typing import get_args

import pytest

from speech.corpus import official
from speech.corpus.layouts import list_recordings, locate
from speech.corpus.librispeech import read_genders
from speech.corpus.official import ARCHIVES, fetch_subsets
from speech.errors import UserError
from speech.params import Subset

SOUND = hashlib.shake_256(b"sound").digest(20_000)


def pack(subset, speakers, table=None):
    """Pack a few recordings as the official archive of a subset is packed."""
    rows = table or "".join(f"{one} | {'FM'[one % 2]} | {subset} | 1 | X\n" for one in speakers)
    files = {"SPEAKERS.TXT": f"; ID | SEX\n{rows}".encode()}
    for one in speakers:
        files[f"{subset}/{one}/7/{one}-7-0000.flac"] = SOUND + bytes([one])
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(f"LibriSpeech/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


class Library:
    """The folders of `fetch_subsets`, and archives with their checksums on a mirror."""

    def __init__(self, root, mirror):
        self.home, self.archives = root / "librispeech", root / "archives"
        self.mirror = mirror
        self.checksums = {}

    def offer(self, subset, content):
        self.mirror.put(f"{subset}.tar.gz", content)
        self.checksums[subset] = hashlib.sha256(content).hexdigest()

    def fetch(self, *subsets, **changes):
        options = {"mirror": self.mirror.host, "checksums": self.checksums} | changes
        return fetch_subsets(subsets, self.home, self.archives, **options)

    def asked(self):
        """Name what was asked of the mirror since the last call."""
        paths = [asked.path for asked in self.mirror.log]
        self.mirror.log.clear()
        return paths


@pytest.fixture
def library(tmp_path, mirror):
    library = Library(tmp_path, mirror)
    library.offer("dev-clean", pack("dev-clean", [1, 2, 3]))
    library.offer("test-other", pack("test-other", [4, 5]))
    return library


def recordings(folder):
    return [found.path for found in list_recordings(locate(folder)).found]


DEV_CLEAN = [f"dev-clean/{one}/7/{one}-7-0000.flac" for one in (1, 2, 3)]
TEST_OTHER = [f"test-other/{one}/7/{one}-7-0000.flac" for one in (4, 5)]
PLACE = "/resources/12/dev-clean.tar.gz"


def sentence(caught):
    text = str(caught.value)
    assert text.endswith(".")
    assert "\n" not in text
    assert ". " not in text, "more than one sentence"
    return text


# --- what is official ---------------------------------------------------------------------------


def test_every_subset_that_params_allow_has_an_archive():
    assert set(ARCHIVES) == set(get_args(Subset))
    assert len({archive.sha256 for archive in ARCHIVES.values()}) == len(ARCHIVES)


def test_openslr_is_asked_by_its_own_address_for_the_official_bytes(library, monkeypatch):
    asked = []

    def download(url, target, sha256, **_):
        asked.append((url, sha256))
        target.parent.mkdir()
        target.touch()

    monkeypatch.setattr(official, "download", download)
    monkeypatch.setattr(official, "_unpack", lambda *_: None)
    library.fetch("dev-clean", mirror=None, checksums={})
    assert asked == [
        (
            "https://www.openslr.org/resources/12/dev-clean.tar.gz",
            "76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3",
        )
    ]


# --- once ---------------------------------------------------------------------------------------


def test_a_subset_is_fetched_and_unpacked_and_the_archive_removed(library):
    folder = library.fetch("dev-clean")
    assert folder == library.home / "dev-clean"
    assert recordings(folder) == DEV_CLEAN
    assert read_genders(locate(folder).labels) == {"1": "M", "2": "F", "3": "M"}
    assert library.asked() == [PLACE]
    assert list(library.archives.iterdir()) == []
    assert [path.name for path in library.home.iterdir()] == ["dev-clean"]


def test_a_second_time_asks_for_nothing_and_writes_nothing(library):
    before = library.fetch("dev-clean").stat()
    library.asked()
    assert library.fetch("dev-clean").stat() == before
    assert library.asked() == []


def test_what_is_there_needs_no_mirror_any_more(library, tmp_path):
    folder = library.fetch("dev-clean")
    assert library.fetch("dev-clean", mirror=str(tmp_path / "unplugged")) == folder


@pytest.mark.parametrize("harm", ["removed", "shorter", "no stamp", "torn stamp"])
def test_what_is_no_longer_whole_is_fetched_again(library, harm):
    folder = library.fetch("dev-clean")
    file, stamp = folder / "LibriSpeech" / DEV_CLEAN[0], folder / official.STAMP
    match harm:
        case "removed":
            file.unlink()
        case "shorter":
            file.write_bytes(b"")
        case "no stamp":
            stamp.unlink()
        case "torn stamp":
            stamp.write_text('{"sha256": [')
    library.asked()
    assert recordings(library.fetch("dev-clean")) == DEV_CLEAN
    assert file.stat().st_size == len(SOUND) + 1
    assert library.asked() == [PLACE]


def test_what_a_desktop_leaves_behind_does_not_matter(library):
    folder = library.fetch("dev-clean")
    (folder / "LibriSpeech" / ".DS_Store").touch()
    library.asked()
    library.fetch("dev-clean")
    assert library.asked() == []


def test_another_checksum_means_another_archive(library):
    library.fetch("dev-clean")
    library.offer("dev-clean", pack("dev-clean", [8]))
    library.asked()
    assert recordings(library.fetch("dev-clean")) == ["dev-clean/8/7/8-7-0000.flac"]
    assert library.asked() == [PLACE]


def test_a_run_that_ended_while_unpacking_is_made_good(library):
    torn = library.home / ".dev-clean.unfinished" / "LibriSpeech"
    torn.mkdir(parents=True)
    (torn / "SPEAKERS.TXT").write_text("torn")
    assert recordings(library.fetch("dev-clean")) == DEV_CLEAN
    assert [path.name for path in library.home.iterdir()] == ["dev-clean"]


# --- the archive --------------------------------------------------------------------------------


def test_an_archive_that_is_kept_is_unpacked_again_without_a_request(library):
    folder = library.fetch("dev-clean", keep=True)
    kept = library.archives / "dev-clean.tar.gz"
    assert kept.is_file()
    shutil.rmtree(folder)
    library.asked()
    assert recordings(library.fetch("dev-clean", keep=True)) == DEV_CLEAN
    assert kept.is_file()
    shutil.rmtree(folder)
    library.fetch("dev-clean")
    assert not kept.exists()
    assert library.asked() == []


def test_a_kept_archive_that_was_damaged_is_fetched_again(library):
    shutil.rmtree(library.fetch("dev-clean", keep=True))
    (library.archives / "dev-clean.tar.gz").write_bytes(b"damaged")
    library.asked()
    assert recordings(library.fetch("dev-clean", keep=True)) == DEV_CLEAN
    assert library.asked() == [PLACE]


def test_an_archive_packed_otherwise_is_refused_and_not_unpacked(library):
    library.offer("dev-clean", pack("dev-cleen", [1]))
    with pytest.raises(UserError, match=r"holds no .*LibriSpeech/dev-clean/") as caught:
        library.fetch("dev-clean")
    sentence(caught)
    assert list(library.home.iterdir()) == []


def test_a_wrong_checksum_leaves_nothing_behind(library):
    library.checksums["dev-clean"] = "0" * 64
    with pytest.raises(UserError, match="SHA-256") as caught:
        library.fetch("dev-clean")
    sentence(caught)
    assert list(library.archives.iterdir()) == []
    assert not library.home.exists()


def test_a_truncated_archive_with_a_checksum_of_its_own_is_not_unpacked(library):
    library.offer("dev-clean", pack("dev-clean", [1, 2, 3])[:-1000])
    with pytest.raises(UserError, match="cut short or damaged") as caught:
        library.fetch("dev-clean")
    sentence(caught)
    assert list(library.home.iterdir()) == []


# --- mirrors ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "/", "/resources/12", "/resources/12/"])
def test_a_mirror_is_a_host_like_openslr_or_the_folder_there(library, path):
    library.fetch("dev-clean", mirror=library.mirror.host + path)
    assert library.asked() == [PLACE]


@pytest.mark.parametrize("path", ["", "/speech/english"])
def test_a_mirror_may_keep_archives_at_its_root_or_elsewhere(library, path):
    place = f"{path}/dev-clean.tar.gz"
    library.mirror.files[place] = library.mirror.files.pop(PLACE)
    library.fetch("dev-clean", mirror=library.mirror.host + path)
    assert library.asked()[-1] == place


def test_a_mirror_without_the_archive_is_named(library):
    with pytest.raises(UserError, match=r"train-clean-100\.tar\.gz: the server says 404") as caught:
        library.fetch("train-clean-100", checksums={"train-clean-100": "0" * 64})
    assert library.mirror.host in sentence(caught)


def test_a_folder_with_archives_is_read_where_it_lies(library, tmp_path):
    folder = tmp_path / "share"
    folder.mkdir()
    archive = folder / "dev-clean.tar.gz"
    archive.write_bytes(library.mirror.files[PLACE])
    assert recordings(library.fetch("dev-clean", mirror=str(folder))) == DEV_CLEAN
    assert archive.is_file()
    assert not library.archives.exists()
    assert library.asked() == []


def test_a_wrong_archive_in_a_folder_is_named_and_left_alone(library, tmp_path):
    archive = tmp_path / "dev-clean.tar.gz"
    archive.write_bytes(b"else")
    with pytest.raises(UserError, match=rf"{archive}: has the SHA-256 .* instead of") as caught:
        library.fetch("dev-clean", mirror=str(tmp_path))
    assert "corpus_sha256" in sentence(caught)
    assert archive.read_bytes() == b"else"


def test_an_archive_missing_from_a_folder_is_named(library, tmp_path):
    with pytest.raises(UserError, match=rf"{tmp_path}/dev-clean.tar.gz: no such file") as caught:
        library.fetch("dev-clean", mirror=str(tmp_path))
    sentence(caught)


@pytest.mark.parametrize("named", ["ftp://openslr.org", "openslr.org", "/no/such/folder"])
def test_what_can_be_no_mirror_is_named(library, named):
    with pytest.raises(UserError, match=rf"corpus_mirror: {named} is neither") as caught:
        library.fetch("dev-clean", mirror=named)
    sentence(caught)


def test_an_archive_in_a_folder_that_cannot_be_read_is_named(library, tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "dev-clean.tar.gz").touch()
    monkeypatch.setattr(official, "sha256_of", refuse)
    with pytest.raises(UserError, match=r"dev-clean\.tar\.gz: cannot be read \(Perm") as caught:
        library.fetch("dev-clean", mirror=str(tmp_path))
    sentence(caught)


# --- the disk -----------------------------------------------------------------------------------


def test_too_little_room_is_told_before_anything_is_asked_for(library, monkeypatch):
    free = shutil.disk_usage("/")._replace(free=700_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda *_: free)
    with pytest.raises(UserError, match=r"709\.6 MB are needed there but 700\.0 MB") as caught:
        library.fetch("dev-clean", checksums={})
    sentence(caught)
    with pytest.raises(UserError, match=r"1,437\.6 MB are needed"):
        library.fetch("dev-clean", "test-clean", checksums={}, keep=True)
    assert library.asked() == []


def test_of_archives_that_are_not_kept_only_the_largest_needs_room(library, monkeypatch):
    free = shutil.disk_usage("/")._replace(free=700_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda *_: free)
    with pytest.raises(UserError, match=r"1,099\.7 MB are needed"):
        library.fetch("dev-clean", "test-clean", checksums={})


def test_what_has_arrived_already_needs_no_room_again(library, monkeypatch):
    library.archives.mkdir()
    with (library.archives / "dev-clean.tar.gz.part").open("wb") as file:
        file.truncate(300_000_000)
    assert official._room(["dev-clean"], library.archives, keep=False) == pytest.approx(
        409.6e6, rel=0.001
    )


# --- several subsets ----------------------------------------------------------------------------


def test_a_list_of_subsets_is_one_corpus_that_takes_no_room_of_its_own(library):
    folder = library.fetch("test-other", "dev-clean")
    assert folder == library.home / "dev-clean+test-other"
    assert recordings(folder) == DEV_CLEAN + TEST_OTHER
    assert set(read_genders(locate(folder).labels)) == {"1", "2", "3", "4", "5"}
    for path in DEV_CLEAN:
        link = folder / "LibriSpeech" / path
        assert link.samefile(library.home / "dev-clean" / "LibriSpeech" / path)
        assert not link.is_symlink()
    library.asked()
    before = folder.stat()
    assert library.fetch("dev-clean", "test-other").stat() == before
    assert recordings(library.fetch("dev-clean")) == DEV_CLEAN
    assert library.asked() == []


def test_a_list_fetches_only_the_subset_that_is_not_there(library):
    library.fetch("dev-clean")
    library.asked()
    library.fetch("dev-clean", "test-other")
    assert library.asked() == ["/resources/12/test-other.tar.gz"]


def test_a_list_follows_an_archive_that_changed(library):
    library.fetch("dev-clean", "test-other")
    library.offer("test-other", pack("test-other", [9]))
    folder = library.fetch("dev-clean", "test-other")
    assert recordings(folder) == [*DEV_CLEAN, "test-other/9/7/9-7-0000.flac"]


def test_a_list_that_lost_a_file_is_made_whole_without_a_request(library):
    folder = library.fetch("dev-clean", "test-other")
    (folder / "LibriSpeech" / TEST_OTHER[0]).unlink()
    library.asked()
    assert recordings(library.fetch("dev-clean", "test-other")) == DEV_CLEAN + TEST_OTHER
    assert library.asked() == []


def test_tables_that_are_the_same_in_every_archive_stay_as_they_are(library):
    table = "1 | M | dev-clean | 1 | Käthe\n4 | F | test-other | 1 | |CBW|Y\n"
    library.offer("dev-clean", pack("dev-clean", [1], table))
    library.offer("test-other", pack("test-other", [4], table))
    folder = library.fetch("dev-clean", "test-other")
    assert locate(folder).labels.read_text() == f"; ID | SEX\n{table}"


# --- what is shown ------------------------------------------------------------------------------


def test_each_step_is_shown_with_its_bytes(library):
    shown = {}

    @contextmanager
    def watch(doing):
        told = shown[doing] = []
        yield lambda done, total: told.append((done, total))

    library.fetch("dev-clean", keep=True, watch=watch)
    size = len(library.mirror.files[PLACE])
    assert list(shown) == ["downloading dev-clean.tar.gz", "unpacking dev-clean.tar.gz"]
    assert all(told[-1] == (size, size) for told in shown.values())
    shutil.rmtree(library.home)
    shown.clear()
    library.fetch("dev-clean", keep=True, watch=watch)
    assert list(shown) == ["checking dev-clean.tar.gz", "unpacking dev-clean.tar.gz"]
    assert json.loads((library.home / "dev-clean" / official.STAMP).read_text())["files"] == 4
