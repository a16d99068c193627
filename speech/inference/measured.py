"""What is measured on one passage, each thing once however many models ask for it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech.audio.chunks import chunk_bounds
from speech.features.examples import READERS, Bounds, Form, to_length
from speech.features.feature_spec import Recipe
from speech.features.mfcc import frame_count, mfcc
from speech.features.normalise import normalise
from speech.features.pitch import PART as PITCH_PART
from speech.features.pitch import pitch
from speech.inference.embedder import Embedder, sequence_of
from speech.inference.passages import Passage
from speech.params import Chunks, Features, Mfcc
from speech.rejection.model_file import Rejection

_SILENT_DB = -70.0
"""Root mean square to full scale: the last few steps of a 16-bit converter."""

_SILENT_BESIDE_DB = 30.0
"""So far below its passage's loudest chunk, a chunk is a pause. In read speech none is as far as
half of that."""

_CLIPPED_SHARE = 1e-3
"""Of a chunk's samples; fewer make no difference to what is heard."""

_PASSAGE = "passage"


class Measured:
    """A passage, which of its chunks hold speech, and what classifiers are given of those.

    Attributes
    ----------
    bounds
        Start and stop of each chunk, in samples from the passage's start.
    silent, speech, clipped
        Of each chunk, shape (chunks,).
    """

    def __init__(
        self, passage: Passage, chunks: Chunks, rejection: Rejection, embed: Embedder | None
    ) -> None:
        self._signal = passage.signal
        self._embed = embed
        self.bounds = chunk_bounds(len(passage.signal), chunks)
        self.silent = self._find_silence()
        self.clipped = np.array(
            [
                ((passage.clipped >= start) & (passage.clipped < stop)).sum()
                > _CLIPPED_SHARE * (stop - start)
                for start, stop in self.bounds
            ]
        )
        self._mfcc: dict[Mfcc, NDArray[np.float32]] = {}
        self._pitch: dict[Any, NDArray[np.float32]] = {}
        self._states: dict[tuple[int, int], Mapping[str, NDArray[Any]]] = {}
        self._inputs: dict[tuple[str, ...], NDArray[np.float32]] = {}
        self.speech = np.array(
            [
                not silent and rejection.is_speech(self._frames_of(bound, rejection.mfcc))
                for bound, silent in zip(self.bounds, self.silent, strict=True)
            ]
        )

    def inputs(
        self, features: Features, recipe: Recipe, form: Form, frames: int = 0
    ) -> NDArray[np.float32]:
        """Give what a classifier is given of each chunk that holds speech, as in training.

        Parameters
        ----------
        features, recipe, form
            Of the classifier.
        frames
            How many frames an example has, if the form is ``frames``.

        Returns
        -------
        ndarray
            As `speech.features.examples.Examples.inputs`, one row per chunk with speech.
        """
        key = (features, form, recipe.model_dump_json())
        if key not in self._inputs:
            arrays = READERS[features, form](*self._read(recipe, form))
            if form == "frames":
                arrays = [to_length(array, frames) for array in arrays]
            self._inputs[key] = np.stack(arrays).astype(np.float32, copy=False)
        return self._inputs[key]

    def _read(
        self, recipe: Recipe, form: Form
    ) -> tuple[dict[str, NDArray[Any]], str, Bounds, Recipe]:
        """Measure what a recipe asks for, as a reader of the pipeline's features expects it."""
        bounds = [self.bounds[number] for number in np.flatnonzero(self.speech)]
        tensors: dict[str, NDArray[Any]] = {}
        if recipe.mfcc and recipe.inputs.mfcc:
            heard = self._heard(recipe.mfcc)
            how = recipe.inputs.mfcc.normalisation
            tensors[_PASSAGE] = normalise(self._all_frames(recipe.mfcc), how, heard)
            # Done already, with the pauses left out.
            done = recipe.inputs.mfcc.model_copy(update={"normalisation": "none"})
            inputs = recipe.inputs.model_copy(update={"mfcc": done})
            if recipe.pitch:
                key = (recipe.pitch, recipe.mfcc)
                if key not in self._pitch:
                    self._pitch[key] = pitch(self._signal, *key)
                tensors[f"{_PASSAGE}/{PITCH_PART}"] = self._pitch[key]
            recipe = recipe.model_copy(update={"inputs": inputs})
        if recipe.wav2vec2 and self._embed:
            # Pooled states are the same whatever sequence is kept beside them.
            wanted = sequence_of(recipe) if form == "frames" else self._embed.sequence
            if wanted not in self._states:
                self._states[wanted] = self._embed(self._signal, bounds, wanted)
            states = self._states[wanted]
            tensors |= {f"{_PASSAGE}/{part}": array for part, array in states.items()}
            kept = recipe.wav2vec2.model_copy(update={"layers": list(self._embed.layers)})
            recipe = recipe.model_copy(update={"wav2vec2": kept})
        return tensors, _PASSAGE, bounds, recipe

    def _find_silence(self) -> NDArray[np.bool_]:
        power = [np.mean(np.square(self._signal[start:stop])) for start, stop in self.bounds]
        levels = 10 * np.log10(np.maximum(power, np.finfo(np.float32).tiny))
        return levels < max(_SILENT_DB, levels.max() - _SILENT_BESIDE_DB)

    def _all_frames(self, settings: Mfcc) -> NDArray[np.float32]:
        if settings not in self._mfcc:
            self._mfcc[settings] = mfcc(self._signal, settings)
        return self._mfcc[settings]

    def _frames_of(self, bound: tuple[int, int], settings: Mfcc) -> NDArray[np.float32]:
        first = bound[0] // settings.hop_samples
        count = frame_count(bound[1] - bound[0], settings)
        return self._all_frames(settings)[first : first + count]

    def _heard(self, settings: Mfcc) -> NDArray[np.bool_] | None:
        """Tell the frames between pauses; None if there are no pauses."""
        if not self.silent.any():
            return None
        heard = np.ones(len(self._all_frames(settings)), dtype=bool)
        for wanted in (False, True):
            for (start, stop), silent in zip(self.bounds, self.silent, strict=True):
                if silent != wanted:
                    heard[start // settings.hop_samples : stop // settings.hop_samples] = wanted
        return heard
