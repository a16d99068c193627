"""The frozen wav2vec 2.0 of the models, loaded when the first passage needs it."""

from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from speech.features.examples import Bounds
from speech.features.feature_spec import FeatureSpec

_BATCH = 8
"""Chunks at a time; it changes no result."""


@dataclass
class Embedder:
    """Embeds chunks; torch, which takes seconds to import, is loaded at the first call.

    Attributes
    ----------
    folder
        The checkpoint, already checked to be that of training.
    layer
        The hidden state to pool.
    sequence_layer, sequence_stride
        The hidden state to keep as a sequence, and how many of its frames are averaged into one.
    """

    folder: Path
    layer: int
    sequence_layer: int
    sequence_stride: int
    _encoder: Any = None
    _lock: Lock = field(default_factory=Lock)

    @classmethod
    def of_spec(cls, folder: Path, spec: FeatureSpec) -> Self:
        """Embed as a model's features were made.

        Parameters
        ----------
        folder
            The checkpoint.
        spec
            Of a model on wav2vec 2.0.
        """
        if spec.wav2vec2 is None or spec.inputs.wav2vec2 is None:
            raise ValueError("features of another kind than wav2vec 2.0")
        kept = spec.wav2vec2
        return cls(folder, spec.inputs.wav2vec2.layer, kept.sequence_layer, kept.sequence_stride)

    def __call__(self, signal: NDArray[np.float32], bounds: Bounds) -> dict[str, NDArray[Any]]:
        """Return the hidden states of some chunks, as `speech.features.wav2vec2.embed` does."""
        import torch

        from speech.features.wav2vec2 import cut_after, embed, load_encoder

        # Many threads on batches this small wait for each other more than they work.
        torch.set_num_threads(1)
        with self._lock:
            if self._encoder is None:
                self._encoder = load_encoder(self.folder)
                cut_after(self._encoder, max(self.layer, self.sequence_layer))
        return embed(
            self._encoder,
            signal,
            bounds,
            layers=[self.layer],
            sequence_layer=self.sequence_layer,
            sequence_stride=self.sequence_stride,
            batch_size=_BATCH,
        )
