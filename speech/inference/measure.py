"""What is measured on a passage: which of its chunks are speech, and the features of those."""

from collections.abc import Sequence
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech.audio.chunks import seconds_to_samples
from speech.classifiers.calibrated import Calibrated
from speech.features.examples import Bounds, chunk_inputs, to_length
from speech.features.feature_spec import FeatureSpec
from speech.features.mfcc import mfcc
from speech.features.pitch import PART as PITCH_PART
from speech.features.pitch import pitch
from speech.inference.passages import Passage
from speech.params import Mfcc
from speech.rejection.speech_detector import is_speech

_SILENT_DB = -70.0
"""Root mean square to full scale: the last few steps of a 16-bit converter."""

_PAUSE_DB = 30.0
"""A chunk so far below the loudest chunk of its passage is a pause. In read speech none is as far
as half of that."""

_CLIPPED_SHARE = 1e-3
"""Of a chunk's samples; fewer are inaudible."""

PASSAGE = "passage"


def find_silence(signal: NDArray[np.float32], bounds: Bounds) -> NDArray[np.bool_]:
    """Find the chunks that are silent, or pauses next to speech, shape (chunks,)."""
    # The variance, because a constant offset is inaudible.
    power = [np.var(signal[start:stop]) for start, stop in bounds]
    levels = 10 * np.log10(np.maximum(power, np.finfo(np.float32).tiny))
    return levels < max(_SILENT_DB, levels.max() - _PAUSE_DB)


def find_clipped(passage: Passage, bounds: Bounds) -> list[bool]:
    """Find the chunks of which an audible part was cut off at full scale, shape (chunks,)."""
    # Positions are in order.
    places = [np.searchsorted(passage.clipped, bound) for bound in bounds]
    return [
        bool(last - first > _CLIPPED_SHARE * (stop - start))
        for (first, last), (start, stop) in zip(places, bounds, strict=True)
    ]


def find_speech(
    signal: NDArray[np.float32], bounds: Bounds, silent: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Find the chunks that are speech, shape (chunks,)."""
    speech = ~silent
    if speech.any():
        chunks = [signal[start:stop] for start, stop in compress(bounds, speech)]
        speech[speech] = is_speech(np.stack(chunks))
    return speech


def measure_passage(
    signal: NDArray[np.float32],
    bounds: Bounds,
    silent: NDArray[np.bool_],
    specs: Sequence[FeatureSpec],
) -> tuple[dict[str, NDArray[Any]], NDArray[np.bool_] | None]:
    """Measure MFCC and pitch of a passage, each once for all models.

    Parameters
    ----------
    signal
        Of the passage.
    bounds
        Start and stop of each chunk, in samples.
    silent
        Of each chunk.
    specs
        Of the models; they share MFCC and pitch.

    Returns
    -------
    tensors : dict
        Named as features on the disk are, for the utterance `PASSAGE`.
    counted : ndarray or None
        Which frames are in no pause; None if all of them.
    """
    tensors: dict[str, NDArray[Any]] = {}
    counted = None
    for spec in specs:
        if spec.mfcc and PASSAGE not in tensors:
            tensors[PASSAGE] = mfcc(signal, **spec.mfcc.model_dump())
            counted = _outside_pauses(tensors[PASSAGE], bounds, silent, spec.mfcc)
        if spec.pitch and spec.mfcc:
            tensors[f"{PASSAGE}/{PITCH_PART}"] = pitch(
                signal,
                **spec.pitch.model_dump(),
                window_seconds=spec.mfcc.window_seconds,
                hop_seconds=spec.mfcc.hop_seconds,
            )
    return tensors, counted


def read_inputs(
    tensors: dict[str, NDArray[Any]],
    spec: FeatureSpec,
    spoken: Bounds,
    counted: NDArray[np.bool_] | None,
    classifier: Calibrated | None = None,
) -> NDArray[np.float32]:
    """Make inputs as the pipeline does of an utterance; pooled ones without a classifier."""
    if spec.wav2vec2 and spec.inputs.wav2vec2:
        # The embedder pools nothing but the layer in use.
        kept = spec.wav2vec2.model_copy(update={"layers": [spec.inputs.wav2vec2.layer]})
        spec = spec.model_copy(update={"wav2vec2": kept})
    form = classifier.form if classifier else "pooled"
    arrays = chunk_inputs(tensors, PASSAGE, spoken, spec, form, counted)
    if classifier and form == "frames":
        arrays = [to_length(array, classifier.frames) for array in arrays]
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
