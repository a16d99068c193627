"""An archive may come from anyone: it is unpacked whole into its folder, or refused."""

import gzip
import io
import shutil
import stat
import tarfile

import numpy as np
import pytest

from speech.corpus.unpack import MOST_TIMES, PADDING, unpack
from speech.errors import UserError

NOISE = np.random.default_rng(17).bytes(50_000)
FILES = {
    "LibriSpeech/SPEAKERS.TXT": b"; a table\n",
    "LibriSpeech/dev-clean/84/121123/84-121123-0000.flac": NOISE,
    "LibriSpeech/dev-clean/84/121123/84-121123-0001.flac": NOISE[::-1],
    "LibriSpeech/dev-clean/empty.txt": b"",
}


def member(name, content=b"", **attributes):
    """Make a member and its content; attributes are those of `tarfile.TarInfo`."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, content


def packed(*members, format=tarfile.GNU_FORMAT):
    """Pack members, however hostile, in memory."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", format=format) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


GOOD = [member(name, content) for name, content in FILES.items()]


@pytest.fixture
def unpacked(tmp_path):
    """Write bytes to dev-clean.tar.gz, unpack them, and give the folder."""

    def do(content, progress=lambda *_: None):
        archive, folder = tmp_path / "dev-clean.tar.gz", tmp_path / "inside"
        archive.write_bytes(content)
        folder.mkdir()
        unpack(archive, folder, progress)
        return folder

    return do


@pytest.fixture
def refused(unpacked, tmp_path):
    """Unpack what must be refused; give the reason."""

    def do(content):
        with pytest.raises(UserError) as caught:
            unpacked(content)
        said = str(caught.value)
        assert said.startswith(f"{tmp_path}/dev-clean.tar.gz: ")
        assert said.endswith(", so nothing of it is used; get the archive from another place.")
        assert "\n" not in said
        assert {path.name for path in tmp_path.iterdir()} == {"dev-clean.tar.gz", "inside"}
        assert not any(path.is_symlink() for path in tmp_path.rglob("*"))
        return said.removeprefix(f"{tmp_path}/dev-clean.tar.gz: ").rpartition(", so")[0]

    return do


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_files_come_out_as_they_went_in(unpacked, format):
    assert contents(unpacked(packed(*GOOD, format=format))) == FILES


def test_what_the_usual_tools_pack_is_unpacked(tmp_path, unpacked):
    for name, content in FILES.items():
        (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "source" / name).write_bytes(content)
    archive = shutil.make_archive(tmp_path / "made", "gztar", tmp_path / "source", ".")
    assert contents(unpacked((tmp_path / archive).read_bytes())) == FILES


def test_rights_and_owners_in_the_archive_do_not_count(unpacked):
    folder = unpacked(packed(member("a", b"x", mode=0o4000, uid=12345)))
    assert contents(folder) == {"a": b"x"}
    assert stat.S_IMODE((folder / "a").stat().st_mode) & 0o7000 == 0


def test_long_names_and_folders_that_come_twice_are_fine(unpacked):
    name = "/".join(["LibriSpeech", "long" * 40, "0.flac"])
    directory = member("LibriSpeech", type=tarfile.DIRTYPE)
    assert contents(unpacked(packed(directory, directory, member(name, b"x")))) == {name: b"x"}


def test_progress_is_told_in_bytes_of_the_archive(unpacked):
    told, content = [], packed(*GOOD)
    unpacked(content, lambda done, total: told.append((done, total)))
    assert len(told) == len(FILES)
    assert told == sorted(told)
    assert told[-1] == (len(content), len(content))


# --- damaged ------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0, 0.001, 0.3, 0.9, 0.9999])
def test_a_truncated_archive_is_refused(refused, share):
    content = packed(*GOOD)
    assert refused(content[: int(len(content) * share)]) == "is cut short or damaged"


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_damaged_archive_is_refused(refused, share):
    content = bytearray(packed(*GOOD))
    content[int(len(content) * share)] ^= 0xFF
    assert refused(bytes(content)) == "is cut short or damaged"


@pytest.mark.parametrize("kind", ["page", "zip", "tar", "gzip"])
def test_what_is_no_tar_gz_is_refused(refused, kind):
    content = {
        "page": b"<html>Not Found</html>" * 100,
        "zip": b"PK\x03\x04" + NOISE,
        "tar": gzip.decompress(packed(*GOOD)),
        "gzip": gzip.compress(b"no tar" * 1000),
    }
    assert refused(content[kind]) == "is cut short or damaged"


def test_a_damaged_header_in_a_sound_gzip_is_not_taken_for_the_end(refused):
    plain = bytearray(gzip.decompress(packed(*GOOD)))
    second = plain.index(b"LibriSpeech/dev-clean")
    plain[second] = 0xFF
    assert refused(gzip.compress(bytes(plain))) == "is cut short or damaged"


@pytest.mark.parametrize("end", [512 + 10, 512 * 4 + 10])
def test_a_tar_cut_short_before_it_was_compressed_is_refused(refused, end):
    plain = gzip.decompress(packed(*GOOD))
    assert refused(gzip.compress(plain[:end])) == "is cut short or damaged"


def extended(**records):
    """Make an extended header of exactly these records, which `tarfile` would not write."""
    content = b""
    for key, value in records.items():
        record = f" {key.replace('_', '.')}={value}\n".encode()
        length = len(record) + 2
        content += str(length + (length > 99)).encode() + record
    header = tarfile.TarInfo("header")
    header.type, header.size = tarfile.XHDTYPE, len(content)
    return header.tobuf() + content.ljust(tarfile.BLOCKSIZE, b"\0")


@pytest.mark.parametrize(
    "headers",
    [
        extended(GNU_sparse_map="one,two"),
        extended(GNU_sparse_size="much"),
        extended(GNU_sparse_major=1, GNU_sparse_minor=0),
        2000 * extended(comment="header upon header"),
    ],
    ids=["map", "size", "version", "depth"],
)
def test_extended_headers_that_tarfile_stumbles_over_are_refused(refused, headers):
    plain = gzip.decompress(packed(*GOOD))
    assert refused(gzip.compress(headers + plain)) == "is cut short or damaged"


# --- hostile ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["/tmp/evil", "//evil", "../evil", "LibriSpeech/../../evil", "a/..", "..", "./../evil"]
)
def test_a_name_that_leads_outside_is_refused(refused, name):
    assert refused(packed(*GOOD, member(name, b"x"))) == (
        f"holds {name!r}, which leads out of the folder it is unpacked to"
    )


@pytest.mark.parametrize(
    "kind",
    [
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
        tarfile.FIFOTYPE,
        b"Z",
    ],
)
@pytest.mark.parametrize("target", ["/etc/passwd", "SPEAKERS.TXT"])
def test_what_is_neither_file_nor_folder_is_refused(refused, kind, target):
    said = refused(packed(*GOOD, member("LibriSpeech/link", type=kind, linkname=target)))
    assert said == "holds 'LibriSpeech/link', which is neither a plain file nor a folder"


def test_nothing_is_written_through_a_link(refused, tmp_path):
    link = member("way-out", type=tarfile.SYMTYPE, linkname="..")
    refused(packed(link, member("way-out/evil", b"x")))
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[2J", "a\\b", "Käse", "a\x7f", "n" * 1025])
def test_a_name_that_not_every_disk_takes_is_refused(refused, name):
    assert "which is no name that every disk takes" in refused(packed(member(name, b"x")))


@pytest.mark.parametrize(
    ("first", "second"),
    [("a/b", "a/b"), ("a/b", "A/c"), ("a/b", "a/B"), ("a", "a/b"), ("a/b", "./a/b"), ("a/b", "a")],
)
def test_two_members_in_one_place_are_refused(refused, first, second):
    assert refused(packed(member(first, b"x"), member(second, b"y"))) == f"holds {second!r} twice"


TOO_MUCH = f"unpacks to more than {MOST_TIMES} times its size"


def test_a_bomb_is_refused_before_it_is_written(refused, tmp_path):
    bomb = member("bomb", bytes(20 * PADDING))
    assert refused(packed(*GOOD, bomb)) == TOO_MUCH
    assert contents(tmp_path / "inside") == FILES


def test_a_bomb_of_many_small_files_is_refused_early(refused, tmp_path):
    assert refused(packed(*(member(f"{n}", bytes(5000)) for n in range(4000)))) == TOO_MUCH
    written = sum(map(len, contents(tmp_path / "inside").values()))
    assert written < 2 * PADDING


def test_empty_files_count_too(refused):
    assert refused(packed(*(member(f"{n}") for n in range(5000)))) == TOO_MUCH


def test_a_size_that_is_only_declared_is_refused(refused, tmp_path):
    info, _ = member("bomb")
    info.size = 10**15
    header = info.tobuf(tarfile.GNU_FORMAT)
    assert refused(gzip.compress(header + NOISE)) == TOO_MUCH
    assert contents(tmp_path / "inside") == {}


def test_a_header_that_would_fill_the_memory_is_refused(refused):
    info, _ = member("././@LongLink", type=tarfile.GNUTYPE_LONGNAME)
    info.size = 1 << 32
    content = gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(30 * PADDING))
    assert refused(content) == TOO_MUCH


def test_zeros_without_end_after_the_last_member_are_refused(refused):
    plain = gzip.decompress(packed(*GOOD))
    assert refused(gzip.compress(plain + bytes(20 * PADDING))) == TOO_MUCH


def test_a_sparse_file_is_refused(refused):
    sparse, content = member("holes", NOISE[:512])
    plain = sparse.tobuf(tarfile.GNU_FORMAT)
    header = bytearray(plain)
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[386:398] = b"00000000000\0"
    header[398:410] = b"00000001000\0"
    header[483:495] = b"00000001000\0"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    assert "neither a plain file nor a folder" in refused(gzip.compress(bytes(header) + content))


# --- the disk -----------------------------------------------------------------------------------


def test_a_full_disk_is_told_before_a_file_is_written(unpacked, tmp_path, monkeypatch):
    free = shutil.disk_usage(tmp_path)._replace(free=len(NOISE) - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda *_: free)
    with pytest.raises(UserError, match=r"inside.*: 0\.1 MB are needed there but 0\.0 MB"):
        unpacked(packed(*GOOD))
    assert contents(tmp_path / "inside") == {"LibriSpeech/SPEAKERS.TXT": b"; a table\n"}


def test_what_the_disk_refuses_is_told(tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(packed(member("n" * 300, b"x")))
    with pytest.raises(UserError, match=r"inside: cannot be written \(File name too long\)"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "inside")
