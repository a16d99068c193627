"""LibriSpeech's official archives: fetched once, checked, unpacked once.

OpenSLR resource 12, https://www.openslr.org/12.
"""

import gzip
import json
import re
import tarfile
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any

from speech.corpus.download import download
from speech.corpus.layouts import SPEAKERS_TXT
from speech.errors import UserError
from speech.params import Subset
from speech.storage.files import (
    link_or_copy,
    replacing_folder,
    require_space,
    sha256_of,
    write_json,
)
from speech.storage.progress import ByteProgress, Watch, unseen, unwatched

RESOURCE = "resources/12"
"""Where OpenSLR and its mirrors keep LibriSpeech."""
OPENSLR = f"https://www.openslr.org/{RESOURCE}"

ROOT = "LibriSpeech"
"""The folder that every archive holds."""
STAMP = "unpacked.json"
"""Beside it, once all is unpacked: from which archives, how many files, how many bytes."""

UNPACKED = 1.1
"""Bytes on disk for each byte of an archive: FLAC does not shrink, and files fill whole blocks."""
MOST_TIMES = 4
"""So many times its own size an archive may unpack to: FLAC and MP3 shrink by a few per cent at
most when packed, and 16-bit recordings of speech to about half."""
PADDING = 1 << 20
"""Bytes more that it may: small archives are mostly headers, which shrink to nothing."""


SHA256: Mapping[Subset, str] = {
    "dev-clean": "76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3",
    "dev-other": "12661c48e8c3fe1de2c1caa4c3e135193bfb1811584f11f569dd12645aa84365",
    "test-clean": "39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23",
    "test-other": "d09c181bba5cf717b3dee7d4d592af11a3ee3a09e08ae025c5506f6ebe961c29",
    "train-clean-100": "d4ddd1d5a6ab303066f14971d768ee43278a5f2a0aa43dc716b0e64ecbbbf6e2",
    "train-clean-360": "146a56496217e96c14334a160df97fffedd6e0a04e66b9c5af0d40be3c792ecf",
    "train-other-500": "ddb22f27f96ec163645d53215559df6aa36515f26e01dd70798188350adcb6d2",
}
"""Of the official archives."""


def fetch_subsets(
    subsets: Collection[str],
    home: Path,
    archives: Path,
    *,
    mirror: str | None = None,
    checksums: Mapping[Subset, str] = MappingProxyType({}),
    keep: bool = False,
    watch: Watch = unwatched,
) -> Path:
    """Have subsets of LibriSpeech on disk, fetching only what is not there and whole.

    Parameters
    ----------
    subsets
        Which; their order does not matter.
    home
        Each subset is unpacked to ``<home>/<subset>/``. Several are brought together in
        ``<home>/<subset>+<subset>/`` by hard links, which take no room.
    archives
        The folder where archives arrive, and stay if they are kept.
    mirror
        In place of `OPENSLR`: the URL of a folder that holds the archives, or of a host that has
        them where OpenSLR has them; or a folder, in which they are left.
    checksums
        SHA-256 of archives that are not the official ones.
    keep
        Whether archives stay after they are unpacked.
    watch
        Shows each step.

    Returns
    -------
    Path
        The folder that holds ``LibriSpeech/`` with these subsets and no others.

    Raises
    ------
    UserError
        If an archive cannot be had, is not what its checksum says or cannot be unpacked; or if
        the disk has too little room for it and what it holds, which is looked at before it comes.
    """
    mirror = mirror or OPENSLR
    remote = re.match("https?://", mirror, re.IGNORECASE) is not None
    store = archives if remote else Path(mirror)
    wanted = {s: checksums.get(s, sha256) for s, sha256 in SHA256.items() if s in subsets}
    missing = [subset for subset in wanted if not _is_whole(home / subset, [wanted[subset]])]
    if missing and not (remote or store.is_dir()):
        raise UserError(
            f"corpus_mirror: {mirror} is neither an http(s) URL nor a folder; change or remove it."
        )
    for subset in missing:
        archive = store / f"{subset}.tar.gz"
        if not _is_sound(archive, wanted[subset], watch):
            if not remote:
                raise UserError(
                    f"{archive}: is not there, cannot be read, or has another SHA-256 than "
                    f"{wanted[subset]}; get it again, or set corpus_sha256 if it is meant to be "
                    "another than the official archive."
                )
            with watch(f"downloading {archive.name}") as progress:
                place = mirror.rstrip("/")
                if re.fullmatch("[^/]+//[^/]+", place):  # a host alone has the folder of OpenSLR
                    place = f"{place}/{RESOURCE}"
                url = f"{place}/{archive.name}"
                download(url, archive, wanted[subset], extra_room=UNPACKED, progress=progress)
        _unpack_subset(archive, subset, wanted[subset], home / subset, watch)
        if remote and not keep:
            archive.unlink()
    return home / next(iter(wanted)) if len(wanted) == 1 else _combine(home, wanted)


def unpack(archive: Path, folder: Path, progress: ByteProgress = unseen) -> None:
    """Unpack a .tar.gz that may come from anyone.

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
        If the archive is damaged, holds anything but files and folders, holds a name that leads
        out of the folder, unpacks to more than `MOST_TIMES` its size, or the disk is full.
    """
    size = archive.stat().st_size
    room = MOST_TIMES * size + PADDING
    require_space(folder, UNPACKED * size)
    try:
        with archive.open("rb") as packed, tarfile.open(fileobj=packed, mode="r:gz") as tar:
            for member in tar:
                room -= member.size
                if room < 0:
                    raise _refused(archive, f"unpacks to more than {MOST_TIMES} times its size")
                if not (member.isreg() or member.isdir()):
                    what = f"holds {member.name!a}, which is neither a plain file nor a folder"
                    raise _refused(archive, what)
                tar.extract(member, folder, filter="data")
                progress(packed.tell(), size)
    except tarfile.FilterError as error:
        what = f"holds {error.tarinfo.name!a}, which leads out of the folder it is unpacked to"
        raise _refused(archive, what) from None
    except (EOFError, gzip.BadGzipFile, tarfile.TarError, zlib.error, ValueError):
        raise _refused(archive, "is cut short or damaged") from None


def _refused(archive: Path, what: str) -> UserError:
    return UserError(
        f"{archive}: {what}, so nothing of it is used; get the archive from another place."
    )


# --- archives ---------------------------------------------------------------------------------


def _is_sound(archive: Path, sha256: str, watch: Watch) -> bool:
    try:
        with watch(f"checking {archive.name}") as progress:
            return sha256_of(archive, progress) == sha256
    except OSError:
        return False


# --- what is unpacked -------------------------------------------------------------------------


def _unpack_subset(archive: Path, subset: Subset, sha256: str, target: Path, watch: Watch) -> None:
    with replacing_folder(target) as folder:
        with watch(f"unpacking {archive.name}") as progress:
            unpack(archive, folder, progress)
        if not ((folder / ROOT / SPEAKERS_TXT).is_file() and (folder / ROOT / subset).is_dir()):
            raise UserError(
                f"{archive}: holds no {ROOT}/{SPEAKERS_TXT} and {ROOT}/{subset}/; pack it as the "
                "official archive is packed, and set its checksum in corpus_sha256."
            )
        write_json(folder / STAMP, _contents(folder, [sha256]))


def _combine(home: Path, wanted: Mapping[Subset, str]) -> Path:
    """Bring subsets together: DVC does not follow links to folders inside an out."""
    target, sha256s = home / "+".join(wanted), list(wanted.values())
    if _is_whole(target, sha256s):
        return target
    roots = {subset: home / subset / ROOT for subset in wanted}
    with replacing_folder(target) as folder:
        for subset, root in roots.items():
            for file in _files(root / subset):
                link = folder / ROOT / file.relative_to(root)
                link.parent.mkdir(parents=True, exist_ok=True)
                link_or_copy(file, link)
        # The official tables are all the same one.
        tables = [(root / SPEAKERS_TXT).read_bytes().splitlines() for root in roots.values()]
        lines = dict.fromkeys(chain.from_iterable(tables))
        (folder / ROOT / SPEAKERS_TXT).write_bytes(b"\n".join([*lines, b""]))
        write_json(folder / STAMP, _contents(folder, sha256s))
    return target


def _is_whole(folder: Path, sha256s: Sequence[str]) -> bool:
    try:
        stamp = json.loads((folder / STAMP).read_bytes())
    except (OSError, ValueError):
        return False
    return stamp == _contents(folder, sha256s)


def _contents(folder: Path, sha256s: Sequence[str]) -> dict[str, Any]:
    sizes = [file.stat().st_size for file in _files(folder / ROOT)]
    return {"sha256": list(sha256s), "files": len(sizes), "bytes": sum(sizes)}


def _files(folder: Path) -> Iterator[Path]:
    """List files but those that a desktop leaves behind, such as ``.DS_Store``."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            yield path
