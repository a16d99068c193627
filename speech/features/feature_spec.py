"""What a model's features are made of, kept beside the model so that it can be used anywhere."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from speech.errors import UserError
from speech.features.settings import Block, Chunks, Mfcc, MfccInput, Pitch, Wav2vec2Input


class KeptStates(Block):
    """The hidden states that are kept: those pooled, and the one kept as a sequence."""

    layers: list[int]
    sequence_layer: int
    sequence_stride: int


class SpecInputs(Block):
    """What the classifier is given; the same keys as the block of params.yaml."""

    mfcc: MfccInput | None = None
    wav2vec2: Wav2vec2Input | None = None


class FeatureSpec(Block):
    """Everything that features depend on; blocks have the names they have in params.yaml.

    Attributes
    ----------
    chunks, mfcc, pitch, inputs, wav2vec2
        As in params.yaml; None for what these features are not made of.
    encoder
        SHA-256 of the checkpoint's files by name.
    encoder_family
        What the encoder is, such as ``WavLM``.
    encoder_mode
        How it was run, such as ``float32 with torch on cpu``.
    """

    chunks: Chunks
    inputs: SpecInputs
    mfcc: Mfcc | None = None
    pitch: Pitch | None = None
    wav2vec2: KeptStates | None = None
    encoder: dict[str, str] | None = None
    encoder_family: str | None = None
    encoder_mode: str | None = None


def read_spec(content: Any, origin: Path) -> FeatureSpec:
    """Check a specification that comes from a file.

    Parameters
    ----------
    content
        JSON of a `FeatureSpec`.
    origin
        The file, for the sentence.

    Raises
    ------
    UserError
        If a key is missing, unknown or impossible.
    """
    try:
        return FeatureSpec.model_validate(content, strict=True)
    except ValidationError as error:
        key = ".".join(map(str, error.errors()[0]["loc"])) or "the whole"
        raise UserError(
            f"{origin}: its features are not specified as in this version ({key}); "
            "fit the model again."
        ) from None
