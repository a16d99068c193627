"""The frozen wav2vec 2.0 of a model, loaded when the first passage asks for it."""

from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech.examples import Bounds
from speech.recipe import Recipe

_BATCH = 8
"""Chunks at a time; how many changes no result."""


@dataclass
class Embedder:
    """Embeds chunks; torch, which takes seconds to import, is loaded at the first of them.

    Attributes
    ----------
    folder
        The checkpoint, which is known to be the right one.
    highest
        The last hidden state that any model asks for.
    """

    folder: Path
    highest: int
    _encoder: Any = None
    _lock: Lock = field(default_factory=Lock)

    def __call__(
        self, signal: NDArray[np.float32], bounds: Bounds, recipe: Recipe
    ) -> dict[str, NDArray[Any]]:
        """Give the hidden states of some chunks, as `speech.features.wav2vec2.embed` does."""
        if recipe.wav2vec2 is None or recipe.inputs.wav2vec2 is None:
            raise ValueError("a recipe without wav2vec 2.0")
        import torch

        from speech.features.wav2vec2 import cut_after, embed, load_encoder

        # Many threads on batches this small wait for each other more than they work.
        torch.set_num_threads(1)
        with self._lock:
            if self._encoder is None:
                self._encoder = load_encoder(self.folder)
                cut_after(self._encoder, self.highest)
        return embed(
            self._encoder,
            signal,
            bounds,
            layers=recipe.wav2vec2.layers,
            sequence_layer=recipe.inputs.wav2vec2.layer,
            sequence_stride=recipe.wav2vec2.sequence_stride,
            batch_size=_BATCH,
        )
