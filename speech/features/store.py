"""Features on disk: one safetensors file per speaker, reused only as long as it is current."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Fingerprint:
    """What a speaker's file must have been made from to be current.

    Attributes
    ----------
    settings
        Digest of everything but the recordings: parameters, code, versions of libraries, encoder
        weights.
    sources
        Digest of each recording by utterance id.
    """

    settings: str
    sources: Mapping[str, str]


def speaker_file(folder: Path, speaker_id: str) -> Path:
    """Return where a speaker's features lie; a slash, as in N/A, cannot stand in a file's name."""
    return folder / f"{speaker_id.replace('%', '%25').replace('/', '%2F')}.safetensors"


def read_speaker(path: Path) -> Tensors:
    """Read all features of a speaker.

    Raises
    ------
    UserError
        If the file is missing or torn.
    """
    return read_arrays(path)


def write_speaker(path: Path, tensors: Tensors, fingerprint: Fingerprint) -> None:
    """Write all features of a speaker, whole or not at all.

    Parameters
    ----------
    path
        Its file; its folder is made.
    tensors
        Arrays named ``<utterance id>`` or ``<utterance id>/<part>``.
    fingerprint
        What they were made from.
    """
    ordered = {name: tensors[name] for name in sorted(tensors)}
    stamp = {
        "settings": fingerprint.settings,
        "sources": dict(sorted(fingerprint.sources.items())),
        "content": _content_digest(ordered),
    }
    write_arrays(path, ordered, {_STAMP: json.dumps(stamp, allow_nan=False)})


def read_current(path: Path, fingerprint: Fingerprint) -> tuple[Tensors, bool]:
    """Read what an earlier run left of a speaker, as far as it is still current.

    Parameters
    ----------
    path
        The speaker's file; it may be missing, torn, stale or somebody else's.
    fingerprint
        What the file should be made from now.

    Returns
    -------
    tensors : dict
        Of every utterance whose recording, settings and content are unchanged.
    complete : bool
        Whether the file is made from exactly this fingerprint.
    """
    stamp, tensors = _read_intact(path)
    if stamp["settings"] != fingerprint.settings:
        return {}, False
    current = {
        utterance
        for utterance, digest in stamp["sources"].items()
        if fingerprint.sources.get(utterance) == digest
    }
    kept = {name: array for name, array in tensors.items() if name.split("/")[0] in current}
    return kept, stamp["sources"] == dict(fingerprint.sources)


def _read_intact(path: Path) -> tuple[dict[str, Any], Tensors]:
    """Return the stamp and tensors of a file; empty ones if it is missing, torn or altered."""
    nothing: dict[str, Any] = {"settings": None, "sources": {}}
    try:
        if not path.is_file():
            return nothing, {}
        with safe_open(path, framework="numpy") as file:
            stamp = json.loads((file.metadata() or {})[_STAMP])
        tensors = load_file(path)
        intact = _content_digest(tensors) == stamp["content"]
        sound = {"settings": stamp["settings"], "sources": dict(stamp["sources"])}
    # A stamp that was altered may be any JSON, of any shape.
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RecursionError):
        return nothing, {}
    return (sound, tensors) if intact else (nothing, {})


def _content_digest(tensors: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name}{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
