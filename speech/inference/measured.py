"""What is measured on one passage: which chunks are speech, and the features of those."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech.audio.chunks import chunk_bounds, seconds_to_samples
from speech.classifiers.calibrated import Calibrated
from speech.features.examples import Bounds, MfccInputs, Wav2vec2Inputs, to_length
from speech.features.feature_spec import FeatureSpec
from speech.features.mfcc import mfcc
from speech.features.normalise import normalise
from speech.features.pitch import PART as PITCH_PART
from speech.features.pitch import pitch
from speech.inference.embedder import Embedder
from speech.inference.models import ChosenModel
from speech.inference.passages import Passage
from speech.params import Mfcc, Task
from speech.rejection.model_file import OpenSet
from speech.rejection.speech_detector import is_speech

_SILENT_DB = -70.0
"""Root mean square to full scale: the last few steps of a 16-bit converter."""

_PAUSE_DB = 30.0
"""A chunk so far below the loudest chunk of its passage is a pause. In read speech none is as far
as half of that."""

_CLIPPED_SHARE = 1e-3
"""Of a chunk's samples; fewer are inaudible."""

_PASSAGE = "passage"


@dataclass(frozen=True)
class Measured:
    """A measured passage.

    Attributes
    ----------
    start, stop
        Of the passage, in samples from the recording's start.
    bounds
        Start and stop of each chunk, in samples from the passage's start.
    silent, speech, clipped
        Of each chunk, shape (chunks,).
    inputs
        Of each task's model, one row per chunk with speech; empty without speech.
    vectors
        Pooled features of each chunk with speech, to be compared with the enrolled speakers; None
        if no speaker model is used.
    """

    start: int
    stop: int
    bounds: Bounds
    silent: NDArray[np.bool_]
    speech: NDArray[np.bool_]
    clipped: NDArray[np.bool_]
    inputs: Mapping[Task, NDArray[np.float32]]
    vectors: NDArray[np.float32] | None


@dataclass(frozen=True)
class Measurer:
    """Measures passages, each feature once for all models.

    Attributes
    ----------
    models
        At least one; they share chunks, MFCC and pitch.
    open_set
        The enrolled speakers, if there is a speaker model.
    embedder
        If a model is on wav2vec 2.0.
    """

    models: Sequence[ChosenModel]
    open_set: OpenSet | None
    embedder: Embedder | None

    def __call__(self, passage: Passage) -> Measured:
        """Measure a passage as training did its utterances."""
        signal = passage.signal
        bounds = chunk_bounds(len(signal), **self.models[0].spec.chunks.model_dump())
        silent = _find_silence(signal, bounds)
        speech = ~silent
        if speech.any():
            chunks = [signal[start:stop] for start, stop in compress(bounds, speech)]
            speech[speech] = is_speech(np.stack(chunks))
        clipped = [
            ((passage.clipped >= start) & (passage.clipped < stop)).sum()
            > _CLIPPED_SHARE * (stop - start)
            for start, stop in bounds
        ]
        inputs, vectors = (
            self._inputs(signal, bounds, silent, speech) if speech.any() else ({}, None)
        )
        stop = passage.start + len(signal)
        return Measured(
            passage.start, stop, bounds, silent, speech, np.array(clipped), inputs, vectors
        )

    def _inputs(
        self,
        signal: NDArray[np.float32],
        bounds: Bounds,
        silent: NDArray[np.bool_],
        speech: NDArray[np.bool_],
    ) -> tuple[dict[Task, NDArray[np.float32]], NDArray[np.float32] | None]:
        """Make the inputs and vectors of `Measured` of the chunks with speech."""
        spoken = list(compress(bounds, speech))
        tensors: dict[str, NDArray[Any]] = {}
        counted = None
        specs = [model.spec for model in self.models]
        for spec in specs:
            if spec.mfcc and _PASSAGE not in tensors:
                tensors[_PASSAGE] = mfcc(signal, **spec.mfcc.model_dump())
                counted = _outside_pauses(tensors[_PASSAGE], bounds, silent, spec.mfcc)
            if spec.pitch and spec.mfcc:
                tensors[f"{_PASSAGE}/{PITCH_PART}"] = pitch(
                    signal,
                    **spec.pitch.model_dump(),
                    window_seconds=spec.mfcc.window_seconds,
                    hop_seconds=spec.mfcc.hop_seconds,
                )
        if self.embedder:
            states = self.embedder(signal, spoken)
            tensors |= {f"{_PASSAGE}/{part}": array for part, array in states.items()}
        made = {
            model.task: _read(tensors, model.spec, spoken, counted, model.classifier)
            for model in self.models
        }
        if not self.open_set:
            return made, None
        return made, _read(tensors, self.open_set.spec, spoken, counted)


def _read(
    tensors: dict[str, NDArray[Any]],
    spec: FeatureSpec,
    spoken: Bounds,
    counted: NDArray[np.bool_] | None,
    classifier: Calibrated | None = None,
) -> NDArray[np.float32]:
    """Make inputs as the pipeline does of an utterance; pooled ones without a classifier."""
    cut = spec.chunk_inputs()
    if isinstance(cut, MfccInputs):
        # Here, because the pipeline knows of no pauses.
        frames = normalise(tensors[_PASSAGE], cut.normalisation, counted)
        tensors = {**tensors, _PASSAGE: frames}
        cut = replace(cut, normalisation="none")
    else:
        # The embedder pools nothing but the layer in use.
        cut = Wav2vec2Inputs(position=0)
    if classifier and classifier.form == "frames":
        arrays = cut.frames(tensors, _PASSAGE, spoken)
        arrays = [to_length(array, classifier.frames) for array in arrays]
    else:
        arrays = cut.pooled(tensors, _PASSAGE, spoken)
    return np.stack(arrays).astype(np.float32, copy=False)


def _outside_pauses(
    frames: NDArray[np.float32], bounds: Bounds, silent: NDArray[np.bool_], settings: Mfcc
) -> NDArray[np.bool_] | None:
    """Find the frames that are in no pause; None if there are no pauses."""
    if not silent.any():
        return None
    outside, hop = np.zeros(len(frames), dtype=bool), seconds_to_samples(settings.hop_seconds)
    for start, stop in compress(bounds, ~silent):
        outside[start // hop : stop // hop] = True
    return outside


def _find_silence(signal: NDArray[np.float32], bounds: Bounds) -> NDArray[np.bool_]:
    power = [np.mean(np.square(signal[start:stop])) for start, stop in bounds]
    levels = 10 * np.log10(np.maximum(power, np.finfo(np.float32).tiny))
    return levels < max(_SILENT_DB, levels.max() - _PAUSE_DB)
