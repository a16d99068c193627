"""Speaker verification: whether two utterances of unheard voices are of one voice.

An utterance is the mean of its chunks' features, standardised and centred by the speakers of the
other folds and scaled to unit length; the score of a trial is the cosine between two utterances.
Nothing is trained on speakers' identities: this measures the features, not a classifier.

The equal error rate is where misses (two utterances of one speaker held for two speakers) and false
alarms (two speakers held for one) are equally frequent. The DET curve shows all other choices of
the threshold, on axes on which normally distributed scores give a straight line [1]_.

References
----------
.. [1] Martin, A., Doddington, G., Kamm, T., Ordowski, M. and Przybocki, M., "The DET curve in
   assessment of detection task performance", Eurospeech 1997.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.preprocessing import StandardScaler, normalize

from speech.errors import UserError
from speech.evaluation.scores import draw_speakers, interval_of

DET_POINTS = 200
"""As many as a drawing can show."""


class Rates(NamedTuple):
    """How often each error is made at each threshold, from the lowest up.

    Attributes
    ----------
    thresholds
        Scores up to this one are rejected, shape (thresholds,).
    miss
        Share of target trials rejected, shape (thresholds,).
    false_alarm
        Share of impostor trials accepted, shape (thresholds,).
    """

    thresholds: NDArray[np.float64]
    miss: NDArray[np.float64]
    false_alarm: NDArray[np.float64]


def normalise_by_other_folds(
    vectors: NDArray[np.float32], folds: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Standardise and centre each fold by the others, and scale every vector to unit length.

    Parameters
    ----------
    vectors
        Shape (utterances, dimensions).
    folds
        Shape (utterances,); no speaker is in two.

    Returns
    -------
    ndarray of shape (utterances, dimensions)
        The dot product of two is their cosine.
    """
    scaled = np.empty(vectors.shape)
    for fold in np.unique(folds):
        held_out = folds == fold
        scaled[held_out] = StandardScaler().fit(vectors[~held_out]).transform(vectors[held_out])
    return normalize(scaled)


def draw_trials(utterances: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    """Draw pairs of utterances of the same fold, so that no speaker dominates.

    Two utterances of one speaker are a trial only if they are of different chapters: within one,
    microphone and room would give the speaker away. So speakers with a single chapter are
    impostors only.

    Parameters
    ----------
    utterances
        With ``speaker_id``, ``chapter_id`` and ``fold``.
    most
        Target trials of a speaker, and impostor trials drawn for a speaker, at most.
    seed
        Of the draw.

    Returns
    -------
    DataFrame
        ``first``, ``second`` (positions in the table), ``target`` (whether of one speaker).

    Raises
    ------
    UserError
        If no speaker has two chapters.
    """
    random = np.random.default_rng(seed)
    speakers, chapters, folds = (
        utterances[column].to_numpy() for column in ("speaker_id", "chapter_id", "fold")
    )
    tables = []
    for speaker in np.unique(speakers):
        own = np.flatnonzero(speakers == speaker)
        fold = folds[own[0]]
        others = np.flatnonzero((folds == fold) & (speakers != speaker))
        first, second = np.triu_indices(len(own), k=1)
        pairs = np.column_stack([own[first], own[second]])
        pairs = pairs[chapters[pairs[:, 0]] != chapters[pairs[:, 1]]]
        pairs = pairs[_draw(random, len(pairs), most)]
        chosen = _draw(random, len(own) * len(others), most)
        strangers = np.column_stack([own[chosen // len(others)], others[chosen % len(others)]])
        tables += [_trials(pairs, target=True), _trials(strangers, target=False)]
    # Two speakers may have drawn the same pair.
    trials = pd.concat(tables, ignore_index=True).drop_duplicates(ignore_index=True)
    if not trials["target"].any():
        raise UserError(
            "corpus: no speaker with a gender on record has two chapters, as verification needs; "
            "add recordings of a second session."
        )
    return trials


def error_rates(
    scores: NDArray[np.float64],
    targets: NDArray[np.bool_],
    weights: NDArray[np.float64] | None = None,
) -> Rates:
    """Count both errors at every threshold.

    Parameters
    ----------
    scores
        Higher for what is held for one speaker, shape (trials,).
    targets
        Whether it is one speaker, shape (trials,).
    weights
        How often each trial counts, shape (trials,); by itself, once.

    Returns
    -------
    Rates
        From all accepted to all rejected; NaN where no target or no impostor trial counts.
    """
    order = np.argsort(scores, kind="stable")
    weights = np.ones(len(scores)) if weights is None else weights
    ranked, own = scores[order], np.where(targets, weights, 0)[order]
    strangers = np.where(targets, 0, weights)[order]
    # Equal scores are accepted or rejected together.
    last = np.flatnonzero(np.append(np.diff(ranked) > 0, True))
    rejected = [np.append(0, np.cumsum(part)[last]) for part in (own, strangers)]
    with np.errstate(invalid="ignore"):
        miss, rightly = (part / part[-1] for part in rejected)
    return Rates(np.append(-np.inf, ranked[last]), miss, 1 - rightly)


def equal_error_rate(rates: Rates) -> float:
    """Interpolate the rate at which misses and false alarms are equally frequent.

    Parameters
    ----------
    rates
        As `error_rates` gives them.

    Returns
    -------
    float
        0 to 1; 0.5 for scores that tell nothing.
    """
    excess = rates.miss - rates.false_alarm
    if np.isnan(excess).any():
        return np.nan
    after = int(np.argmax(excess >= 0))
    share = -excess[after - 1] / (excess[after] - excess[after - 1])
    return float(rates.miss[after - 1] + share * (rates.miss[after] - rates.miss[after - 1]))


def equal_error_interval(
    scores: NDArray[np.float64],
    trials: pd.DataFrame,
    speakers: NDArray[np.str_],
    *,
    resamples: int,
    seed: int,
) -> tuple[float, float]:
    """Give the 95 % percentile interval of the equal error rate over resampled speakers.

    A target trial counts as often as its speaker was drawn, an impostor trial as often as both of
    its speakers were, multiplied.

    Parameters
    ----------
    scores
        Of the trials.
    trials
        As `draw_trials` gives them.
    speakers
        Of each utterance.
    resamples, seed
        Of the bootstrap.

    Returns
    -------
    low, high : float
        The interval.
    """
    codes, names = pd.factorize(speakers, sort=True)
    drawn = draw_speakers(np.zeros(len(names), dtype=int), resamples, seed)
    first, second = (codes[trials[side]] for side in ("first", "second"))
    targets = trials["target"].to_numpy()
    rates = [
        equal_error_rate(
            error_rates(scores, targets, times[first] * np.where(targets, 1, times[second]))
        )
        for times in drawn.astype(np.float64)
    ]
    low, high = interval_of(np.array(rates))
    return float(low), float(high)


def det_curve(rates: Rates) -> pd.DataFrame:
    """Give points of the DET curve, where it has any: both errors are made.

    Parameters
    ----------
    rates
        As `error_rates` gives them.

    Returns
    -------
    DataFrame
        ``threshold``, ``false_alarm``, ``miss`` and, for the axes, the normal deviates
        ``false_alarm_probit`` and ``miss_probit``; at most `DET_POINTS` rows.
    """
    inside = np.flatnonzero((rates.miss > 0) & (rates.false_alarm > 0) & (rates.miss < 1))
    inside = inside[rates.false_alarm[inside] < 1]
    number = min(len(inside), DET_POINTS)
    kept = inside[np.linspace(0, len(inside) - 1, number).astype(int)]
    return pd.DataFrame(
        {
            "threshold": rates.thresholds[kept],
            "false_alarm": rates.false_alarm[kept],
            "miss": rates.miss[kept],
            "false_alarm_probit": norm.ppf(rates.false_alarm[kept]),
            "miss_probit": norm.ppf(rates.miss[kept]),
        }
    )


def _draw(random: np.random.Generator, available: int, most: int) -> NDArray[np.int64]:
    return random.choice(available, size=min(available, most), replace=False)


def _trials(pairs: NDArray[np.int64], *, target: bool) -> pd.DataFrame:
    pairs = np.sort(pairs, axis=1)
    return pd.DataFrame({"first": pairs[:, 0], "second": pairs[:, 1], "target": target})
