"""A speech encoder's checkpoint on disk: whether it is one, which files it has, their digests.

Nothing here needs torch, which takes seconds to import.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from speech.errors import UserError
from speech.storage.files import sha256_of

FAMILY = {
    "wav2vec2": "wav2vec 2.0",
    "hubert": "HuBERT",
    "wavlm": "WavLM",
    "data2vec-audio": "data2vec",
    "unispeech": "UniSpeech",
    "unispeech-sat": "UniSpeech-SAT",
}
"""Names of the architectures that work: convolutions over the waveform below a Transformer."""
_BASE_LAYERS = 12
"""What each architecture has where its configuration does not say."""
_MOST_LAYERS = 1000
"""Forty times those of the large model; building more would take hours to no end."""
CONFIG = "config.json"
PREPROCESSOR = "preprocessor_config.json"
SHARDS = "model.safetensors.index.json"
"""Lists the files that weights too large for one are spread over."""

WEIGHTS = ("model.safetensors", SHARDS, "pytorch_model.bin")
"""In the order of preference: safetensors hold nothing that could be run."""

CHOICES = (
    "set encoder in params.yaml to `sample`, to a folder with a checkpoint of wav2vec 2.0 or its "
    "kin in Hugging Face format, or to <id>@<commit> of one on the hub"
)
"""For the message to a user whose encoder is none of these."""


def check_encoder_folder(folder: Path) -> list[str]:
    """Check that a folder holds an encoder's checkpoint, without loading its weights.

    Returns
    -------
    list of str
        Names of the files that `load_encoder` reads, sorted.

    Raises
    ------
    UserError
        If a file is missing or the checkpoint is of another architecture.
    PermissionError
        If a file may not be read.
    """
    if not (folder / CONFIG).is_file():
        raise UserError(f"encoder: {folder} has no {CONFIG}; {CHOICES}.")
    architecture_of(folder)
    weights = next((name for name in WEIGHTS if (folder / name).is_file()), None)
    if weights is None:
        raise UserError(
            f"encoder: {folder} has none of {', '.join(WEIGHTS)}; "
            "download the checkpoint's weights into it."
        )
    shards = _shards_of(folder) if weights == SHARDS else []
    for shard in shards:
        if not (folder / shard).is_file():
            raise UserError(
                f"encoder: {folder} has no {shard}, which its {SHARDS} lists; download it as well."
            )
    preprocessor = [PREPROCESSOR] if (folder / PREPROCESSOR).is_file() else []
    files = sorted([CONFIG, weights, *preprocessor, *shards])
    for file in files:
        # The library would say of one that may not be read that it is not there.
        (folder / file).open("rb").close()
    return files


def checkpoint_digests(folder: Path) -> dict[str, str]:
    """Identify a checkpoint by what `load_encoder` reads of it.

    Parameters
    ----------
    folder
        As `check_encoder_folder` accepts it.

    Returns
    -------
    dict
        SHA-256 of each file by its name, sorted.

    Raises
    ------
    UserError
        As `check_encoder_folder`.
    """
    return {name: sha256_of(folder / name) for name in check_encoder_folder(folder)}


def architecture_of(folder: Path, called: Path | str = "") -> tuple[str, int]:
    """Read which architecture a checkpoint has, without its weights.

    Parameters
    ----------
    folder
        With config.json.
    called
        What the user calls the checkpoint, if that is not its folder.

    Returns
    -------
    family : str
        One of `FAMILY`, as its authors write it.
    states : int
        Number of hidden states: what enters the first layer and what leaves each.

    Raises
    ------
    UserError
        If the file cannot be read, names another architecture or has no such number of layers.
    """
    called = called or folder
    content = _read_json(folder / CONFIG, called)
    architecture = content.get("model_type")
    layers = content.get("num_hidden_layers", _BASE_LAYERS)
    if not isinstance(architecture, str) or architecture not in FAMILY:
        raise UserError(
            f"encoder: {called} is a {architecture!r:.40} model; choose one of {', '.join(FAMILY)}."
        )
    if type(layers) is not int or not 1 <= layers <= _MOST_LAYERS:
        raise UserError(
            f"encoder: {CONFIG} of {called} says num_hidden_layers: {layers!r:.40}, but that is a "
            f"number from 1 to {_MOST_LAYERS}; download the checkpoint again."
        )
    return FAMILY[architecture], layers + 1


def check_layers(asked: Mapping[str, int], states: int) -> None:
    """Refuse a hidden state that an encoder does not have, before hours of extraction.

    Parameters
    ----------
    asked
        The highest hidden state that each key of params.yaml asks for.
    states
        How many the encoder has.

    Raises
    ------
    UserError
        If one is not there.
    """
    for key, layer in asked.items():
        if layer >= states:
            raise UserError(
                f"params.yaml: {key} asks for hidden state {layer}, but the encoder has 0 to "
                f"{states - 1}; choose among those."
            )


def _shards_of(folder: Path) -> list[str]:
    """Return the names of the files that the weights are spread over."""
    weight_map = _read_json(folder / SHARDS, folder).get("weight_map")
    names = set(weight_map.values()) if isinstance(weight_map, dict) else set()
    if not names or not all(
        isinstance(name, str) and name.endswith(".safetensors") and Path(name).name == name
        for name in names
    ):
        raise UserError(
            f"encoder: the {SHARDS} of {folder} does not list safetensors files beside it; "
            "download the checkpoint again."
        )
    return sorted(names)


def _read_json(file: Path, called: Path | str) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError
    except PermissionError:
        raise  # which names the file
    # Nested too deep, JSON is a RecursionError.
    except (ValueError, OSError, RecursionError):
        raise UserError(
            f"encoder: {file.name} of {called} cannot be read as JSON; "
            "download the checkpoint again."
        ) from None
    return content
