"""JSON files that say by a digest of their content what was written: damage is noticed.

The seal keeps out accidents and careless edits, not a forger, who would write a new one. What
makes the files safe to read from strangers is that they are JSON, in which nothing can run.
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
        What to do if it cannot be read, for the sentence.

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
        raise UserError(f"{path}: is damaged or no file of this project; {remedy}.") from None
    if found != version:
        raise UserError(
            f"{path}: is of version {found} of its format, this is version {version}; {remedy}."
        )
    if not intact:
        raise UserError(f"{path}: was changed after it had been written; {remedy}.")
    return content


def _digest(content: Mapping[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
