"""JSON files that hold a digest of their own content, so that damage and edits are noticed.

The digest is no signature: a forger would write a new one. The files are safe to read from anybody
because they are JSON, in which nothing can run.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from speech.errors import UserError
from speech.storage.files import write_json

_FORMAT, _SEAL = "format", "seal"


def write_sealed(path: Path, version: int, content: Mapping[str, Any]) -> None:
    """Write a JSON file with its format's version and the digest of its content.

    Parameters
    ----------
    path
        The file to create or replace.
    version
        Of its format; `read_sealed` refuses any other.
    content
        JSON-serialisable.
    """
    whole = {_FORMAT: version, **content}
    write_json(path, whole | {_SEAL: _digest(whole)})


def read_sealed(path: Path, version: int, remedy: str) -> dict[str, Any]:
    """Read what `write_sealed` wrote.

    Parameters
    ----------
    path
        The file.
    version
        The format's version that the caller understands.
    remedy
        What to do if it cannot be read, for the error's sentence.

    Returns
    -------
    dict
        The content.

    Raises
    ------
    UserError
        If the file is missing, of another version, or not what was written.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
        found, seal = content.pop(_FORMAT), content.pop(_SEAL, None)
        intact = seal == _digest({_FORMAT: found, **content})
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; {remedy}.") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UserError(f"{path}: is damaged or not a file of this project; {remedy}.") from None
    if found != version:
        raise UserError(
            f"{path}: has format version {found}, but version {version} is needed; {remedy}."
        )
    if not intact:
        raise UserError(f"{path}: was changed since it was written; {remedy}.")
    return content


def _digest(content: Mapping[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
