"""Speaker verification: whether two utterances are of one speaker, who is not in training.

An utterance is the mean of its chunks' features, standardised and centred by the speakers of the
other folds and scaled to unit length; the score of a trial is the cosine between two utterances.
Nothing is trained on speakers' identities: this measures the features, not a classifier.

A target trial is of one speaker, an impostor trial of two. The equal error rate is where misses
(target trials rejected) and false alarms (impostor trials accepted) are equally frequent. A woman
and a man are easily distinguished, so it is also given for impostors of the speaker's own gender.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from speech.errors import UserError
from speech.evaluation.roc import det_points, equal_error_rate_with_interval, error_rates
from speech.evaluation.scores import draw_speakers
from speech.storage.results import named_with_ends


class Verified(NamedTuple):
    """How well one kind of features distinguishes speakers.

    Attributes
    ----------
    rates
        ``equal_error_rate`` and ``same_gender_equal_error_rate`` (of the same target trials, and of
        those impostor trials whose speakers have one gender on record; NaN without any), each also
        with ``_low`` and ``_high``, the ends of its 95 % interval.
    det
        The DET curve of all trials, as `det_points` returns it.
    """

    rates: dict[str, float]
    det: pd.DataFrame


def verify(
    vectors: NDArray[np.floating],
    utterances: pd.DataFrame,
    trials: pd.DataFrame,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Verified:
    """Score the trials by one kind of features.

    Parameters
    ----------
    vectors
        Mean over the chunks of each utterance, shape (utterances, dimensions).
    utterances
        With ``speaker_id``, ``gender`` and ``fold``.
    trials
        As `draw_trials` returns them.
    resamples, seed
        Of the bootstrap over speakers: a target trial counts as often as its speaker was drawn, an
        impostor trial as often as both of its speakers were, multiplied.
    """
    embedded = normalise_by_other_folds(vectors, utterances["fold"].to_numpy())
    first, second = (trials[side].to_numpy() for side in ("first", "second"))
    scores = np.einsum("td,td->t", embedded[first], embedded[second])
    targets = trials["target"].to_numpy()
    codes, names = pd.factorize(utterances["speaker_id"], sort=True)
    drawn = draw_speakers(np.zeros(len(names), dtype=int), resamples, seed).astype(np.float64)
    genders, _ = pd.factorize(utterances["gender"])
    # Nobody's gender equals one that is not on record.
    alike = (genders[first] == genders[second]) & (genders[first] >= 0)
    rates: dict[str, float] = {}
    for name, chosen in (
        ("equal_error_rate", np.ones(len(trials), dtype=bool)),
        ("same_gender_equal_error_rate", targets | alike),
    ):
        of_first, of_second, wanted = codes[first[chosen]], codes[second[chosen]], targets[chosen]
        weights = (times[of_first] * np.where(wanted, 1, times[of_second]) for times in drawn)
        values = (np.nan, np.nan, np.nan)
        if not wanted.all():
            values = equal_error_rate_with_interval(scores[chosen], wanted, weights)
        rates |= named_with_ends(name, values)
    return Verified(rates, det_points(error_rates(scores, targets)))


def counts_of(trials: pd.DataFrame, utterances: pd.DataFrame) -> dict[str, int]:
    """Count the trials, and the speakers in all and in target trials."""
    targets, speakers = trials["target"], utterances["speaker_id"]
    return {
        "speakers": speakers.nunique(),
        "speakers_with_targets": speakers.iloc[trials.loc[targets, "first"]].nunique(),
        "targets": int(targets.sum()),
        "impostors": int((~targets).sum()),
    }


def normalise_by_other_folds(
    vectors: NDArray[np.floating], folds: NDArray[np.int64]
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
    from sklearn.preprocessing import StandardScaler, normalize

    scaled = np.empty(vectors.shape)
    for fold in np.unique(folds):
        held_out = folds == fold
        scaled[held_out] = StandardScaler().fit(vectors[~held_out]).transform(vectors[held_out])
    return normalize(scaled)


def draw_trials(utterances: pd.DataFrame, *, most: int = 200, seed: int = 0) -> pd.DataFrame:
    """Draw pairs of utterances of the same fold, equally many of each speaker where possible.

    Two utterances of one speaker are a trial only if they are of different chapters: within one,
    microphone and room are the same, too. So speakers with a single chapter are impostors only.

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
        impostors = np.column_stack([own[chosen // len(others)], others[chosen % len(others)]])
        tables += [_trials(pairs, target=True), _trials(impostors, target=False)]
    # Two speakers may have drawn the same pair.
    trials = pd.concat(tables, ignore_index=True).drop_duplicates(ignore_index=True)
    if not trials["target"].any():
        raise UserError(
            "corpus: no speaker has two chapters, as verification needs; add recordings of a "
            "second session."
        )
    return trials


def _draw(random: np.random.Generator, available: int, most: int) -> NDArray[np.int64]:
    return random.choice(available, size=min(available, most), replace=False)


def _trials(pairs: NDArray[np.int64], *, target: bool) -> pd.DataFrame:
    pairs = np.sort(pairs, axis=1)
    return pd.DataFrame({"first": pairs[:, 0], "second": pairs[:, 1], "target": target})
