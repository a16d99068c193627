"""Trials of known and unknown voices, and the threshold between them.

Some speakers are held out whole: nobody knows them. The others are known by all their sessions but
those that are tested. So a known voice comes from an unheard session, an unknown one from an
unheard speaker, as in use. Every speaker is unknown in one part of the trials.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from speech.evaluation.scores import draw_speakers, interval_of, share_with_interval
from speech.evaluation.verification import equal_error_rate, error_rates
from speech.features.examples import average_over_utterances
from speech.rejection.enrolled_speakers import EnrolledSpeakers


class Errors(NamedTuple):
    """How often a decision goes wrong, each with the ends of its 95 % interval over speakers."""

    eer: tuple[float, float, float]
    known_refused: tuple[float, float, float]
    unknown_accepted: tuple[float, float, float]


def open_set_trials(chunks: pd.DataFrame, vectors: NDArray[np.float32]) -> dict[str, pd.DataFrame]:
    """Score every utterance, and every chunk, once as a known and once as an unknown voice.

    Parameters
    ----------
    chunks
        With utterance_id, speaker_id, chapter_id, ``group`` (speakers are held out by groups) and
        ``session`` (the fold of the chapter; -1 for speakers with one chapter, who are never
        known).
    vectors
        Pooled features, shape (chunks, dimensions).

    Returns
    -------
    dict
        For ``chunk`` and ``utterance`` a table with speaker_id, group, ``known`` and ``score``.
    """
    tables: dict[str, list[pd.DataFrame]] = {"chunk": [], "utterance": []}
    group_of = chunks.drop_duplicates("speaker_id").set_index("speaker_id")["group"]
    for known, unknown, enrolled in _parts(chunks):
        voices = EnrolledSpeakers.learn(
            vectors[enrolled], chunks.loc[enrolled, "speaker_id"].to_numpy(str)
        )
        for tested, is_known in ((known, True), (unknown, False)):
            rows = chunks[tested]
            by_utterance = average_over_utterances(rows, vectors[tested])
            for level, (table, tried) in (
                ("chunk", (rows, vectors[tested])),
                ("utterance", by_utterance),
            ):
                trials = table[["speaker_id"]].assign(known=is_known, score=voices.scores(tried))
                tables[level].append(trials.assign(group=table["speaker_id"].map(group_of)))
    return {level: pd.concat(parts, ignore_index=True) for level, parts in tables.items()}


def accepting_threshold(trials: pd.DataFrame, accepted: float) -> float:
    """Return the score from which a voice counts as known.

    Parameters
    ----------
    trials
        As `open_set_trials` gives them.
    accepted
        Share of the unknown voices' trials that may reach it.
    """
    return float(trials.loc[~trials["known"], "score"].quantile(1 - accepted))


def open_set_errors(trials: pd.DataFrame, accepted: float, *, resamples: int, seed: int) -> Errors:
    """Say how often each error is made.

    Each group of speakers is judged by the threshold that all others give.

    Parameters
    ----------
    trials
        As `open_set_trials` gives them.
    accepted
        As in `accepting_threshold`.
    resamples, seed
        Of the bootstrap over speakers.
    """
    thresholds = {
        group: accepting_threshold(trials[trials["group"] != group], accepted)
        for group in trials["group"].unique()
    }
    taken = (trials["score"] >= trials["group"].map(thresholds)).to_numpy()
    known, speakers = trials["known"].to_numpy(), trials["speaker_id"].to_numpy(str)
    resampling = {"resamples": resamples, "seed": seed}
    return Errors(
        _equal_error(trials["score"].to_numpy(), known, speakers, **resampling),
        share_with_interval(~taken[known], speakers[known], **resampling),
        share_with_interval(taken[~known], speakers[~known], **resampling),
    )


def _equal_error(
    scores: NDArray[np.float64],
    known: NDArray[np.bool_],
    speakers: NDArray[np.str_],
    *,
    resamples: int,
    seed: int,
) -> tuple[float, float, float]:
    names, codes = np.unique(speakers, return_inverse=True)
    drawn = draw_speakers(np.zeros(len(names), dtype=int), resamples, seed)
    value, *resampled = (
        equal_error_rate(error_rates(scores, known, times[codes]))
        for times in [np.ones(len(names)), *drawn.astype(np.float64)]
    )
    low, high = interval_of(np.array(resampled))
    return value, float(low), float(high)


def _parts(chunks: pd.DataFrame) -> Iterator[tuple[NDArray[np.bool_], ...]]:
    group, session = chunks["group"].to_numpy(), chunks["session"].to_numpy()
    for held_out in np.unique(group):
        for tested in np.unique(session[session >= 0]):
            heard = (group != held_out) & (session >= 0)
            yield heard & (session == tested), group == held_out, heard & (session != tested)
