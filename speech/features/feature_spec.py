"""What a model's features are made of, kept beside the model so that it can be used anywhere."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from speech.errors import UserError
from speech.features.examples import ChunkInputs, MfccInputs, Wav2vec2Inputs
from speech.params import Block, Chunks, Features, Mfcc, MfccInput, Params, Pitch, Wav2vec2Input

ENCODER_FILE = "encoder.json"
"""In the folder of the wav2vec 2.0 features: digests of the checkpoint's files by name."""


class KeptStates(Block):
    """The hidden states that are kept: those pooled, and the one kept as a sequence."""

    layers: list[int]
    sequence_layer: int
    sequence_stride: int


class SpecInputs(Block):
    """What the classifier is given; the same keys as `speech.params.Inputs`."""

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
    """

    chunks: Chunks
    inputs: SpecInputs
    mfcc: Mfcc | None = None
    pitch: Pitch | None = None
    wav2vec2: KeptStates | None = None
    encoder: dict[str, str] | None = None

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


def spec_of(params: Params, features: Features, folders: Sequence[Path]) -> FeatureSpec:
    """Write down what features are made of.

    Parameters
    ----------
    params
        What they are made with.
    features
        Which.
    folders
        Where they lie.

    Raises
    ------
    UserError
        If what was noted of the encoder is missing beside its features, or it has no such layer.
    """
    if features == "wav2vec2":
        (folder,) = folders
        kept = _read_encoder(folder)
        layers = params.wav2vec2.layers
        layers = list(range(kept["states"])) if layers == "all" else layers
        if params.inputs.wav2vec2.layer not in layers:
            raise UserError(
                f"params.yaml: inputs.wav2vec2.layer asks for hidden state "
                f"{params.inputs.wav2vec2.layer}, but {', '.join(map(str, layers))} are kept; "
                "choose among those."
            )
        return FeatureSpec(
            chunks=params.chunks,
            inputs=SpecInputs(wav2vec2=params.inputs.wav2vec2),
            wav2vec2=KeptStates(
                layers=layers,
                sequence_layer=params.wav2vec2.sequence_layer,
                sequence_stride=params.wav2vec2.sequence_stride,
            ),
            encoder=kept["files"],
        )
    return FeatureSpec(
        chunks=params.chunks,
        inputs=SpecInputs(mfcc=params.inputs.mfcc),
        mfcc=params.mfcc,
        pitch=params.pitch if features == "mfcc_pitch" else None,
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


def _read_encoder(folder: Path) -> dict[str, Any]:
    path = folder / ENCODER_FILE
    try:
        content = json.loads(path.read_text("utf-8"))
        return {"files": dict(content["files"]), "states": int(content["states"])}
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{path}: missing or damaged; run `dvc repro` to make it.") from None
