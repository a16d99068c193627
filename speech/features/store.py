"""Features on disk: one safetensors file per speaker, reused only as long as it is current."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file

from speech.storage.arrays import read_arrays, write_arrays

Tensors = dict[str, NDArray[Any]]

_STAMP = "stamp"
"""A single metadata key, because safetensors does not promise an order among several."""


def speaker_file(folder: Path, speaker_id: str) -> Path:
    """Return where a speaker's features lie; a slash, as in N/A, cannot stand in a file's name."""
    return folder / f"{speaker_id.replace('%', '%25').replace('/', '%2F')}.safetensors"


def read_speaker(folder: Path, speaker_id: str) -> Tensors:
    """Read all features of a speaker.

    Raises
    ------
    UserError
        If the file is missing or torn.
    """
    return read_arrays(speaker_file(folder, speaker_id))


def write_speaker(path: Path, tensors: Tensors, made_by: str, sources: Mapping[str, str]) -> None:
    """Write all features of a speaker, whole or not at all.

    Parameters
    ----------
    path
        Its file; its folder is made.
    tensors
        Arrays named ``<utterance id>`` or ``<utterance id>/<part>``.
    made_by
        Digest of everything but the recordings: parameters, code, versions of libraries, encoder
        weights.
    sources
        Digest of each recording by utterance id.
    """
    ordered = {name: tensors[name] for name in sorted(tensors)}
    stamp = {
        "made_by": made_by,
        "sources": dict(sorted(sources.items())),
        "content": _content_digest(ordered),
    }
    write_arrays(path, ordered, {_STAMP: json.dumps(stamp, allow_nan=False)})


def read_current(path: Path, made_by: str, sources: Mapping[str, str]) -> tuple[Tensors, bool]:
    """Read what an earlier run left of a speaker, as far as it is still current.

    Parameters
    ----------
    path
        The speaker's file; it may be missing, torn, stale or somebody else's.
    made_by, sources
        As `write_speaker` would be given them now.

    Returns
    -------
    tensors : dict
        Of every utterance that was made by the same from the same recording, unaltered since.
    complete : bool
        Whether these are all there should be, and nothing else is in the file.
    """
    try:
        if not path.is_file():
            return {}, False
        with safe_open(path, framework="numpy") as file:
            stamp = json.loads((file.metadata() or {})[_STAMP])
        if stamp["made_by"] != made_by:
            return {}, False
        tensors = load_file(path)
        before = dict(stamp["sources"])
        if stamp["content"] != _content_digest(tensors):
            return {}, False
    # A stamp that was altered may be any JSON, of any shape.
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RecursionError):
        return {}, False
    current = {name for name, digest in before.items() if sources.get(name) == digest}
    kept = {name: array for name, array in tensors.items() if name.split("/")[0] in current}
    return kept, before == dict(sources)


def _content_digest(tensors: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name}{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
