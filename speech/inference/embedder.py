"""The frozen wav2vec 2.0 of a model, loaded when the first passage asks for it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from speech.features.examples import Bounds
from speech.features.feature_spec import KeptStates, Recipe

_BATCH = 8
"""Chunks at a time; how many changes no result."""


@dataclass
class Embedder:
    """Embeds chunks; torch, which takes seconds to import, is loaded at the first of them.

    One pass gives every layer that any model asks for.

    Attributes
    ----------
    folder
        The checkpoint, which is known to be the right one.
    layers
        The hidden states to pool: of all models, and of the voices that are known.
    sequence
        The hidden state to keep as a sequence, and how many frames of it are averaged into one.
    """

    folder: Path
    layers: tuple[int, ...]
    sequence: tuple[int, int]
    _encoder: Any = None
    _lock: Lock = field(default_factory=Lock)

    @classmethod
    def of_models(
        cls, folder: Path, recipes: Sequence[Recipe], of_frames: Sequence[Recipe]
    ) -> Self:
        """Plan what some models need.

        Parameters
        ----------
        folder
            The checkpoint.
        recipes
            Of all that is asked of wav2vec 2.0; at least one.
        of_frames
            Those among them whose classifiers want a sequence.
        """
        layers = {layer for recipe in recipes for layer in _states(recipe).layers}
        first = [*of_frames, *recipes][0]
        return cls(folder, tuple(sorted(layers)), sequence_of(first))

    def __call__(
        self, signal: NDArray[np.float32], bounds: Bounds, sequence: tuple[int, int]
    ) -> dict[str, NDArray[Any]]:
        """Give the hidden states of some chunks, as `speech.features.wav2vec2.embed` does.

        Parameters
        ----------
        signal, bounds
            As there.
        sequence
            As `sequence_of` a recipe gives it.
        """
        import torch

        from speech.features.wav2vec2 import cut_after, embed, load_encoder

        # Many threads on batches this small wait for each other more than they work.
        torch.set_num_threads(1)
        with self._lock:
            if self._encoder is None:
                self._encoder = load_encoder(self.folder)
                cut_after(self._encoder, max(self.layers))
        layer, stride = sequence
        return embed(
            self._encoder,
            signal,
            bounds,
            layers=self.layers,
            sequence_layer=layer,
            sequence_stride=stride,
            batch_size=_BATCH,
        )


def sequence_of(recipe: Recipe) -> tuple[int, int]:
    """Give the hidden state of a recipe's sequence, and how many of its frames are averaged."""
    if recipe.inputs.wav2vec2 is None:
        raise ValueError("a recipe without wav2vec 2.0")
    return recipe.inputs.wav2vec2.layer, _states(recipe).sequence_stride


def _states(recipe: Recipe) -> KeptStates:
    if recipe.wav2vec2 is None:
        raise ValueError("a recipe without wav2vec 2.0")
    return recipe.wav2vec2
