"""Download one large file: resumed after an interruption, retried, checked before use."""

import re
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from speech.errors import UserError
from speech.storage.files import require_space, sha256_of, writing
from speech.storage.progress import ByteProgress, unseen

RETRIES = Retry(
    total=5,
    backoff_factor=1,
    backoff_jitter=0.5,
    retry_after_max=60,
    status_forcelist=(408, 425, 429, 500, 502, 503, 504),
    raise_on_status=False,
)
"""Retries in a row without a byte gained; the waits between them add up to half a minute."""
TIMEOUT = (30.0, 60.0)
"""Seconds to connect, and between two pieces of the body."""
PIECE = 1 << 16
"""Bytes read at once: what a kill loses, and how often a slow connection shows progress."""


def download(
    url: str,
    target: Path,
    sha256: str,
    *,
    extra_room: float = 0.0,
    progress: ByteProgress = unseen,
) -> None:
    """Download a file.

    What has arrived lies in ``<target>.part`` and is resumed, by this run or by the next one if
    this is killed. It takes the target's name once its checksum is right. Proxies are those of
    the environment (``HTTPS_PROXY``, ``NO_PROXY`` …).

    Parameters
    ----------
    url
        http or https.
    target
        The file to create or replace; its folder is made.
    sha256
        Its checksum, 64 lower-case hexadecimal digits.
    extra_room
        How much room on the disk is needed besides, in multiples of the file's size.
    progress
        Called as bytes arrive, and as they are checked.

    Raises
    ------
    UserError
        If the server refuses or fails again and again, sends something else than the checksum
        promises (what arrived is removed then), or the disk is full.
    """
    part = target.with_name(f"{target.name}.part")
    with writing(part):
        part.parent.mkdir(parents=True, exist_ok=True)
        # Once more if a run before left something, which may be of another file.
        for _ in range(1 + (_size(part) > 0)):
            _receive(url, part, extra_room, progress)
            found = sha256_of(part, progress)
            if found == sha256:
                part.replace(target)
                return
            part.unlink()
    raise UserError(
        f"{_public(url)}: what came has the SHA-256 {found} instead of {sha256} and was "
        "removed; run again, or name another mirror in corpus_mirror."
    )


def _receive(url: str, part: Path, extra_room: float, progress: ByteProgress) -> None:
    """Ask for the rest of a file until the server has sent it all."""
    furthest, retries = _size(part), RETRIES
    try:
        with requests.Session() as session:
            for scheme in ("http://", "https://"):
                session.mount(scheme, HTTPAdapter(max_retries=RETRIES))
            while True:
                try:
                    return _request_rest(session, url, part, extra_room, progress)
                except HTTPError as error:  # the body broke off, which the session does not retry
                    # Not the size before the last try counts: a server that always starts anew
                    # and always breaks off gains nothing.
                    if _size(part) > furthest:
                        furthest, retries = _size(part), RETRIES
                    retries = retries.increment("GET", url, error=error)
                    retries.sleep()
    except (HTTPError, requests.RequestException) as error:
        raise UserError(
            f"{_public(url)}: cannot be downloaded ({_innermost(error)}); check the network, the "
            "proxy, the certificates and corpus_mirror, and run again "
            f"({_size(part):,} bytes have come and are kept)."
        ) from None


def _request_rest(
    session: requests.Session, url: str, part: Path, extra_room: float, progress: ByteProgress
) -> None:
    start = _size(part)
    # Identity: a compressed transfer could be neither resumed nor measured.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code == 416 and start:
            return  # all is here already, or it is another file, which its checksum tells
        if response.status_code not in (200, 206):
            raise UserError(
                f"{_public(url)}: the server says {response.status_code} {response.reason}; run "
                "again later, or name in corpus_mirror a place that holds the file, such as "
                "https://us.openslr.org/resources/12."
            )
        if response.status_code == 200:  # from the beginning, because the server knows no ranges
            start = 0
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if length.isdecimal() else None
        require_space(part.parent, (1 + extra_room) * (total or start) - start)
        with part.open("ab" if start else "wb") as file:
            progress(start, total)
            # Not iter_content, which would unpack what a server labels as `Content-Encoding: gzip`
            # only because the file's name ends so.
            for piece in response.raw.stream(PIECE, decode_content=False):
                file.write(piece)
                progress(file.tell(), total)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _innermost(error: BaseException) -> str:
    """Name the cause below the layers of libraries: ``Connection refused``."""
    while error.__context__ is not None:
        error = error.__context__
    return getattr(error, "strerror", None) or type(error).__name__


def _public(text: str) -> str:
    """Write a URL without the name and password it may hold."""
    return re.sub("//[^/]*@", "//", text, count=1)
