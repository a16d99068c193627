"""What a model's features are made of, kept beside the model so that it can be used anywhere."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from speech.errors import UserError
from speech.features.examples import ChunkInputs, MfccInputs, Wav2vec2Inputs
from speech.features.settings import Block, Chunks, Mfcc, MfccInput, Pitch, Wav2vec2, Wav2vec2Input
from speech.storage.files import read_json

ENCODER_FILE = "encoder.json"
"""In the folder of the wav2vec 2.0 features: which checkpoint they were made with, and how."""

REFERENCE_MODE = "float32 with torch on cpu"
"""How predict.py runs the encoder, on every machine alike."""


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

    def chunk_inputs(self) -> ChunkInputs:
        """Return what cuts features into the inputs of chunks."""
        if self.wav2vec2 and self.inputs.wav2vec2:
            return Wav2vec2Inputs(self.wav2vec2.layers.index(self.inputs.wav2vec2.layer))
        if self.mfcc is None or self.inputs.mfcc is None:
            raise ValueError("features of neither MFCC nor wav2vec 2.0")
        return MfccInputs(
            **self.inputs.mfcc.model_dump(),
            coefficients=self.mfcc.coefficients,
            window_seconds=self.mfcc.window_seconds,
            hop_seconds=self.mfcc.hop_seconds,
            pitch=self.pitch is not None,
        )


def spec_of_wav2vec2(
    folder: Path, *, chunks: Chunks, wav2vec2: Wav2vec2, inputs: Wav2vec2Input
) -> FeatureSpec:
    """Write down what wav2vec 2.0 features are made of.

    Parameters
    ----------
    folder
        Where they lie, with a note of the encoder.
    chunks, wav2vec2, inputs
        What they are made with.

    Raises
    ------
    UserError
        If what was noted of the encoder is missing beside its features.
    """
    kept = read_json(folder / ENCODER_FILE)
    layers = list(range(kept["states"])) if wav2vec2.layers == "all" else wav2vec2.layers
    return FeatureSpec(
        chunks=chunks,
        inputs=SpecInputs(wav2vec2=inputs),
        wav2vec2=KeptStates(
            layers=layers,
            sequence_layer=wav2vec2.sequence_layer,
            sequence_stride=wav2vec2.sequence_stride,
        ),
        encoder=kept["files"],
        encoder_family=kept["family"],
        encoder_mode=kept["mode"],
    )


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
