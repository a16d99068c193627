"""What a model's features are made of, kept in its card so that it can be used anywhere."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from speech.errors import UserError
from speech.params import Block, Chunks, Features, Mfcc, MfccInput, Params, Pitch

ENCODER_FILE = "encoder.json"
"""In the folder of the wav2vec 2.0 features: digests of the checkpoint's files by name."""


class KeptStates(Block):
    """Which hidden states there are to be read; the same keys as `speech.params.Wav2vec2`."""

    layers: list[int]
    sequence_stride: int


class StateInput(Block):
    """Which hidden state the classifier is given; that has been decided here."""

    layer: int


class RecipeInputs(Block):
    """What the classifier is given; the same keys as `speech.params.Inputs`."""

    mfcc: MfccInput | None = None
    wav2vec2: StateInput | None = None


class Recipe(Block):
    """Everything that features depend on; blocks have the names they have in params.yaml.

    Attributes
    ----------
    chunks, mfcc, pitch, inputs, wav2vec2
        As in params.yaml; None for what these features are not made of.
    encoder
        SHA-256 of the checkpoint's files by name.
    """

    chunks: Chunks
    inputs: RecipeInputs
    mfcc: Mfcc | None = None
    pitch: Pitch | None = None
    wav2vec2: KeptStates | None = None
    encoder: dict[str, str] | None = None


def recipe_of(params: Params, features: Features, folders: Sequence[Path]) -> dict[str, Any]:
    """Write down what features are made of.

    Parameters
    ----------
    params
        What they were made with; the layer of wav2vec 2.0 must be a number
        (`speech.training.layer_choice.with_layer`).
    features
        Which.
    folders
        Where they lie.

    Returns
    -------
    dict
        JSON-serialisable; `read_recipe` reads it.
    """
    chunks = params.chunks.model_dump()
    if features == "wav2vec2":
        (folder,) = folders
        layer = params.inputs.wav2vec2.layer
        return {
            "chunks": chunks,
            "inputs": {"wav2vec2": {"layer": layer}},
            "wav2vec2": {
                "layers": [layer],
                "sequence_stride": params.wav2vec2.sequence_stride,
            },
            "encoder": _encoder_of(folder),
        }
    recipe = {
        "chunks": chunks,
        "inputs": {"mfcc": params.inputs.mfcc.model_dump()},
        "mfcc": params.mfcc.model_dump(),
    }
    return recipe | ({"pitch": params.pitch.model_dump()} if features == "mfcc_pitch" else {})


def read_recipe(content: Any, origin: Path) -> Recipe:
    """Check a recipe that comes from a file.

    Parameters
    ----------
    content
        As `recipe_of` gave it.
    origin
        The file, for the sentence.

    Raises
    ------
    UserError
        If a key is missing, unknown or impossible.
    """
    try:
        return Recipe.model_validate(content, strict=True)
    except ValidationError as error:
        key = ".".join(map(str, error.errors()[0]["loc"])) or "the whole"
        raise UserError(
            f"{origin}: its recipe for features is not one of this version ({key}); "
            "fit the model again."
        ) from None


def _encoder_of(folder: Path) -> dict[str, str]:
    path = folder / ENCODER_FILE
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        raise UserError(f"{path}: missing or damaged; run `dvc repro` to make it.") from None
