"""Features as classifiers see them: one example per chunk, pooled or as a sequence of frames."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from speech.audio.augmentation import vary
from speech.audio.chunks import HALF, chunk_bounds, middle_half
from speech.features.mfcc import frame_count
from speech.features.normalise import normalise
from speech.features.pitch import PART as PITCH_PART
from speech.features.pitch import pitch_statistics
from speech.features.store import Tensors, read_speaker, speaker_file
from speech.params import SAMPLE_RATE, Features, Mfcc, MfccInput, Params

Form = Literal["pooled", "frames"]
Bounds = list[tuple[int, int]]
Arrays = list[NDArray[Any]]

_CONSTANT = 1e-3
"""Below this norm a coefficient counts as constant over a chunk: what moves it is rounding."""


@dataclass(frozen=True)
class Examples:
    """Chunks of many utterances.

    Attributes
    ----------
    table
        One row per chunk: utterance_id, speaker_id, chapter_id, chunk, start_seconds,
        end_seconds.
    inputs
        float32, of shape (chunks, dimensions) if pooled, (chunks, frames, dimensions) if not.
    copies
        The same under other conditions, to be learnt from: each of the shape of `inputs`.
    halves
        The middle half chunks of the utterances that have one, to be tested and never learnt
        from; None if they were not asked for.
    """

    table: pd.DataFrame
    inputs: NDArray[np.float32]
    copies: tuple[NDArray[np.float32], ...] = ()
    halves: "Examples | None" = None


def load_examples(
    folders: Sequence[Path],
    features: Features,
    utterances: pd.DataFrame,
    params: Params,
    form: Form,
    *,
    copies: bool = False,
    halves: bool = False,
) -> Examples:
    """Load the chunks of some utterances.

    Holds all of them in memory, frames for a moment twice. For the 5.4 hours of dev-clean that
    is 12 MB of pooled MFCC or 500 MB of frames (60 columns), as much again for each copy under
    other conditions, and 60 MB of pooled wav2vec 2.0 base or 750 MB of frames (stride 4).

    Parameters
    ----------
    folders
        Where the speakers' features lie; those with pitch in two of them.
    features
        Which features they are.
    utterances
        With utterance_id, speaker_id, chapter_id and samples.
    params
        `chunks`, `mfcc`, `wav2vec2` and `inputs` count.
    form
        ``pooled`` for one vector per chunk, ``frames`` for a sequence.
    copies
        Whether to load the copies to be learnt from as well; there are such of MFCC only.
    halves
        Whether to load the middle half chunks as well, each as if it were a recording: cut out
        before its level is taken and its pitch is compared, in frames brought to a chunk's length.

    Returns
    -------
    chunks : Examples
        Sorted by speaker, chapter, utterance and chunk.
    """
    chunks = _load(folders, features, utterances, params, form)
    if halves:
        own = _load_halves(folders, features, utterances, params, form, chunks)
        chunks = replace(chunks, halves=own)
    # wav2vec 2.0 would have to hear the sound anew.
    if not copies or features == "wav2vec2":
        return chunks
    varied = [
        _load(folders, features, utterances, params, form, copy).inputs
        for copy in range(params.inputs.mfcc.augmentation.copies)
    ]
    return replace(chunks, copies=tuple(varied))


def _load(
    folders: Sequence[Path],
    features: Features,
    utterances: pd.DataFrame,
    params: Params,
    form: Form,
    copy: int | None = None,
) -> Examples:
    """Load chunks; of a copy that has a number, under the conditions drawn for it."""
    reader = READERS[features, form]
    rows: list[dict[str, Any]] = []
    inputs: list[NDArray[np.float32]] = []
    for utterance, tensors in _read(folders, utterances):
        name = utterance.utterance_id
        if copy is not None:
            # By its name, so that it is heard the same whatever else is in the corpus.
            random = np.random.default_rng([params.seed, copy, *name.encode()])
            augmentation = params.inputs.mfcc.augmentation
            tensors[name] = vary(tensors[name], params.mfcc, augmentation, random)
        bounds = chunk_bounds(utterance.samples, params.chunks)
        inputs.extend(reader(tensors, name, bounds, params))
        rows.extend(_chunk_rows(utterance, bounds))
    if form == "frames":
        longest = max(len(frames) for frames in inputs)
        inputs = [to_length(frames, longest) for frames in inputs]
    return Examples(pd.DataFrame(rows), np.stack(inputs).astype(np.float32, copy=False))


def _load_halves(
    folders: Sequence[Path],
    features: Features,
    utterances: pd.DataFrame,
    params: Params,
    form: Form,
    chunks: Examples,
) -> Examples:
    """Load the middle half chunks, of the columns, types and shape of the chunks."""
    reader = READERS[features, form]
    rows: list[dict[str, Any]] = []
    inputs: list[NDArray[np.float32]] = []
    for utterance, tensors in _read(folders, utterances):
        bound = middle_half(utterance.samples, params.chunks)
        if bound is None:
            continue
        name = utterance.utterance_id
        # What wav2vec 2.0 made of the half is stored; of the others the frames are cut out, with
        # what deltas and pitch heard of the few frames next to them.
        for part in ("", f"/{PITCH_PART}"):
            if name + part in tensors:
                own = _frames_of(tensors[name + part], bound, params.mfcc)
                tensors[f"{name}/{HALF}{part}"] = own
        start, stop = bound
        inputs.extend(reader(tensors, f"{name}/{HALF}", [(0, stop - start)], params))
        rows.extend(_chunk_rows(utterance, [bound]))
    if not rows:
        return Examples(chunks.table.head(0), chunks.inputs[:0])
    if form == "frames":
        inputs = [to_length(frames, chunks.inputs.shape[1]) for frames in inputs]
    return Examples(pd.DataFrame(rows), np.stack(inputs).astype(np.float32, copy=False))


def _read(folders: Sequence[Path], utterances: pd.DataFrame) -> Iterator[tuple[Any, Tensors]]:
    """Give each utterance's row, in the order of examples, and what is measured on its speaker."""
    ordered = utterances.sort_values(["speaker_id", "chapter_id", "utterance_id"])
    for speaker, own in ordered.groupby("speaker_id"):
        tensors: Tensors = {}
        for folder in folders:
            tensors |= read_speaker(speaker_file(folder, str(speaker)))
        for utterance in own.itertuples(index=False):
            yield utterance, tensors


def mfcc_statistics(
    frames: NDArray[np.float32], coefficients: int, settings: MfccInput
) -> NDArray[np.float32]:
    """Summarise the frames of one chunk.

    Parameters
    ----------
    frames
        Shape (frames, coefficients * (1 + delta orders)), static coefficients first.
    coefficients
        Number of static coefficients.
    settings
        Which statistics.

    Returns
    -------
    ndarray
        ``mean``: of each static coefficient; that of a delta is next to nothing by construction.
        ``std``: of every column. ``correlation``: between each two of the first static
        coefficients, which tells how a voice moves between its sounds, whatever the microphone
        adds to all of them; 0 for a coefficient that does not move. ``delta_correlation``: between
        the first deltas of the same coefficients.
    """
    static, deltas = frames[:, :coefficients], frames[:, coefficients : 2 * coefficients]
    correlated = min(settings.correlated, coefficients)
    statistics = {
        "mean": lambda: static.mean(axis=0),
        "std": lambda: frames.std(axis=0),
        "correlation": lambda: correlations(static[:, :correlated]),
        "delta_correlation": lambda: correlations(deltas[:, :correlated]),
    }
    return np.concatenate([statistics[name]() for name in settings.statistics])


def correlations(columns: NDArray[np.floating]) -> NDArray[np.floating]:
    """Correlate each two columns over the frames; 0 for one that does not move.

    Parameters
    ----------
    columns
        Shape (frames, columns).

    Returns
    -------
    ndarray
        One number for each pair of columns.
    """
    centred = columns - columns.mean(axis=0)
    scaled = centred / np.maximum(np.linalg.norm(centred, axis=0), _CONSTANT)
    return (scaled.T @ scaled)[np.triu_indices(columns.shape[1], k=1)]


def _chunk_rows(utterance: Any, bounds: Bounds) -> list[dict[str, Any]]:
    return [
        {
            "utterance_id": utterance.utterance_id,
            "speaker_id": utterance.speaker_id,
            "chapter_id": utterance.chapter_id,
            "chunk": number,
            "start_seconds": start / SAMPLE_RATE,
            "end_seconds": stop / SAMPLE_RATE,
        }
        for number, (start, stop) in enumerate(bounds)
    ]


def _mfcc_pooled(tensors: Tensors, utterance: str, bounds: Bounds, params: Params) -> Arrays:
    return [
        mfcc_statistics(frames, params.mfcc.coefficients, params.inputs.mfcc)
        for frames in _mfcc_frames(tensors, utterance, bounds, params)
    ]


def _mfcc_frames(tensors: Tensors, utterance: str, bounds: Bounds, params: Params) -> Arrays:
    frames = normalise(tensors[utterance], params.inputs.mfcc.normalisation)
    return [_frames_of(frames, bound, params.mfcc) for bound in bounds]


def _mfcc_pitch_pooled(tensors: Tensors, utterance: str, bounds: Bounds, params: Params) -> Arrays:
    pitch = tensors[f"{utterance}/{PITCH_PART}"]
    return [
        np.concatenate([statistics, pitch_statistics(_frames_of(pitch, bound, params.mfcc), pitch)])
        for statistics, bound in zip(
            _mfcc_pooled(tensors, utterance, bounds, params), bounds, strict=True
        )
    ]


def _mfcc_pitch_frames(tensors: Tensors, utterance: str, bounds: Bounds, params: Params) -> Arrays:
    pitch = tensors[f"{utterance}/{PITCH_PART}"]
    return [
        np.concatenate([frames, _frames_of(pitch, bound, params.mfcc)], axis=1)
        for frames, bound in zip(
            _mfcc_frames(tensors, utterance, bounds, params), bounds, strict=True
        )
    ]


def _wav2vec2_pooled(tensors: Tensors, utterance: str, _: Bounds, params: Params) -> Arrays:
    kept = params.wav2vec2.layers
    layer = params.inputs.wav2vec2.layer
    position = layer if kept == "all" else kept.index(layer)
    # A copy, so that the other layers need not stay in memory.
    return list(tensors[f"{utterance}/pooled"][:, position].copy())


def _wav2vec2_frames(tensors: Tensors, utterance: str, _: Bounds, __: Params) -> Arrays:
    return list(tensors[f"{utterance}/sequence"])


def _frames_of(
    frames: NDArray[np.float32], bound: tuple[int, int], settings: Mfcc
) -> NDArray[np.float32]:
    start, stop = bound
    # In the whole samples that the frames were cut at, or chunks would drift from their frames.
    first = start // settings.hop_samples
    return frames[first : first + frame_count(stop - start, settings)]


def to_length(frames: NDArray[Any], length: int) -> NDArray[Any]:
    """Repeat a short chunk's frames until they fill a whole chunk: nothing is made up."""
    if len(frames) == length:
        return frames
    return np.take(frames, np.arange(length), axis=0, mode="wrap")


READERS: dict[tuple[Features, Form], Callable[[Tensors, str, Bounds, Any], Arrays]] = {
    ("mfcc", "pooled"): _mfcc_pooled,
    ("mfcc", "frames"): _mfcc_frames,
    ("mfcc_pitch", "pooled"): _mfcc_pitch_pooled,
    ("mfcc_pitch", "frames"): _mfcc_pitch_frames,
    ("wav2vec2", "pooled"): _wav2vec2_pooled,
    ("wav2vec2", "frames"): _wav2vec2_frames,
}
"""From what is measured on an utterance, its name, its chunks, and params (or what has their blocks
`mfcc`, `wav2vec2` and `inputs`) to the input of each chunk."""
