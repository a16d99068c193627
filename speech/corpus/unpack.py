"""Unpack a .tar.gz that may come from anyone: nothing outside the folder, no links, no bomb."""

import gzip
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from speech.errors import UserError
from speech.storage.files import require_space, writing
from speech.storage.progress import ByteProgress, unseen

MOST_TIMES = 4
"""So many times its own size an archive may unpack to: FLAC and MP3 shrink by a few per cent at
most when packed, and 16-bit recordings of speech to about half, so a corpus stays well below."""
PADDING = 1 << 20
"""Bytes more that it may: small archives are mostly headers, which shrink to nothing."""
LONGEST_NAME = 1024
"""Characters of a path: what macOS takes, the strictest of the usual systems."""

_DAMAGED = (
    EOFError,
    gzip.BadGzipFile,
    tarfile.TarError,
    zlib.error,
    # tarfile lets these out as they come: numbers that are none, and header upon header.
    ValueError,
    RecursionError,
)


class _RefusedError(Exception):
    """An archive that no corpus comes in, and why."""


def unpack(archive: Path, folder: Path, progress: ByteProgress = unseen) -> None:
    """Unpack an archive of files and folders.

    The archive is read once, and each member is checked before it is written; access rights,
    owners and times in it are ignored.

    Parameters
    ----------
    archive
        A gzip-compressed tar.
    folder
        Where to; must be there and empty. If an error is raised, what was written stays there.
    progress
        Called with the bytes of the archive that were read.

    Raises
    ------
    UserError
        If the archive is cut short or damaged; if a member is a link or a device, or its name
        leads out of the folder, is not printable ASCII or comes twice (capitals apart); if it
        unpacks to more than `MOST_TIMES` its size; or if the disk is full.
    """
    try:
        with writing(folder):
            _unpack(archive, folder, progress)
    except _RefusedError as refused:
        raise UserError(
            f"{archive}: {refused}, so nothing of it is used; get the archive from another place."
        ) from None


def _unpack(archive: Path, folder: Path, progress: ByteProgress) -> None:
    size = archive.stat().st_size
    bound = MOST_TIMES * size + PADDING
    known = {".": (".", True)}
    try:
        with archive.open("rb") as packed, gzip.open(packed) as plain:
            bounded = _Bounded(plain, bound)
            # As a stream: a seekable tar steps back between members, which makes gzip start anew.
            with tarfile.open(fileobj=bounded, mode="r|") as tar:
                for member in tar:
                    path = folder / _checked_path(member, known)
                    # Headers count, or a million empty files would be nothing.
                    _require_within(bound, member.offset_data + member.size)
                    _write(tar, member, path)
                    progress(packed.tell(), size)
            # On to where gzip's checksum is. A damaged header, too, is an end to tarfile.
            while rest := bounded.read(PADDING):
                if rest.strip(b"\0"):
                    raise tarfile.ReadError("more after the end")
    except _DAMAGED:
        raise _RefusedError("is cut short or damaged") from None


class _Bounded:
    """A stream that ends in an error rather than give more than it may."""

    def __init__(self, stream: BinaryIO, bound: int) -> None:
        self._stream = stream
        self._bound = bound

    def read(self, size: int) -> bytes:
        # Ahead of the members' own sizes, because tarfile reads a header of any length into memory.
        piece = self._stream.read(size)
        _require_within(self._bound, self._stream.tell())
        return piece


def _require_within(bound: int, size: int) -> None:
    if size > bound:
        raise _RefusedError(f"unpacks to more than {MOST_TIMES} times its size")


def _checked_path(member: tarfile.TarInfo, known: dict[str, tuple[str, bool]]) -> PurePosixPath:
    """Return where a member belongs, relative to the folder, and remember it.

    `known` holds each path so far and whether it is a folder, by the path without capitals: on
    some disks names that differ in capitals only are one.
    """
    name, path = member.name, PurePosixPath(member.name)
    shown = ascii(name[:LONGEST_NAME])
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise _RefusedError(f"holds {shown}, which is neither a plain file nor a folder")
    if path.is_absolute() or ".." in path.parts:
        raise _RefusedError(f"holds {shown}, which leads out of the folder it is unpacked to")
    if not (name.isascii() and name.isprintable()) or "\\" in name or len(name) > LONGEST_NAME:
        raise _RefusedError(f"holds {shown}, which is no name that every disk takes")
    for place, is_folder in [(path, member.isdir()), *((parent, True) for parent in path.parents)]:
        entry = (str(place), is_folder)
        # Only a folder may be met again, and only by the very same name.
        key = entry[0].lower()
        if key in known and not (is_folder and known[key] == entry):
            raise _RefusedError(f"holds {shown} twice")
        known[key] = entry
    return path


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    if member.isdir():
        path.mkdir(parents=True, exist_ok=True)
        return
    require_space(path.parent, member.size)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = tar.extractfile(member)
    assert content is not None, "plain files have content"
    with content, path.open("xb") as file:
        shutil.copyfileobj(content, file)
