"""How accuracy grows with the seconds of speech that are heard."""

import pandas as pd

from speech.evaluation.scores import accuracy_by
from speech.params import SAMPLE_RATE, Chunks, Task
from speech.predictions import utterance_level

RUNS = (1, 2, 4, 8)
"""Chunks heard in a row; half a chunk is heard alone."""

WHOLE = "utterance"
"""The name of the longest length: whatever there is."""


def accuracy_by_length(
    chunks: pd.DataFrame,
    halves: pd.DataFrame,
    settings: Chunks,
    task: Task,
    *,
    resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Score half a chunk, and the joined predictions of one, two, four and eight consecutive ones.

    Utterances are cut into runs of chunks from their start; a run counts only if it is whole, so
    that each is of exactly its length: what a last chunk that reaches back would hear twice is
    left out. Of each utterance there is one half chunk, its middle. Long runs come from long
    utterances only; the counts say of how many.

    Parameters
    ----------
    chunks
        Predictions per chunk, with ``chunk``, ``start_seconds`` and ``end_seconds``.
    halves
        Predictions per half chunk, with the same columns; it may have no rows.
    settings
        The grid that the chunks were cut by.
    task
        How speakers are resampled; see `speech.evaluation.scores`.
    resamples, seed
        Of the bootstrap.

    Returns
    -------
    DataFrame
        One row per length that any utterance has: ``length``, its ``seconds`` (for whole
        utterances their mean), ``runs``, ``utterances``, ``speakers``, ``value`` (the accuracy),
        ``low``, ``high``.
    """
    joined = [_runs(chunks, settings, length) for length in RUNS]
    parts = [_halves(halves, settings), *joined, _utterances(chunks)]
    runs = pd.concat(parts, ignore_index=True)
    order = {name: place for place, name in enumerate(runs["length"].unique())}
    by_length = runs.groupby("length", sort=False)
    scores = accuracy_by(runs, runs["length"].map(order), task, resamples=resamples, seed=seed)
    columns = {
        "length": list(order),
        "seconds": by_length["seconds"].mean().to_numpy(),
        "runs": scores["rows"],
        "utterances": by_length["utterance_id"].nunique().to_numpy(),
    }
    return pd.DataFrame(columns).join(scores[["speakers", "value", "low", "high"]])


def _runs(chunks: pd.DataFrame, settings: Chunks, length: int) -> pd.DataFrame:
    # The run is a part of the utterance's name, for its chunks to be joined.
    names = chunks["utterance_id"] + "/" + (chunks["chunk"] // length).astype(str)
    by_run = chunks.groupby(names, sort=False)
    heard = by_run["end_seconds"].transform("max") - by_run["start_seconds"].transform("min")
    seconds = (settings.samples + (length - 1) * settings.hop_samples) / SAMPLE_RATE
    # Half a sample is none.
    exact = (heard - seconds).abs() < 0.5 / SAMPLE_RATE
    whole = exact & (by_run["chunk"].transform("size") == length)
    runs = utterance_level(chunks.assign(utterance_id=names)[whole])
    utterances = runs["utterance_id"].str.rsplit("/", n=1).str[0]
    return runs.assign(utterance_id=utterances, length=f"{seconds:g} s", seconds=seconds)


def _halves(halves: pd.DataFrame, settings: Chunks) -> pd.DataFrame:
    seconds = settings.samples // 2 / SAMPLE_RATE
    return halves.assign(length=f"{seconds:g} s", seconds=seconds)


def _utterances(chunks: pd.DataFrame) -> pd.DataFrame:
    by_utterance = chunks.groupby("utterance_id", sort=False)
    heard = by_utterance["end_seconds"].max() - by_utterance["start_seconds"].min()
    utterances = utterance_level(chunks)
    return utterances.assign(length=WHOLE, seconds=utterances["utterance_id"].map(heard))
