"""The official archives of LibriSpeech: fetched once, checked, unpacked once.

OpenSLR resource 12, https://www.openslr.org/12.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from speech.corpus.download import NotThereError, download, sha256_of
from speech.corpus.librispeech import SPEAKERS_FILE
from speech.corpus.unpack import unpack
from speech.errors import UserError
from speech.params import Subset
from speech.storage.files import link_or_copy, replacing_folder, require_space, write_json, writing
from speech.storage.progress import Watch, unwatched

RESOURCE = "resources/12"
"""Where OpenSLR and its mirrors keep LibriSpeech."""
OPENSLR = f"https://www.openslr.org/{RESOURCE}"

ROOT = "LibriSpeech"
"""The folder that every archive holds."""
STAMP = "unpacked.json"
"""Beside it, once all is unpacked: from which archives, how many files, how many bytes."""

UNPACKED = 1.1
"""Bytes on disk for each byte of an archive: FLAC does not shrink, and files fill whole blocks."""


class Archive(NamedTuple):
    """An official archive: its size in bytes, and its checksum, which decides."""

    size: int
    sha256: str


ARCHIVES: Mapping[Subset, Archive] = MappingProxyType(
    {
        "dev-clean": Archive(
            337_926_286, "76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3"
        ),
        "dev-other": Archive(
            314_305_928, "12661c48e8c3fe1de2c1caa4c3e135193bfb1811584f11f569dd12645aa84365"
        ),
        "test-clean": Archive(
            346_663_984, "39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23"
        ),
        "test-other": Archive(
            328_757_843, "d09c181bba5cf717b3dee7d4d592af11a3ee3a09e08ae025c5506f6ebe961c29"
        ),
        "train-clean-100": Archive(
            6_387_309_499, "d4ddd1d5a6ab303066f14971d768ee43278a5f2a0aa43dc716b0e64ecbbbf6e2"
        ),
        "train-clean-360": Archive(
            23_049_477_885, "146a56496217e96c14334a160df97fffedd6e0a04e66b9c5af0d40be3c792ecf"
        ),
        "train-other-500": Archive(
            30_593_501_606, "ddb22f27f96ec163645d53215559df6aa36515f26e01dd70798188350adcb6d2"
        ),
    }
)


def fetch_subsets(
    subsets: Collection[Subset],
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
        them where OpenSLR has them or at its root; or a folder, in which they are left.
    checksums
        SHA-256 of archives that are not the official ones.
    keep
        Whether archives stay after they are unpacked.
    watch
        Shown each step.

    Returns
    -------
    Path
        The folder that holds ``LibriSpeech/`` with these subsets and no others.

    Raises
    ------
    UserError
        If an archive cannot be had, is not what its checksum says or cannot be unpacked; or if
        the disk has too little room, which is looked at before anything is fetched.
    """
    wanted = {
        subset: checksums.get(subset, archive.sha256)
        for subset, archive in ARCHIVES.items()
        if subset in subsets
    }
    missing = [subset for subset in wanted if not _is_whole(home / subset, [wanted[subset]])]
    if missing:
        mirror = mirror or OPENSLR
        remote = re.match("https?://", mirror, re.IGNORECASE) is not None
        store = archives if remote else _mirror_folder(mirror)
        official = [subset for subset in missing if subset not in checksums]
        require_space(home, _room(official, store, keep))
        for subset in missing:
            archive = store / _name(subset)
            if remote:
                _have(archive, wanted[subset], mirror, watch)
            else:
                _require(archive, wanted[subset], watch)
            _unpack(archive, subset, wanted[subset], home / subset, watch)
            if remote and not keep:
                archive.unlink()
    return home / next(iter(wanted)) if len(wanted) == 1 else _together(home, wanted)


def _mirror_folder(mirror: str) -> Path:
    if not Path(mirror).is_dir():
        raise UserError(
            f"corpus_mirror: {mirror} is neither an http(s) URL nor a folder; change or remove it."
        )
    return Path(mirror)


def _name(subset: Subset) -> str:
    return f"{subset}.tar.gz"


def _room(subsets: Collection[Subset], store: Path, keep: bool) -> float:
    """Say how many bytes official archives take until all of them are here and unpacked."""
    unpacked = sum(UNPACKED * ARCHIVES[subset].size for subset in subsets)
    coming = [max(0, ARCHIVES[subset].size - _arrived(subset, store)) for subset in subsets]
    # Archives that are not kept lie there one at a time.
    return unpacked + (sum(coming) if keep else max(coming, default=0))


def _arrived(subset: Subset, store: Path) -> int:
    here = (store / _name(subset), store / f"{_name(subset)}.part")
    return sum(file.stat().st_size for file in here if file.is_file())


# --- archives ---------------------------------------------------------------------------------


def _have(archive: Path, sha256: str, mirror: str, watch: Watch) -> None:
    """Download an archive, unless an earlier run did."""
    if archive.is_file() and _checksum(archive, watch) == sha256:
        return
    addresses = [f"{mirror.rstrip('/')}/{archive.name}"]
    if re.fullmatch("[a-zA-Z]+://[^/]+/?", mirror):  # a host alone
        addresses.insert(0, f"{mirror.rstrip('/')}/{RESOURCE}/{archive.name}")
    for address in addresses:
        try:
            with watch(f"downloading {archive.name}") as progress:
                download(address, archive, sha256, progress=progress)
            return
        except NotThereError:
            if address == addresses[-1]:
                raise


def _require(archive: Path, sha256: str, watch: Watch) -> None:
    """Insist on an archive in the user's own folder, which is never written to."""
    if not archive.is_file():
        raise UserError(f"{archive}: no such file; put it there, or change corpus_mirror.")
    try:
        found = _checksum(archive, watch)
    except OSError as error:
        raise UserError(
            f"{archive}: cannot be read ({error.strerror}); mend its access rights, or change "
            "corpus_mirror."
        ) from None
    if found != sha256:
        raise UserError(
            f"{archive}: has the SHA-256 {found} instead of {sha256}; get it again, or set "
            "corpus_sha256 if it is meant to be another than the official archive."
        )


def _checksum(archive: Path, watch: Watch) -> str:
    with watch(f"checking {archive.name}") as progress:
        return sha256_of(archive, progress).hexdigest()


# --- what is unpacked -------------------------------------------------------------------------


def _unpack(archive: Path, subset: Subset, sha256: str, target: Path, watch: Watch) -> None:
    with writing(target), replacing_folder(target) as folder:
        with watch(f"unpacking {archive.name}") as progress:
            unpack(archive, folder, progress)
        if not ((folder / ROOT / SPEAKERS_FILE).is_file() and (folder / ROOT / subset).is_dir()):
            raise UserError(
                f"{archive}: holds no {ROOT}/{SPEAKERS_FILE} and {ROOT}/{subset}/; pack it as the "
                "official archive is packed, and set its checksum in corpus_sha256."
            )
        write_json(folder / STAMP, _state(folder, [sha256]))


def _together(home: Path, wanted: Mapping[Subset, str]) -> Path:
    """Bring subsets together: DVC does not follow links to folders inside an out."""
    target, sha256s = home / "+".join(wanted), list(wanted.values())
    if not _is_whole(target, sha256s):
        roots = {subset: home / subset / ROOT for subset in wanted}
        with writing(target), replacing_folder(target) as folder:
            for subset, root in roots.items():
                for file in _files(root / subset):
                    link = folder / ROOT / file.relative_to(root)
                    link.parent.mkdir(parents=True, exist_ok=True)
                    link_or_copy(file, link)
            # The official tables are all the same one.
            tables = [(root / SPEAKERS_FILE).read_bytes().splitlines() for root in roots.values()]
            lines = dict.fromkeys(chain.from_iterable(tables))
            (folder / ROOT / SPEAKERS_FILE).write_bytes(b"\n".join([*lines, b""]))
            write_json(folder / STAMP, _state(folder, sha256s))
    return target


def _is_whole(folder: Path, sha256s: Sequence[str]) -> bool:
    try:
        stamp = json.loads((folder / STAMP).read_bytes())
    except (OSError, ValueError):
        return False
    return stamp == _state(folder, sha256s)


def _state(folder: Path, sha256s: Sequence[str]) -> dict[str, Any]:
    sizes = [file.stat().st_size for file in _files(folder / ROOT)]
    return {"sha256": list(sha256s), "files": len(sizes), "bytes": sum(sizes)}


def _files(folder: Path) -> Iterator[Path]:
    """List files but those that a desktop leaves behind, such as ``.DS_Store``."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            yield path
