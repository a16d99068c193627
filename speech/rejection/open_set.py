"""Trials of enrolled and unknown speakers, and the threshold between them.

Some speakers are held out whole: the whitening knows nothing of them. The others are enrolled with
all their sessions but the tested ones. So, as in use, an enrolled speaker is tested in a session
that is not in training, and an unknown speaker is not in training at all. Every speaker is unknown
once.

The score is the cosine with the nearest of the enrolled speakers, and the more there are, the
nearer is the nearest, to an unknown speaker too. Trials with fewer speakers than the model in use
has would set the threshold too low. Therefore those who are held out together are enrolled for each
other's trials: an unknown speaker meets all enrolled speakers but, of course, none of its own name.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from speech.evaluation.roc import equal_error_rate_with_interval
from speech.evaluation.scores import draw_speakers, share_with_interval
from speech.features.feature_spec import FeatureSpec
from speech.rejection.enrolled_speakers import EnrolledSpeakers
from speech.rejection.model_file import OpenSet
from speech.storage.results import named_with_ends


def fit_open_set(
    chunks: pd.DataFrame,
    vectors: NDArray[np.float32],
    spec: FeatureSpec,
    *,
    unknown_false_acceptance: float = 0.05,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[OpenSet, dict[str, float]]:
    """Enrol all speakers with two sessions, and set the thresholds.

    Parameters
    ----------
    chunks, vectors
        As in `open_set_trials`.
    spec
        How the features are made.
    unknown_false_acceptance, resamples, seed
        As in `open_set_errors`.

    Returns
    -------
    open_set : OpenSet
    errors : dict
        Of utterances, as `open_set_errors` returns them.
    """
    trials = open_set_trials(chunks, vectors)
    rate = unknown_false_acceptance
    errors = open_set_errors(trials["utterance"], rate, resamples=resamples, seed=seed)
    enrolled = (chunks["session"] >= 0).to_numpy()
    names = chunks.loc[enrolled, "speaker_id"].to_numpy(str)
    open_set = OpenSet(
        EnrolledSpeakers.fit(vectors[enrolled], names),
        accepting_threshold(trials["chunk"], rate),
        accepting_threshold(trials["utterance"], rate),
        spec,
    )
    return open_set, errors


def open_set_trials(chunks: pd.DataFrame, vectors: NDArray[np.float32]) -> dict[str, pd.DataFrame]:
    """Score every chunk and every utterance as an enrolled and as an unknown speaker.

    Parameters
    ----------
    chunks
        With utterance_id, speaker_id, ``group`` (speakers are held out by groups) and ``session``
        (the fold of the chapter; -1 for speakers with one chapter, who are never enrolled).
    vectors
        Pooled features, shape (chunks, dimensions).

    Returns
    -------
    dict
        For ``chunk`` and ``utterance`` a table with speaker_id, group, ``score`` and ``enrolled``.
    """
    tables: dict[str, list[pd.DataFrame]] = {"chunk": [], "utterance": []}
    names = chunks["speaker_id"].to_numpy(str)
    for training, held_out, enrolled, unknown in _parts(chunks):
        fitted = EnrolledSpeakers.fit(vectors[training], names[training])
        known = len(fitted.centroids)
        everyone = fitted.enrolling(vectors[held_out], names[held_out])
        further = np.unique(names[held_out]).tolist()
        parts = [(everyone, enrolled, True)]
        for name in np.unique(names[unknown]):
            # Speakers with one session are never enrolled.
            others = everyone.without(known + further.index(name)) if name in further else everyone
            parts.append((others, unknown & (names == name), False))
        for speakers, tested, is_enrolled in parts:
            for level, trials in _score(speakers, chunks[tested], vectors[tested]).items():
                tables[level].append(trials.assign(enrolled=is_enrolled))
    return {level: pd.concat(parts, ignore_index=True) for level, parts in tables.items()}


def accepting_threshold(trials: pd.DataFrame, unknown_false_acceptance: float) -> float:
    """Return the score from which a speaker counts as enrolled.

    Parameters
    ----------
    trials
        As `open_set_trials` returns them.
    unknown_false_acceptance
        Share of the trials of unknown speakers that may reach it.
    """
    unknown = trials.loc[~trials["enrolled"], "score"]
    return float(unknown.quantile(1 - unknown_false_acceptance))


def open_set_errors(
    trials: pd.DataFrame, unknown_false_acceptance: float, *, resamples: int = 1000, seed: int = 0
) -> dict[str, float]:
    """Measure how often each error is made.

    Each group of speakers is tested with the threshold that all other groups give.

    Parameters
    ----------
    trials
        As `open_set_trials` returns them.
    unknown_false_acceptance
        As in `accepting_threshold`.
    resamples, seed
        Of the bootstrap over speakers.

    Returns
    -------
    dict
        ``equal_error_rate``, ``known_false_rejection`` and ``unknown_false_acceptance``, each also
        with ``_low`` and ``_high``, the ends of its 95 % interval.
    """
    thresholds = {
        group: accepting_threshold(trials[trials["group"] != group], unknown_false_acceptance)
        for group in trials["group"].unique()
    }
    accepted = (trials["score"] >= trials["group"].map(thresholds)).to_numpy()
    enrolled, speakers = trials["enrolled"].to_numpy(), trials["speaker_id"].to_numpy(str)
    resampling = {"resamples": resamples, "seed": seed}
    names, codes = np.unique(speakers, return_inverse=True)
    drawn = draw_speakers(np.zeros(len(names), dtype=int), **resampling).astype(np.float64)
    equal_error = equal_error_rate_with_interval(
        trials["score"].to_numpy(), enrolled, (times[codes] for times in drawn)
    )
    rejected = share_with_interval(~accepted[enrolled], speakers[enrolled], **resampling)
    mistaken = share_with_interval(accepted[~enrolled], speakers[~enrolled], **resampling)
    return {
        **named_with_ends("equal_error_rate", equal_error),
        **named_with_ends("known_false_rejection", rejected),
        **named_with_ends("unknown_false_acceptance", mistaken),
    }


def _score(
    speakers: EnrolledSpeakers, chunks: pd.DataFrame, vectors: NDArray[np.float32]
) -> dict[str, pd.DataFrame]:
    """Score chunks by themselves, and the means over those of each utterance."""
    rows = chunks[["utterance_id", "speaker_id", "group"]]
    keys = rows["utterance_id"].to_numpy()
    means = pd.DataFrame(vectors).groupby(keys, sort=False).mean().to_numpy()
    levels = {"chunk": (rows, vectors), "utterance": (rows.drop_duplicates("utterance_id"), means)}
    return {
        level: trials.assign(score=speakers.scores(features)).drop(columns="utterance_id")
        for level, (trials, features) in levels.items()
    }


def _parts(chunks: pd.DataFrame) -> Iterator[tuple[NDArray[np.bool_], ...]]:
    """Give the chunks to fit on, those that held-out speakers are enrolled with, and the tested.

    The tested are those of enrolled and those of unknown speakers.
    """
    group, session = chunks["group"].to_numpy(), chunks["session"].to_numpy()
    for held_out in np.unique(group):
        for tested in np.unique(session[session >= 0]):
            inside, others = group != held_out, (session >= 0) & (session != tested)
            yield inside & others, ~inside & others, inside & (session == tested), ~inside
