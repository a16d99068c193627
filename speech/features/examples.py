"""What classifiers are given: one example per chunk, as a pooled vector or a sequence of frames."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE
from speech.audio.chunks import chunk_bounds, seconds_to_samples
from speech.errors import UserError
from speech.features.mfcc import frame_count
from speech.features.normalise import Normalisation, normalise
from speech.features.pitch import PART as PITCH
from speech.features.pitch import pitch_statistics
from speech.features.store import Tensors, read_speaker, speaker_file
from speech.parallel import Progress, silent, spread
from speech.storage.arrays import map_arrays, writing_rows
from speech.storage.examples import Examples, Form, copy_name

Statistic = Literal["mean", "std", "correlation", "delta_correlation"]
Bounds = Sequence[tuple[int, int]]
Arrays = list[NDArray[Any]]

STATISTICS: tuple[Statistic, ...] = ("mean", "std", "correlation", "delta_correlation")

_KINDS: dict[Form, type[np.floating]] = {"pooled": np.float32, "frames": np.float16}
"""Of the numbers in the arrays of a form."""

_CONSTANT = 1e-3
"""A coefficient whose centred norm is below this is constant over a chunk, but for rounding."""


@dataclass(frozen=True)
class MfccInputs:
    """Inputs made of MFCC, with or without pitch.

    Attributes
    ----------
    normalisation
        Of the frames of an utterance; see `speech.features.normalise.normalise`.
    statistics
        Over the frames of a chunk; see `mfcc_statistics`.
    correlated
        How many of the first coefficients are correlated with each other.
    coefficients, window_seconds, hop_seconds
        As the MFCC were computed.
    pitch
        Whether pitch is appended.
    """

    normalisation: Normalisation = "level"
    statistics: Sequence[Statistic] = STATISTICS
    correlated: int = 13
    coefficients: int = 30
    window_seconds: float = 0.025
    hop_seconds: float = 0.01
    pitch: bool = False

    def pooled(self, tensors: Tensors, name: str, bounds: Bounds) -> Arrays:
        """Return a vector per chunk: statistics of its frames, then those of its pitch."""
        frames = normalise(tensors[name], self.normalisation)
        vectors = [
            mfcc_statistics(
                self._cut(frames, bound),
                coefficients=self.coefficients,
                statistics=self.statistics,
                correlated=self.correlated,
            )
            for bound in bounds
        ]
        if not self.pitch:
            return vectors
        pitch = tensors[_pitch_of(name)]
        return [
            np.concatenate([vector, pitch_statistics(self._cut(pitch, bound), pitch)])
            for vector, bound in zip(vectors, bounds, strict=True)
        ]

    def frames(self, tensors: Tensors, name: str, bounds: Bounds) -> Arrays:
        """Return the frames of each chunk, then pitch as further columns.

        Of the MFCC, the static coefficients: a convolution over time has no need of deltas.
        """
        frames = normalise(tensors[name], self.normalisation)[:, : self.coefficients]
        cut = [self._cut(frames, bound) for bound in bounds]
        if not self.pitch:
            return cut
        pitch = tensors[_pitch_of(name)]
        return [
            np.concatenate([part, self._cut(pitch, bound)[: len(part)]], axis=1)
            for part, bound in zip(cut, bounds, strict=True)
        ]

    def _cut(self, frames: NDArray[np.float32], bound: tuple[int, int]) -> NDArray[np.float32]:
        start, stop = bound
        # In the whole samples that the frames were cut at, or chunks would drift from their frames.
        first = start // seconds_to_samples(self.hop_seconds)
        count = frame_count(
            stop - start, window_seconds=self.window_seconds, hop_seconds=self.hop_seconds
        )
        return frames[first : first + count]


@dataclass(frozen=True)
class Wav2vec2Inputs:
    """Inputs made of the hidden states of wav2vec 2.0.

    Attributes
    ----------
    position
        Of the layer in use, among those that are kept.
    """

    position: int

    def pooled(self, tensors: Tensors, name: str, bounds: Bounds) -> Arrays:  # noqa: ARG002
        """Return mean and standard deviation of the layer in use, a vector per chunk."""
        # A copy, so that the other layers need not stay in memory.
        return list(tensors[f"{name}/pooled"][:, self.position].copy())

    def frames(self, tensors: Tensors, name: str, bounds: Bounds) -> Arrays:  # noqa: ARG002
        """Return the sequence that was kept of each chunk."""
        return list(tensors[f"{name}/sequence"])


ChunkInputs = MfccInputs | Wav2vec2Inputs
"""Cut the features of an utterance into the inputs of its chunks."""


def build_examples(
    folders: Sequence[Path],
    utterances: pd.DataFrame,
    inputs: ChunkInputs,
    form: Form,
    path: Path,
    *,
    chunks: Mapping[str, Any],
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
    inputs
        What becomes of the features of a chunk.
    form
        ``pooled`` for one vector per chunk, ``frames`` for a sequence.
    path
        The file of the arrays, which is made or replaced.
    chunks
        Keyword arguments of `speech.audio.chunks.chunk_bounds`.
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
    speakers = [(str(name), own) for name, own in ordered.groupby("speaker_id")]
    rows = [[*_rows_of_chunks(own, chunks)] for _, own in speakers]
    firsts = np.cumsum([0, *map(len, rows)])
    # An example that is as long as any, whose shape all have.
    seconds = [max(row["end_seconds"] - row["start_seconds"] for row in own) for own in rows]
    name, own = speakers[int(np.argmax(seconds))]
    longest = own.loc[[own["samples"].idxmax()]]
    cut = partial(_cut, inputs=inputs, form=form, chunks=chunks)
    (example, *_) = cut(_read(folders, name), longest)
    shape = (int(firsts[-1]), *example.shape)
    versions = ["", *(f"/{copy_name(number)}" for number in range(copies))]

    with writing_rows(path, len(versions), shape, _KINDS[form]) as put:

        def write(number: int) -> None:
            name, own = speakers[number]
            tensors = _read(folders, name)
            for place, version in enumerate(versions):
                part = cut(tensors, own, version)
                if form == "frames":
                    part = [to_length(frames, len(example)) for frames in part]
                if len(part) != len(rows[number]):
                    raise UserError(
                        f"{folders[0]}: the features of speaker {name} are not those of the "
                        "recordings in the index; run `dvc repro`."
                    )
                put(place, int(firsts[number]), np.stack(part))

        spread(write, range(len(speakers)), jobs, progress, "threads")
    table = pd.DataFrame([row for own in rows for row in own])
    clean, *numbered = map_arrays(path)
    return Examples(table, clean, tuple(numbered))


def mfcc_statistics(
    frames: NDArray[np.float32],
    *,
    coefficients: int = 30,
    statistics: Sequence[Statistic] = STATISTICS,
    correlated: int = 13,
) -> NDArray[np.float32]:
    """Summarise the frames of one chunk.

    Parameters
    ----------
    frames
        Shape (frames, coefficients * (1 + delta orders)), static coefficients first.
    coefficients
        Number of static coefficients.
    statistics
        Which, in this order.
    correlated
        How many of the first coefficients are correlated with each other.

    Returns
    -------
    ndarray
        ``mean``: of each static coefficient; the mean of a delta is nearly 0.
        ``std``: of every column. ``correlation``: of each two of the first static coefficients;
        it does not depend on the microphone, which adds the same to every frame.
        ``delta_correlation``: of each two of their deltas.
    """
    static, deltas = frames[:, :coefficients], frames[:, coefficients : 2 * coefficients]
    first = min(correlated, coefficients)
    computed = {
        "mean": lambda: static.mean(axis=0),
        "std": lambda: frames.std(axis=0),
        "correlation": lambda: correlations(static[:, :first]),
        "delta_correlation": lambda: correlations(deltas[:, :first]),
    }
    return np.concatenate([computed[name]() for name in statistics])


def correlations(columns: NDArray[np.floating]) -> NDArray[np.floating]:
    """Correlate each two columns over the frames; 0 for a column that is constant.

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
    return (scaled.T @ scaled)[_pairs(columns.shape[1])]


@cache
def _pairs(count: int) -> tuple[NDArray[np.intp], ...]:
    return np.triu_indices(count, k=1)


def to_length(frames: NDArray[Any], length: int) -> NDArray[Any]:
    """Repeat the frames of a short chunk until they fill a whole one."""
    if len(frames) == length:
        return frames
    return np.take(frames, np.arange(length), axis=0, mode="wrap")


def _read(folders: Sequence[Path], speaker: str) -> Tensors:
    tensors: Tensors = {}
    for folder in folders:
        tensors |= read_speaker(speaker_file(folder, speaker))
    return tensors


def _cut(
    tensors: Tensors,
    utterances: pd.DataFrame,
    version: str = "",
    *,
    inputs: ChunkInputs,
    form: Form,
    chunks: Mapping[str, Any],
) -> Arrays:
    """Return the inputs of the chunks of some utterances of a speaker, or of a copy of them."""
    cut = inputs.pooled if form == "pooled" else inputs.frames
    return [
        example
        for utterance in utterances.itertuples(index=False)
        for example in cut(
            tensors,
            f"{utterance.utterance_id}{version}",
            chunk_bounds(utterance.samples, **chunks),
        )
    ]


def _rows_of_chunks(
    utterances: pd.DataFrame, chunks: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    names = ("utterance_id", "speaker_id", "chapter_id", "gender", "content")
    for utterance in utterances.itertuples(index=False):
        same = {name: getattr(utterance, name) for name in names if hasattr(utterance, name)}
        for number, (start, stop) in enumerate(chunk_bounds(utterance.samples, **chunks)):
            yield {
                **same,
                "chunk": number,
                "start_seconds": start / SAMPLE_RATE,
                "end_seconds": stop / SAMPLE_RATE,
            }


def _pitch_of(name: str) -> str:
    # A copy has the pitch of the clean utterance.
    return f"{name.split('/')[0]}/{PITCH}"
