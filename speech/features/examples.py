"""What classifiers are given: one example per chunk, as a pooled vector or a sequence of frames."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE
from speech.audio.chunks import chunk_bounds, seconds_to_samples
from speech.errors import UserError
from speech.features.feature_spec import FeatureSpec
from speech.features.mfcc import frame_count
from speech.features.normalise import normalise
from speech.features.pitch import PART as PITCH
from speech.features.pitch import pitch_statistics
from speech.features.statistics import mfcc_statistics
from speech.features.store import Tensors, read_speaker
from speech.parallel import Progress, silent, spread
from speech.storage.arrays import map_arrays, writing_rows
from speech.storage.examples import Examples, Form, copy_name

Bounds = Sequence[tuple[int, int]]

_KINDS: dict[Form, type[np.floating]] = {"pooled": np.float32, "frames": np.float16}
"""Of the numbers in the arrays of a form."""


def chunk_inputs(
    tensors: Tensors,
    name: str,
    bounds: Bounds,
    spec: FeatureSpec,
    form: Form,
    counted: NDArray[np.bool_] | None = None,
) -> list[NDArray[Any]]:
    """Cut the features of an utterance into what a classifier is given of its chunks.

    Parameters
    ----------
    tensors
        Features of a speaker, as they are kept on disk.
    name
        Of the utterance, or of a copy of it.
    bounds
        Start and stop of each chunk, in samples.
    spec
        What is made of which features.
    form
        ``pooled``: a vector per chunk. Of the MFCC, statistics of the chunk's frames, then those
        of its pitch; of wav2vec 2.0, mean and standard deviation of the layer in use.
        ``frames``: a sequence per chunk. Of the MFCC, the static coefficients, as a convolution
        over time has no need of deltas, then pitch as further columns; of wav2vec 2.0, the
        sequence that was kept.
    counted
        Which frames of the MFCC they are normalised by, shape (frames,); None for all.

    Returns
    -------
    list of ndarray
        One for each chunk.
    """
    if spec.wav2vec2 and spec.inputs.wav2vec2:
        if form == "frames":
            return list(tensors[f"{name}/sequence"])
        position = spec.wav2vec2.layers.index(spec.inputs.wav2vec2.layer)
        # A copy, so that the other layers need not stay in memory.
        return list(tensors[f"{name}/pooled"][:, position].copy())
    if spec.mfcc is None or spec.inputs.mfcc is None:
        raise ValueError("features of neither MFCC nor wav2vec 2.0")
    window_seconds, hop_seconds = spec.mfcc.window_seconds, spec.mfcc.hop_seconds
    coefficients, inputs = spec.mfcc.coefficients, spec.inputs.mfcc
    frames = normalise(tensors[name], inputs.normalisation, counted)
    # A copy has the pitch of the clean utterance.
    pitch = tensors[f"{name.split('/')[0]}/{PITCH}"] if spec.pitch else None
    made = []
    for bound in bounds:
        place = frames_of_chunk(bound, window_seconds=window_seconds, hop_seconds=hop_seconds)
        own = frames[place]
        if form == "frames":
            parts = [own[:, :coefficients]]
        else:
            statistics, correlated = inputs.statistics, inputs.correlated
            parts = [
                mfcc_statistics(
                    own, coefficients=coefficients, statistics=statistics, correlated=correlated
                )
            ]
        if pitch is not None:
            of_chunk = pitch[place]
            parts.append(
                of_chunk[: len(own)] if form == "frames" else pitch_statistics(of_chunk, pitch)
            )
        made.append(np.concatenate(parts, axis=-1))
    return made


def frames_of_chunk(
    bound: tuple[int, int], *, window_seconds: float = 0.025, hop_seconds: float = 0.01
) -> slice:
    """Find the frames of an utterance that lie in a chunk of it, given in samples."""
    start, stop = bound
    # In the whole samples that the frames were cut at, or chunks would drift from their frames.
    first = start // seconds_to_samples(hop_seconds)
    count = frame_count(stop - start, window_seconds=window_seconds, hop_seconds=hop_seconds)
    return slice(first, first + count)


def build_examples(
    folders: Sequence[Path],
    utterances: pd.DataFrame,
    spec: FeatureSpec,
    form: Form,
    path: Path,
    *,
    copies: int = 0,
    jobs: int = -1,
    progress: Progress = silent,
) -> Examples:
    """Cut the features of utterances into examples, and write their arrays.

    Holds a speaker's features for each worker, and the table of all chunks.

    Parameters
    ----------
    folders
        Where the speakers' features lie; those with pitch in two of them.
    utterances
        With utterance_id, speaker_id, chapter_id, gender and samples; content, if it is there, is
        handed on.
    spec
        Of the chunks, and of what becomes of their features.
    form
        ``pooled`` for one vector per chunk, ``frames`` for a sequence.
    path
        The file of the arrays, which is made or replaced.
    copies
        How many augmented copies of each utterance there are.
    jobs
        Threads; -1 for one per core.
    progress
        Shown over speakers.

    Returns
    -------
    examples : Examples
        Sorted by speaker, chapter, utterance and chunk; float32 if pooled, float16 if frames.
        The arrays are mapped from the file.
    """
    ordered = utterances.sort_values(["speaker_id", "chapter_id", "utterance_id"])
    table = pd.DataFrame(_rows_of_chunks(ordered, spec.chunks.model_dump()))
    speakers = list(ordered.groupby("speaker_id"))
    firsts = np.cumsum([0, *table.groupby("speaker_id").size()])

    cut = partial(_cut, spec=spec, form=form)
    # An utterance with an example that is as long as any, whose shape all have.
    longest = ordered.loc[[ordered["samples"].idxmax()]]
    (example, *_) = cut(longest, _read(folders, longest["speaker_id"].iloc[0]))
    shape = (len(table), *example.shape)
    versions = ["", *(f"/{copy_name(number)}" for number in range(copies))]

    with writing_rows(path, len(versions), shape, _KINDS[form]) as put:

        def write(number: int) -> None:
            speaker, own = speakers[number]
            tensors = _read(folders, speaker)
            first, stop = firsts[number : number + 2]
            for place, version in enumerate(versions):
                part = cut(own, tensors, version)
                if form == "frames":
                    part = [to_length(frames, len(example)) for frames in part]
                if len(part) != stop - first:
                    raise UserError(
                        f"{folders[0]}: the features of speaker {speaker} are not those of the "
                        "recordings in the index; run `dvc repro`."
                    )
                put(place, int(first), np.stack(part))

        spread(write, range(len(speakers)), jobs, progress, "threads")
    clean, *numbered = map_arrays(path)
    return Examples(table, clean, tuple(numbered))


def to_length(frames: NDArray[Any], length: int) -> NDArray[Any]:
    """Repeat the frames of a short chunk until they fill a whole one."""
    if len(frames) == length:
        return frames
    return np.take(frames, np.arange(length), axis=0, mode="wrap")


def _read(folders: Sequence[Path], speaker: str) -> Tensors:
    tensors: Tensors = {}
    for folder in folders:
        tensors |= read_speaker(folder, speaker)
    return tensors


def _cut(
    utterances: pd.DataFrame, tensors: Tensors, version: str = "", *, spec: FeatureSpec, form: Form
) -> list[NDArray[Any]]:
    """Return the examples of some utterances of a speaker, or of a copy of them."""
    grid = spec.chunks.model_dump()
    return [
        example
        for row in utterances.itertuples(index=False)
        for example in chunk_inputs(
            tensors, f"{row.utterance_id}{version}", chunk_bounds(row.samples, **grid), spec, form
        )
    ]


def _rows_of_chunks(utterances: pd.DataFrame, grid: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    names = ("utterance_id", "speaker_id", "chapter_id", "gender", "content")
    for utterance in utterances.itertuples(index=False):
        same = {name: getattr(utterance, name) for name in names if hasattr(utterance, name)}
        for number, (start, stop) in enumerate(chunk_bounds(utterance.samples, **grid)):
            yield {
                **same,
                "chunk": number,
                "start_seconds": start / SAMPLE_RATE,
                "end_seconds": stop / SAMPLE_RATE,
            }
