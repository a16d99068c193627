"""Files that may come from anybody: JSON that holds a digest of its own content, and arrays.

The digest is for damage and edits. It is no signature: a forger would write a new one. The files
are safe to read because nothing can run in JSON and safetensors.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from speech.errors import UserError
from speech.storage.files import sha256_of, write_json

_FORMAT, _SEAL = "format", "seal"

_LARGEST = np.finfo(np.float32).max


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
        if path.exists() and not path.is_file():
            raise ValueError("a device or pipe, which may have no end")
        content = json.loads(path.read_text("utf-8"))
        found, seal = content.pop(_FORMAT), content.pop(_SEAL, None)
        intact = seal == _digest({_FORMAT: found, **content})
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; {remedy}.") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); {remedy}.") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UserError(f"{path}: is damaged or not a file of this project; {remedy}.") from None
    if found != version:
        raise UserError(
            f"{path}: has format version {found}, but version {version} is needed; {remedy}."
        )
    if not intact:
        raise UserError(f"{path}: was changed since it was written; {remedy}.")
    return content


def digests_of(folder: Path, remedy: str) -> dict[str, str]:
    """Digest the files of a folder; what begins with a dot is of the system, and passed over.

    Parameters
    ----------
    folder
        Holds files only.
    remedy
        As in `read_sealed`.

    Returns
    -------
    dict
        SHA-256 by name, sorted.

    Raises
    ------
    UserError
        If one cannot be read, or is no file.
    """
    try:
        files = sorted(file for file in folder.iterdir() if not file.name.startswith("."))
        for file in files:
            if not file.is_file():
                raise UserError(f"{file}: is no file; {remedy}.")
        return {file.name: sha256_of(file) for file in files}
    except OSError as error:
        raise UserError(f"{error.filename}: cannot be read ({error.strerror}); {remedy}.") from None


def load_arrays(file: Path) -> dict[str, NDArray[Any]]:
    """Load a safetensors file.

    Raises
    ------
    ValueError
        If a value in it is no number, or too large for single precision: a model that holds one
        predicts none.
    """
    arrays = load_file(file)
    for name, array in arrays.items():
        # What is NaN is not at most anything.
        if array.dtype.kind == "f" and not (np.abs(array) <= _LARGEST).all():
            raise ValueError(f"{file}: {name} holds values that are no numbers, or too large")
    return arrays


def _digest(content: Mapping[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
