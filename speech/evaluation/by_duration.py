"""How accuracy grows with the seconds of speech."""

import pandas as pd

from speech.audio import SAMPLE_RATE
from speech.evaluation.scores import average_by
from speech.params import Task
from speech.storage.predictions import utterance_level

RUNS = (1, 2, 4, 8)
"""Lengths of runs of chunks."""

WHOLE = "utterance"
"""The name of the longest duration: whatever there is."""


def accuracy_by_duration(
    chunks: pd.DataFrame,
    task: Task,
    *,
    chunk_seconds: float = 2.0,
    hop_seconds: float = 2.0,
    resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Score the averaged predictions of one, two, four and eight consecutive chunks.

    Utterances are cut into runs of chunks from their start. Only whole runs count, without a last
    chunk that overlaps the one before: each is of exactly its duration. Long runs come from long
    utterances only; the counts say of how many.

    Parameters
    ----------
    chunks
        Predictions per chunk, with ``chunk``, ``start_seconds`` and ``end_seconds``.
    task
        How speakers are resampled; see `speech.evaluation.scores`.
    chunk_seconds, hop_seconds
        The grid that the chunks were cut by.
    resamples, seed
        Of the bootstrap.

    Returns
    -------
    DataFrame
        One row per duration that any utterance has: ``duration`` (its name), ``seconds`` (for whole
        utterances their mean), ``runs``, ``utterances``, ``speakers``, ``value`` (the accuracy),
        ``low``, ``high``.
    """
    parts = [_runs(chunks, length, chunk_seconds, hop_seconds) for length in RUNS]
    runs = pd.concat([*parts, _whole_utterances(chunks)], ignore_index=True)
    # In this order, not in that of the names.
    runs["duration"] = pd.Categorical(runs["duration"], runs["duration"].unique())
    scores = average_by(runs, runs["duration"], task, resamples=resamples, seed=seed)
    by_duration = runs.groupby("duration", observed=True)
    scores.insert(1, "seconds", by_duration["seconds"].mean().to_numpy())
    scores.insert(3, "utterances", by_duration["utterance_id"].nunique().to_numpy())
    return scores.rename(columns={"group": "duration", "rows": "runs"})


def _runs(
    chunks: pd.DataFrame, length: int, chunk_seconds: float, hop_seconds: float
) -> pd.DataFrame:
    # The run is a part of the utterance's name, for its chunks to be averaged.
    names = chunks["utterance_id"] + "/" + (chunks["chunk"] // length).astype(str)
    samples = round(chunk_seconds * SAMPLE_RATE) + (length - 1) * round(hop_seconds * SAMPLE_RATE)
    seconds = samples / SAMPLE_RATE
    # Half a sample is none.
    exact = (_durations(chunks, names) - seconds).abs() < 0.5 / SAMPLE_RATE
    whole = exact & (chunks.groupby(names)["chunk"].transform("size") == length)
    runs = utterance_level(chunks.assign(utterance_id=names)[whole])
    utterances = runs["utterance_id"].str.rsplit("/", n=1).str[0]
    return runs.assign(utterance_id=utterances, duration=f"{seconds:g} s", seconds=seconds)


def _whole_utterances(chunks: pd.DataFrame) -> pd.DataFrame:
    durations = _durations(chunks, chunks["utterance_id"]).groupby(chunks["utterance_id"]).first()
    utterances = utterance_level(chunks)
    return utterances.assign(duration=WHOLE, seconds=utterances["utterance_id"].map(durations))


def _durations(chunks: pd.DataFrame, names: pd.Series) -> pd.Series:
    """Return the seconds from the first to the last of all chunks of a name, for each chunk."""
    grouped = chunks.groupby(names)
    return grouped["end_seconds"].transform("max") - grouped["start_seconds"].transform("min")
