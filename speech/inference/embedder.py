"""The frozen wav2vec 2.0 of the models, loaded when the first passage needs it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech.features.examples import Bounds
from speech.inference.models import ChosenModel, find_encoder

Embed = Callable[[NDArray[np.float32], Bounds], dict[str, NDArray[Any]]]
"""From a signal and the bounds of some chunks to their hidden states."""


def embedder_for(chosen: Sequence[ChosenModel], models: Path, named: Path | None) -> Embed | None:
    """Find the encoder that some models share, as `find_encoder`; None if none needs one."""
    on_wav2vec2 = [model for model in chosen if model.features == "wav2vec2"]
    if not on_wav2vec2:
        return None
    folder, spec = find_encoder(models, on_wav2vec2[0], named), on_wav2vec2[0].spec
    inputs, kept = spec.inputs.wav2vec2, spec.wav2vec2
    if inputs is None or kept is None:
        raise ValueError("features of another kind than wav2vec 2.0")

    def embed(signal: NDArray[np.float32], bounds: Bounds) -> dict[str, NDArray[Any]]:
        from speech.features import wav2vec2  # imports torch, which takes seconds

        embedder = wav2vec2.Embedder(
            folder,
            layers=(inputs.layer,),
            sequence_layer=kept.sequence_layer,
            sequence_stride=kept.sequence_stride,
            checkpoint=str(spec.encoder),
        )
        (states,) = embedder([(signal, bounds)])
        return states

    return embed
