"""The frozen wav2vec 2.0 of the models, loaded when the first passage needs it."""

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech.features.examples import Bounds
from speech.features.feature_spec import FeatureSpec
from speech.inference.models import ChosenModel, find_encoder

_BATCH = 8
"""Chunks at a time; it changes no result."""


def embedder_for(
    chosen: Sequence[ChosenModel], models: Path, named: Path | None
) -> "Embedder | None":
    """Find the encoder that some models share, as `find_encoder`; None if none needs one."""
    on_wav2vec2 = [model for model in chosen if model.features == "wav2vec2"]
    if not on_wav2vec2:
        return None
    return Embedder(find_encoder(models, on_wav2vec2[0], named), on_wav2vec2[0].spec)


class Embedder:
    """Embeds chunks; torch, which takes seconds to import, is loaded at the first call.

    Parameters
    ----------
    folder
        The checkpoint, already checked to be that of training.
    spec
        Of a model on wav2vec 2.0: which hidden states there are to be.
    """

    def __init__(self, folder: Path, spec: FeatureSpec) -> None:
        if spec.wav2vec2 is None or spec.inputs.wav2vec2 is None:
            raise ValueError("features of another kind than wav2vec 2.0")
        self._folder, self._layer = folder, spec.inputs.wav2vec2.layer
        self._sequence_layer = spec.wav2vec2.sequence_layer
        self._sequence_stride = spec.wav2vec2.sequence_stride
        self._encoder: Any = None
        self._lock = Lock()

    def __call__(self, signal: NDArray[np.float32], bounds: Bounds) -> dict[str, NDArray[Any]]:
        """Return the hidden states of some chunks, as `speech.features.wav2vec2.embed` does."""
        import torch

        from speech.features.engines import prepare
        from speech.features.wav2vec2 import cut_after, embed, load_encoder

        # Many threads on batches this small wait for each other more than they work.
        torch.set_num_threads(1)
        with self._lock:
            if self._encoder is None:
                encoder = load_encoder(self._folder)
                cut_after(encoder, max(self._layer, self._sequence_layer))
                prepare(encoder.model, encoder.mode)
                self._encoder = encoder
        return embed(
            self._encoder,
            signal,
            bounds,
            layers=[self._layer],
            sequence_layer=self._sequence_layer,
            sequence_stride=self._sequence_stride,
            batch_size=_BATCH,
        )
