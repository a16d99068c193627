"""LibriSpeech is fetched once, checked, unpacked whole or not at all, and never fetched again."""

import gzip
import hashlib
import io
import json
import shutil
import tarfile
from contextlib import contextmanager
from typing import get_args

import pytest

from speech.corpus import librispeech
from speech.corpus.layouts import list_recordings, locate
from speech.corpus.librispeech import MOST_TIMES, PADDING, SHA256, fetch_subsets, unpack
from speech.errors import UserError
from speech.params import Subset

NOISE = hashlib.shake_256(b"noise").digest(20_000)


def member(name, content=b"", **attributes):
    """Make a member and its content; attributes are those of `tarfile.TarInfo`."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, content


def packed(*members):
    """Pack members, however hostile, in memory."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def pack(subset, speakers, table=None):
    """Pack a few recordings as the official archive of a subset is packed."""
    rows = table or "".join(f"{one} | {'FM'[one % 2]} | {subset} | 1 | X\n" for one in speakers)
    files = {"SPEAKERS.TXT": f"; ID | SEX\n{rows}".encode()}
    for one in speakers:
        files[f"{subset}/{one}/7/{one}-7-0000.flac"] = NOISE + bytes([one])
    return packed(*(member(f"LibriSpeech/{name}", content) for name, content in files.items()))


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

    def refuse(self, match, *subsets, **changes):
        """Fetch what must be refused, in one sentence."""
        with pytest.raises(UserError, match=rf"{match}.*[^.]\.$") as caught:
            self.fetch(*subsets, **changes)
        assert ". " not in str(caught.value)

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
    return [found.path for found in list_recordings(locate(folder)).recordings]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


DEV_CLEAN = [f"dev-clean/{one}/7/{one}-7-0000.flac" for one in (1, 2, 3)]
TEST_OTHER = [f"test-other/{one}/7/{one}-7-0000.flac" for one in (4, 5)]
PLACE = "/resources/12/dev-clean.tar.gz"


def test_what_is_not_said_otherwise_comes_from_openslr_and_must_be_the_official_bytes(
    library, monkeypatch
):
    assert librispeech.OPENSLR == "https://www.openslr.org/resources/12"
    assert set(SHA256) == set(get_args(Subset))
    monkeypatch.setattr(librispeech, "OPENSLR", library.mirror.host)
    official = "76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3"
    library.refuse(f"instead of {official}", "dev-clean", mirror=None, checksums={})
    assert library.asked() == [PLACE]


# --- once -------------------------------------------------------------------------------------


def test_what_is_there_and_whole_is_neither_fetched_nor_unpacked_again(library, tmp_path):
    folder = library.fetch("dev-clean")
    (folder / "LibriSpeech" / ".DS_Store").touch()
    before = folder.stat()
    assert library.fetch("dev-clean", mirror=str(tmp_path / "unplugged")).stat() == before
    assert library.asked() == [PLACE]


def test_a_subset_is_fetched_once_and_the_archive_removed(library, tmp_path):
    folder = library.fetch("dev-clean")
    assert recordings(folder) == DEV_CLEAN
    assert library.asked() == [PLACE]
    assert names(library.archives) == []
    assert names(library.home) == ["dev-clean"]
    (folder / "LibriSpeech" / ".DS_Store").touch()
    before = folder.stat()
    assert library.fetch("dev-clean", mirror=str(tmp_path / "unplugged")).stat() == before


@pytest.mark.parametrize("harm", ["removed", "shorter", "no stamp", "torn stamp", "new archive"])
def test_what_is_not_whole_or_of_another_archive_is_fetched_again(library, harm):
    folder = library.fetch("dev-clean")
    file, stamp = folder / "LibriSpeech" / DEV_CLEAN[0], folder / librispeech.STAMP
    match harm:
        case "removed":
            file.unlink()
        case "shorter":
            file.write_bytes(b"")
        case "no stamp":
            stamp.unlink()
        case "torn stamp":
            stamp.write_text('{"sha256": [')
        case "new archive":
            library.offer("dev-clean", pack("dev-clean", [1, 2]))
    library.asked()
    expected = DEV_CLEAN[:2] if harm == "new archive" else DEV_CLEAN
    assert recordings(library.fetch("dev-clean")) == expected
    assert file.stat().st_size == len(NOISE) + 1
    assert library.asked() == [PLACE]


def test_a_kept_archive_is_checked_and_unpacked_again_and_each_step_is_shown(library):
    shown = {}

    @contextmanager
    def watch(doing):
        steps = shown[doing] = []
        yield lambda done, total: steps.append((done, total))

    folder = library.fetch("dev-clean", keep=True)
    kept = library.archives / "dev-clean.tar.gz"
    good = kept.read_bytes()
    for content, requests in ((good, []), (b"damaged", [PLACE])):
        shutil.rmtree(folder)
        kept.write_bytes(content)
        library.asked()
        assert recordings(library.fetch("dev-clean", keep=True, watch=watch)) == DEV_CLEAN
        assert library.asked() == requests
    steps = ("checking", "unpacking", "downloading")
    assert list(shown) == [f"{step} dev-clean.tar.gz" for step in steps]
    ends = [steps[-1] for steps in shown.values()]
    assert ends == [(len(b"damaged"),) * 2, (len(good),) * 2, (len(good),) * 2]
    assert json.loads((folder / librispeech.STAMP).read_text())["files"] == 4


def test_an_archive_of_something_else_leaves_nothing_unpacked(library):
    library.offer("dev-clean", pack("dev-cleen", [1]))
    library.refuse(r"holds no .*LibriSpeech/dev-clean/", "dev-clean")
    assert names(library.home) == []


# --- mirrors ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "/", "/resources/12", "/resources/12/", "/speech/english"])
def test_a_mirror_is_a_host_like_openslr_or_a_folder_on_one(library, path):
    place = f"{path.rstrip('/') or '/resources/12'}/dev-clean.tar.gz"
    library.mirror.files[place] = library.mirror.files.pop(PLACE)
    library.fetch("dev-clean", mirror=library.mirror.host + path)
    assert library.asked() == [place]


def test_a_folder_with_archives_is_read_where_it_lies(library, tmp_path):
    archive, mirror = tmp_path / "share" / "dev-clean.tar.gz", str(tmp_path / "share")
    archive.parent.mkdir()
    missing = rf"^{archive}: is not there, .* corpus_sha256"
    library.refuse(missing, "dev-clean", mirror=mirror)
    archive.write_bytes(b"else")
    library.refuse(missing, "dev-clean", mirror=mirror)
    assert archive.read_bytes() == b"else"
    archive.write_bytes(library.mirror.files[PLACE])
    assert recordings(library.fetch("dev-clean", mirror=mirror)) == DEV_CLEAN
    assert archive.is_file()
    assert not library.archives.exists()
    assert library.asked() == []


@pytest.mark.parametrize("named", ["ftp://openslr.org", "openslr.org", "/no/such/folder"])
def test_what_can_be_no_mirror_is_named(library, named):
    library.refuse(rf"corpus_mirror: {named} is neither", "dev-clean", mirror=named)


# --- the disk ---------------------------------------------------------------------------------


def test_too_little_room_is_reported_before_an_archive_comes_or_is_unpacked(library, monkeypatch):
    """With room for the archive itself, but not for what it holds."""
    size = len(library.mirror.files[PLACE])
    free = shutil.disk_usage("/")._replace(free=int(1.5 * size))
    monkeypatch.setattr(shutil, "disk_usage", lambda *_: free)
    library.refuse("archives: .* MB are needed there but .* MB are free", "dev-clean")
    assert names(library.archives) == []
    free = free._replace(free=int(0.5 * size))
    (library.archives / "dev-clean.tar.gz").write_bytes(library.mirror.files[PLACE])
    library.refuse("unfinished: .* MB are needed there but .* MB are free", "dev-clean")
    assert names(library.home) == []


# --- several subsets --------------------------------------------------------------------------


def test_a_list_of_subsets_is_one_corpus_that_takes_no_room_of_its_own(library):
    library.fetch("dev-clean")
    library.asked()
    folder = library.fetch("test-other", "dev-clean")
    assert library.asked() == ["/resources/12/test-other.tar.gz"]
    assert folder == library.home / "dev-clean+test-other"
    assert recordings(folder) == DEV_CLEAN + TEST_OTHER
    for path in DEV_CLEAN:
        link = folder / "LibriSpeech" / path
        assert link.samefile(library.home / "dev-clean" / "LibriSpeech" / path)
        assert not link.is_symlink()
    before = folder.stat()
    assert library.fetch("dev-clean", "test-other").stat() == before
    assert recordings(library.fetch("dev-clean")) == DEV_CLEAN
    (folder / "LibriSpeech" / TEST_OTHER[0]).unlink()
    assert recordings(library.fetch("dev-clean", "test-other")) == DEV_CLEAN + TEST_OTHER
    assert library.asked() == []
    library.offer("test-other", pack("test-other", [9]))
    folder = library.fetch("dev-clean", "test-other")
    assert recordings(folder) == [*DEV_CLEAN, "test-other/9/7/9-7-0000.flac"]
    # The official tables are all the same one, which stays as it is.
    official = "1 | M | dev-clean | 1 | Käthe\n4 | F | test-other | 1 | |CBW|Y\n"
    library.offer("dev-clean", pack("dev-clean", [1], official))
    library.offer("test-other", pack("test-other", [4], official))
    folder = library.fetch("dev-clean", "test-other")
    assert locate(folder).labels.read_text() == f"; ID | SEX\n{official}"


# --- archives that may come from anyone -------------------------------------------------------


GOOD = member("LibriSpeech/SPEAKERS.TXT", NOISE)
DAMAGED = "is cut short or damaged"
OUTSIDE = "holds '../evil', which leads out of the folder it is unpacked to"
SPECIAL = "holds 'link', which is neither a plain file nor a folder"
BOMB = f"unpacks to more than {MOST_TIMES} times its size"


def link(kind, target):
    return packed(GOOD, member("link", type=kind, linkname=target), member("link/evil", b"x"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", DAMAGED),
        (packed(GOOD)[:-1000], DAMAGED),
        (b"<html>Not Found</html>" * 100, DAMAGED),
        (gzip.compress(b"no tar" * 1000), DAMAGED),
        (gzip.compress(gzip.decompress(packed(GOOD))[:5000]), DAMAGED),
        (packed(GOOD, member("../evil", b"x")), OUTSIDE),
        (link(tarfile.SYMTYPE, ".."), SPECIAL),
        (link(tarfile.LNKTYPE, "/etc/passwd"), SPECIAL),
        (link(tarfile.CHRTYPE, ""), SPECIAL),
        (link(tarfile.FIFOTYPE, ""), SPECIAL),
        (packed(GOOD, member("bomb", bytes(20 * PADDING))), BOMB),
        (packed(*(member(f"{n}", bytes(50_000)) for n in range(400))), BOMB),
        (gzip.compress(member("b", size=10**15)[0].tobuf(tarfile.GNU_FORMAT) + NOISE), BOMB),
    ],
    # Bytes would be a name, and of an archive hold the time.
    ids=lambda value: value if isinstance(value, str) else "archive",
)
def test_a_damaged_or_hostile_archive_is_refused_and_nothing_gets_out(tmp_path, content, reason):
    archive, folder = tmp_path / "dev-clean.tar.gz", tmp_path / "inside"
    archive.write_bytes(content)
    folder.mkdir()
    with pytest.raises(UserError) as caught:
        unpack(archive, folder)
    said = f"{archive}: {reason}, so nothing of it is used; get the archive from another place."
    assert str(caught.value) == said
    assert names(tmp_path) == ["dev-clean.tar.gz", "inside"]
    assert not any(path.is_symlink() for path in tmp_path.rglob("*"))
    assert sum(path.stat().st_size for path in folder.rglob("*")) < 2 * PADDING
