"""Download one large file: gone on with after an interruption, retried, checked before use."""

import hashlib
import random
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests
from urllib3.exceptions import HTTPError, InvalidHeader
from urllib3.util import Retry

from speech.errors import UserError
from speech.storage.files import require_space, writing
from speech.storage.progress import ByteProgress, unseen

TRIES = 6
"""Failures in a row, without a byte gained, after which the user is asked."""
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds; doubled from try to try, so that six tries take half a minute."""
LONGEST_REQUESTED_WAIT = 600.0
"""Seconds that a server may ask to wait; beyond, the user had better come back."""
TIMEOUT = (30.0, 60.0)
"""Seconds to connect, and between two pieces of the body."""
PIECE = 1 << 16
"""Bytes read at once: what a kill loses, and how often a slow connection shows progress."""

_CONTENT_RANGE = re.compile(r"bytes (?P<start>\d+)-\d+/(?P<total>\d+|\*)")
_TRANSIENT_STATUS = {408, 425, 429, 500, 502, 503, 504}


class NotThereError(UserError):
    """The server has no such file."""


class _TransientError(Exception):
    """What may be over at the next try; `after` is how long the server asks to wait, if it does."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


def download(
    url: str,
    target: Path,
    sha256: str,
    *,
    progress: ByteProgress = unseen,
    wait: Callable[[float], None] = time.sleep,
) -> None:
    """Download a file.

    What has arrived lies in ``<target>.part`` and is gone on with, by this run or by the next one
    if this is killed. It takes the target's name once its checksum is right. Proxies are those of
    the environment (``HTTPS_PROXY``, ``NO_PROXY`` …).

    Parameters
    ----------
    url
        http or https.
    target
        The file to create or replace; its folder is made.
    sha256
        Its checksum, 64 lower-case hexadecimal digits.
    progress
        Called as bytes arrive.
    wait
        Waits so many seconds between two tries.

    Raises
    ------
    NotThereError
        If the server says 404 or 410.
    UserError
        If it refuses for another reason, fails `TRIES` times in a row, sends something else than
        the checksum promises (what arrived is removed then), or the disk is full.
    """
    path = target.with_name(f"{target.name}.part")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with requests.Session() as session, _Part(path) as part:
            from_earlier_run = part.length > 0
            while part.sha256 != sha256:
                _receive(session, url, part, progress, wait)
                if part.sha256 != sha256:
                    if not from_earlier_run:
                        path.unlink()
                        raise UserError(
                            f"{_public(url)}: what came has the SHA-256 {part.sha256} instead of "
                            f"{sha256} and was removed; run again, or name another mirror in "
                            "corpus_mirror."
                        )
                    # What an earlier run left may be of another file.
                    part.restart()
                    from_earlier_run = False
        path.replace(target)


def sha256_of(path: Path, progress: ByteProgress = unseen) -> "hashlib._Hash":
    """Read a file and return the SHA-256 object that has seen it all."""
    seen, total = hashlib.sha256(), path.stat().st_size
    done = 0
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            seen.update(piece)
            done += len(piece)
            progress(done, total)
    return seen


class _Part:
    """What has arrived of a file: on disk, its length, and its checksum without reading it again.

    Ends with the ``with`` block; the file stays.
    """

    def __init__(self, path: Path) -> None:
        self.folder = path.parent
        self._file = path.open("ab")
        self._hash = sha256_of(path)
        self.length = path.stat().st_size
        self.total: int | None = None

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def add(self, piece: bytes) -> None:
        self._file.write(piece)
        self._hash.update(piece)
        self.length += len(piece)

    def restart(self) -> None:
        self._file.truncate(0)
        self._hash = hashlib.sha256()
        self.length = 0
        self.total = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()


def _receive(
    session: requests.Session,
    url: str,
    part: _Part,
    progress: ByteProgress,
    wait: Callable[[float], None],
) -> None:
    """Ask for the rest until the server has sent it all."""
    # Not the length before the last try: a server that always starts anew and always breaks off
    # gains nothing from one try to the next.
    furthest, failures = part.length, 0
    while True:
        try:
            return _ask_for_rest(session, url, part, progress)
        except _TransientError as error:
            if part.length > furthest:
                furthest, failures = part.length, 0
            failures += 1
            if failures == TRIES:
                raise UserError(
                    f"{_public(url)}: {error}, {TRIES} times in a row; check the network and the "
                    "proxy, or name a mirror in corpus_mirror, and run again "
                    f"({part.length:,} bytes have come and are kept)."
                ) from None
            wait(_pause(failures, error.after))


def _pause(failures: int, asked_for: float | None) -> float:
    # Jitter, so that many who were cut off at once do not come back at once.
    own = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (failures - 1)) * random.uniform(0.5, 1)
    return max(own, asked_for or 0)


def _ask_for_rest(session: requests.Session, url: str, part: _Part, progress: ByteProgress) -> None:
    # Identity: a compressed transfer could be neither gone on with nor measured.
    headers = {"Accept-Encoding": "identity"}
    if part.length:
        headers["Range"] = f"bytes={part.length}-"
    try:
        response = session.get(url, headers=headers, stream=True, timeout=TIMEOUT)
    except requests.exceptions.SSLError as error:
        raise UserError(
            f"{_public(url)}: no trusted connection ({_innermost(error)}); mend the certificates "
            "(REQUESTS_CA_BUNDLE names a file of them) or name a mirror in corpus_mirror."
        ) from None
    except (requests.ConnectionError, requests.Timeout) as error:
        raise _TransientError(f"no connection ({_innermost(error)})") from None
    except requests.RequestException as error:
        raise UserError(
            f"{_public(url)}: cannot be asked for ({_reason(error)}); mend corpus_mirror, or the "
            "variable that names the proxy."
        ) from None
    with response:
        _heed_status(url, response, part)
        require_space(part.folder, (part.total or 0) - part.length)
        progress(part.length, part.total)
        try:
            # Not iter_content, which would unpack what a server labels as `Content-Encoding: gzip`
            # only because the file's name ends so.
            for piece in response.raw.stream(PIECE, decode_content=False):
                part.add(piece)
                progress(part.length, part.total)
        except HTTPError:
            raise _TransientError("the connection broke off") from None
    if part.total is not None and part.length < part.total:
        raise _TransientError("the connection broke off")


def _heed_status(url: str, response: requests.Response, part: _Part) -> None:
    """Make the part ready for the body that follows, or raise if none that fits does."""
    status = response.status_code
    if status == 200:
        if part.length:  # the server does not know Range
            part.restart()
        length = response.headers.get("Content-Length", "")
        part.total = int(length) if length.isdecimal() else None
    elif status == 206:
        _continue(response, part)
    elif status == 416 and part.length:
        part.restart()
        raise _TransientError("the file is shorter than what came of it before")
    elif status in _TRANSIENT_STATUS:
        raise _TransientError(_words(response), _requested_wait(url, response))
    elif status in (404, 410):
        raise NotThereError(
            f"{_public(url)}: {_words(response)}; name in corpus_mirror a place that holds it, "
            "such as https://us.openslr.org/resources/12."
        )
    else:
        raise UserError(
            f"{_public(url)}: {_words(response)}; mend the access or name another mirror in "
            "corpus_mirror."
        )


def _continue(response: requests.Response, part: _Part) -> None:
    answer = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    total = int(answer["total"]) if answer and answer["total"] != "*" else None
    fits = answer is not None and int(answer["start"]) == part.length
    if not fits or part.total not in (None, total):
        part.restart()
        raise _TransientError("the file changed while it came")
    part.total = total


def _requested_wait(url: str, response: requests.Response) -> float | None:
    seconds = None
    with suppress(InvalidHeader):
        seconds = Retry().get_retry_after(response.raw)
    if seconds is not None and seconds > LONGEST_REQUESTED_WAIT:
        raise UserError(
            f"{_public(url)}: {_words(response)} and asks to wait {seconds / 60:.0f} minutes; "
            "run again then, or name a mirror in corpus_mirror."
        )
    return seconds


def _words(response: requests.Response) -> str:
    return f"the server says {response.status_code} {response.reason or ''}".rstrip()


def _innermost(error: BaseException) -> Any:
    """Name the cause below the layers of libraries: ``Connection refused``."""
    while error.__context__ is not None:
        error = error.__context__
    return getattr(error, "strerror", None) or type(error).__name__


def _reason(error: Exception) -> str:
    """Take the first sentence of what a library says."""
    return _public(str(error)).partition(". ")[0].rstrip(".") or type(error).__name__


def _public(text: str) -> str:
    """Write a URL, or what holds one, without the name and password it may hold."""
    return re.sub("//[^/]*@", "//", text, count=1)
