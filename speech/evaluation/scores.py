"""How good out-of-fold predictions are, with intervals that resample whole speakers.

Tables of predictions are those of `speech.storage.predictions`. The predicted class is the one of
highest probability; of equal ones, the first.

Why speakers are resampled: the chunks and utterances of one speaker succeed or fail together, so
that the number of speakers, not of chunks, says how much a score can be trusted. An interval that
resamples chunks would be far too narrow [1]_.

The two tasks are samples of different things, and are resampled accordingly:

gender
    The speakers are a sample of all women and men. Each resample draws as many women from the
    women and as many men from the men, with replacement; all rows of a speaker count as often as
    the speaker was drawn, and every score is the one of the table so made.
speaker
    The speakers are the classes, and telling one from *all the others* is the task. A resample
    that left some out would be an easier task than the one scored, and one with a class twice an
    impossible one. Predictions are therefore scored among the complete set of classes, and what is
    drawn is which speakers' results enter the average: rows (accuracy, log loss) and per-class
    values (all macro averages) count as often as their speaker was drawn.

Percentile intervals of few speakers are somewhat too narrow: simulated with accuracies that vary
between speakers as in practice, those called 95 % held the truth in 86 % of cases with 10 speakers,
89 % with 20 and 93 % with 40 (benchmarks/intervals.py). Where all speakers score alike they have no
width: [100, 100] for 100 % says that there were no errors to resample, not that there are none.

Probabilities of different folds come from different models and are ranked together by ROC AUC. A
model that only repeats its training folds' class frequencies can therefore score below 0.5.

References
----------
.. [1] Field, C. A. and Welsh, A. H., "Bootstrapping clustered data", Journal of the Royal
   Statistical Society B 69 (3), 2007.
"""

from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from speech.params import Task
from speech.storage.predictions import (
    SMALLEST_PROBABILITY,
    classes_of,
    columns_of,
    predicted_classes,
    probabilities_of,
)
from speech.storage.results import with_names

SCORES = ("accuracy", "precision", "recall", "f1", "roc_auc", "log_loss")
"""Precision, recall and F1 are macro averages over the classes in both tasks, so that neither F nor
M is "the positive class"; macro recall is also called balanced accuracy. ROC AUC is binary for
gender and one class against the rest, macro averaged, for speaker. Log loss is in nats."""

COVERAGE = 95.0
"""Per cent of the resamples that lie within an interval."""


def draw_speakers(strata: NDArray[np.integer], resamples: int, seed: int) -> NDArray[np.int64]:
    """Draw speakers with replacement, as many from each stratum as there are in it.

    Parameters
    ----------
    strata
        The stratum of each speaker, shape (speakers,).
    resamples
        How often to draw.
    seed
        Of the random numbers; the same speakers and seed give the same draws, so that the
        intervals of two systems, or of two levels, rest on the same resamples.

    Returns
    -------
    ndarray of shape (resamples, speakers)
        How often each speaker was drawn.
    """
    return _drawn(tuple(strata.tolist()), resamples, seed)


@lru_cache(maxsize=8)
def _drawn(strata: tuple[int, ...], resamples: int, seed: int) -> NDArray[np.int64]:
    """Draw once for all the tables that an evaluation scores; nobody may write into the result."""
    random, of_speaker = np.random.default_rng(seed), np.array(strata)
    drawn = np.zeros((resamples, len(strata)), dtype=np.int64)
    for stratum in np.unique(of_speaker):
        members = np.flatnonzero(of_speaker == stratum)
        chances = np.full(len(members), 1 / len(members))
        drawn[:, members] = random.multinomial(len(members), chances, size=resamples)
    drawn.setflags(write=False)
    return drawn


def interval_of(resampled: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the percentile interval of resampled values.

    Parameters
    ----------
    resampled
        Shape (..., resamples); those that are NaN do not count.

    Returns
    -------
    ndarray of shape (2, ...)
        Lower and upper ends.
    """
    tail = (100 - COVERAGE) / 2
    # The one that looks for NaN is ten times slower.
    percentile = np.nanpercentile if np.isnan(resampled).any() else np.percentile
    return percentile(resampled, [tail, 100 - tail], axis=-1)


def share_with_interval(
    hits: NDArray[np.bool_],
    speakers: NDArray[np.str_],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float, float]:
    """Return a share and its 95 % percentile interval over speakers.

    Parameters
    ----------
    hits
        What is counted, shape (rows,).
    speakers
        Of each row, shape (rows,).
    resamples, seed
        Of the bootstrap.

    Returns
    -------
    value, low, high : float
        NaN without rows.
    """
    if not len(hits):
        return (np.nan, np.nan, np.nan)
    names, codes = np.unique(speakers, return_inverse=True)
    drawn = draw_speakers(np.zeros(len(names), dtype=int), resamples, seed)
    sums, counts = np.bincount(codes, hits), np.bincount(codes)
    low, high = interval_of((drawn @ sums) / (drawn @ counts))
    return float(np.mean(hits)), float(low), float(high)


def score_levels(
    chunks: pd.DataFrame,
    utterances: pd.DataFrame,
    task: Task,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Score one system at every level its task has.

    Parameters
    ----------
    chunks, utterances
        Its predictions.
    task
        ``gender`` is also scored per speaker; ``speaker`` has no such level.
    resamples, seed
        As in `score_table`.

    Returns
    -------
    DataFrame
        ``level`` and the columns of `score_table`.
    """
    tables = {"chunk": chunks, "utterance": utterances}
    if task == "gender":
        tables["speaker"] = speaker_level(utterances)
    scored = [
        with_names(score_table(table, task, resamples=resamples, seed=seed), {"level": level})
        for level, table in tables.items()
    ]
    return pd.concat(scored, ignore_index=True)


def score_table(
    table: pd.DataFrame, task: Task, *, resamples: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Score a table of predictions, with a 95 % percentile interval for each score.

    Scores are sums over speakers, so every resample is a product of how often each speaker was
    drawn with sums that are computed once; nothing is sorted or counted again.

    Parameters
    ----------
    table
        Predictions.
    task
        How its speakers are resampled; see the head of this module.
    resamples
        Of the bootstrap.
    seed
        Of the bootstrap; see `draw_speakers`.

    Returns
    -------
    DataFrame
        ``score`` (one of `SCORES`), ``value``, ``low``, ``high``.

    Raises
    ------
    ValueError
        If a class has no row, a label no class, the rows of a speaker different labels, or a
        probability is impossible.
    """
    rows = _Rows(table)
    absent = np.flatnonzero(np.bincount(rows.labels, minlength=len(rows.classes)) == 0)
    if len(absent):
        name = rows.classes[absent[0]]
        raise ValueError(f"no row has the label {name!r}; its scores are undefined")
    if task == "speaker" and not np.array_equal(rows.speaker_labels, np.arange(len(rows.classes))):
        raise ValueError("in the speaker task every class must be one speaker, and its label")
    weights = _speaker_weights(rows.speaker_labels, task, resamples, seed)
    by_class = _binary_scores if task == "gender" else _class_scores
    resampled = _row_scores(rows, weights) | by_class(rows, weights)
    values = np.stack([resampled[score] for score in SCORES])
    return pd.DataFrame({"score": SCORES} | _with_intervals(values))


def average_by(
    table: pd.DataFrame,
    groups: pd.Series,
    task: Task,
    *,
    values: pd.Series | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Average over each group of rows, with a 95 % percentile interval over speakers.

    Parameters
    ----------
    table
        Predictions.
    groups
        The group that each row belongs to, by the table's index; rows without one are left out.
    task
        How speakers are resampled; see the head of this module.
    values
        What to average, by the table's index; by default whether the prediction is right, so that
        the average is the accuracy.
    resamples, seed
        Of the bootstrap. A resample that drew no speaker of a group says nothing about that group.

    Returns
    -------
    DataFrame
        One row per group, sorted: ``group``, ``rows``, ``speakers``, ``value``, ``low``, ``high``.

    Raises
    ------
    ValueError
        As `score_table`, but a class may have no row.
    """
    rows = _Rows(table)
    averaged = rows.correct if values is None else values.loc[table.index].to_numpy(np.float64)
    codes, names = pd.factorize(groups.loc[table.index], sort=True)
    grouped, shape = codes >= 0, (len(names), len(rows.speaker_labels))
    cells = codes[grouped], rows.speakers[grouped]
    counts, sums = _counts(*cells, shape), _counts(*cells, shape, averaged[grouped])
    weights = _speaker_weights(rows.speaker_labels, task, resamples, seed)
    totals = counts @ weights.T
    nothing = np.full(totals.shape, np.nan)
    averages = np.divide(sums @ weights.T, totals, out=nothing, where=totals > 0)
    sizes = {"rows": counts.sum(axis=1).astype(int), "speakers": (counts > 0).sum(axis=1)}
    return pd.DataFrame({"group": names} | sizes | _with_intervals(averages))


def with_outcome(table: pd.DataFrame) -> pd.DataFrame:
    """Compare each prediction with the truth.

    Parameters
    ----------
    table
        Predictions.

    Returns
    -------
    DataFrame
        The table with ``correct``, ``confidence`` (the probability of the predicted class) and
        ``true_probability`` (that of the true class).

    Raises
    ------
    ValueError
        As `score_table`.
    """
    rows = _Rows(table)
    return table.assign(
        correct=rows.correct,
        confidence=rows.probabilities.max(axis=1),
        true_probability=rows.probabilities[np.arange(len(table)), rows.labels],
    )


def speaker_level(utterances: pd.DataFrame) -> pd.DataFrame:
    """Average the predictions over each speaker's utterances; all utterances count alike.

    Parameters
    ----------
    utterances
        Predictions per utterance, of a task in which all of a speaker's have one label.

    Returns
    -------
    DataFrame
        ``speaker_id``, ``label`` and the probability columns; one row per speaker, in order.
    """
    columns = columns_of(classes_of(utterances))
    scaled = pd.DataFrame(probabilities_of(utterances), utterances.index, columns)
    table = utterances[["speaker_id", "label"]].join(scaled)
    return table.groupby(["speaker_id", "label"], as_index=False)[columns].mean()


def speaker_table(
    chunks: pd.DataFrame, utterances: pd.DataFrame, genders: pd.Series, task: Task
) -> pd.DataFrame:
    """Summarise the predictions of each speaker.

    Parameters
    ----------
    chunks, utterances
        Predictions of one system.
    genders
        By speaker.
    task
        For ``gender``, the class predicted by the average of the speaker's utterances is added.

    Returns
    -------
    DataFrame
        One row per speaker, in order: ``speaker_id``, ``gender``, ``chapters``, ``utterances``,
        ``chunks``, ``chunk_accuracy``, ``utterance_accuracy``, ``true_probability`` (of the true
        class, averaged over utterances) and, for gender, ``predicted``.
    """
    by_utterance = with_outcome(utterances).groupby("speaker_id")
    by_chunk = with_outcome(chunks).groupby("speaker_id")["correct"]
    table = pd.DataFrame(
        {
            "gender": genders,
            "chapters": by_utterance["chapter_id"].nunique(),
            "utterances": by_utterance.size(),
            "chunks": by_chunk.size(),
            "chunk_accuracy": by_chunk.mean(),
            "utterance_accuracy": by_utterance["correct"].mean(),
            "true_probability": by_utterance["true_probability"].mean(),
        },
        index=pd.Index(by_utterance.groups, name="speaker_id"),
    ).reset_index()
    if task == "gender":
        table["predicted"] = predicted_classes(speaker_level(utterances))
    return table


class _Rows:
    """A checked table of predictions as arrays; speakers and classes are integers.

    Attributes
    ----------
    classes
        In the order of their columns.
    probabilities
        Shape (rows, classes).
    predicted, labels, correct
        Shape (rows,).
    speakers, speaker_labels
        Shapes (rows,) and (speakers,).
    """

    def __init__(self, table: pd.DataFrame) -> None:
        self.classes = classes_of(table)
        self.probabilities = probabilities_of(table)
        self.predicted = self.probabilities.argmax(axis=1)
        self.labels = pd.Index(self.classes).get_indexer(pd.Index(table["label"]))
        if (self.labels < 0).any():
            unknown = table["label"].to_numpy()[self.labels < 0][0]
            raise ValueError(f"label {unknown!r} is not among the classes {self.classes}")
        self.correct = self.predicted == self.labels
        self.speakers, names = pd.factorize(table["speaker_id"], sort=True)
        self.speaker_labels = np.zeros(len(names), dtype=np.intp)
        self.speaker_labels[self.speakers] = self.labels
        if (self.speaker_labels[self.speakers] != self.labels).any():
            raise ValueError("all rows of a speaker must have one label")


def _speaker_weights(
    speaker_labels: NDArray[np.intp], task: Task, resamples: int, seed: int
) -> NDArray[np.float64]:
    """Return how often each speaker counts, shape (1 + resamples, speakers).

    The first row is the table itself: point values and resamples come from one formula.
    """
    strata = speaker_labels if task == "gender" else np.zeros_like(speaker_labels)
    drawn = draw_speakers(strata, resamples, seed)
    return np.vstack([np.ones_like(strata), drawn]).astype(np.float64)


def _with_intervals(values: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Make columns of point values (first) and resamples, shape (things, 1 + resamples)."""
    low, high = interval_of(values[:, 1:])
    return {"value": values[:, 0], "low": low, "high": high}


# Scores by name, each of shape (1 + resamples,).


def _row_scores(rows: _Rows, weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Average what each row has a value of its own for."""
    clipped = np.maximum(rows.probabilities, SMALLEST_PROBABILITY)
    of_truth = clipped[np.arange(len(rows.labels)), rows.labels] / clipped.sum(axis=1)
    values = {"accuracy": rows.correct, "log_loss": -np.log(of_truth)}
    total = weights @ np.bincount(rows.speakers)
    return {
        name: weights @ np.bincount(rows.speakers, value) / total for name, value in values.items()
    }


def _binary_scores(rows: _Rows, weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Compute macro scores and AUC anew in each resample of speakers."""
    if len(rows.classes) != 2:
        raise ValueError(f"the gender task has two classes, not {rows.classes}")
    by_speaker = _counts(rows.speakers, rows.predicted, (len(rows.speaker_labels), 2))
    members = [rows.speaker_labels == k for k in range(2)]
    confusions = np.stack([weights[:, own] @ by_speaker[own] for own in members], axis=1)
    scores = {name: value.mean(axis=1) for name, value in _per_class(confusions).items()}
    negatives, positives = confusions.sum(axis=2).T
    wins = ((weights @ _wins(rows)) * weights).sum(axis=1)
    return scores | {"roc_auc": wins / (positives * negatives)}


def _class_scores(rows: _Rows, weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Average each class's value over the classes drawn."""
    classes = len(rows.classes)
    confusion = _counts(rows.labels, rows.predicted, (classes, classes))
    per_class = _per_class(confusion) | {"roc_auc": _one_against_rest(rows)}
    return {name: weights @ value / weights.sum(axis=1) for name, value in per_class.items()}


def _counts(
    rows: NDArray[np.integer],
    columns: NDArray[np.integer],
    shape: tuple[int, int],
    values: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Count pairs of integers, or sum the values of each pair."""
    sums = np.bincount(rows * shape[1] + columns, values, minlength=shape[0] * shape[1])
    return sums.reshape(shape).astype(np.float64)


def _per_class(confusion: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Score each class: of confusions of shape (..., actual, predicted), (..., classes) each."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    actual, predicted = confusion.sum(axis=-1), confusion.sum(axis=-2)
    recall = hits / actual
    # A class that is never predicted has precision 0, as in scikit-learn's zero_division=0.
    precision = np.divide(hits, predicted, out=np.zeros_like(hits), where=predicted > 0)
    f1 = 2 * hits / (actual + predicted)
    return {"precision": precision, "recall": recall, "f1": f1}


def _ranked(probabilities: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return what AUC ranks.

    The mean of a constant differs in its last bit with the number of chunks averaged: in double
    precision AUC would rank those rounding errors, and a constant prediction not score 0.5.
    """
    return probabilities.astype(np.float32)


def _wins(rows: _Rows) -> NDArray[np.float64]:
    """Count the pairs of rows of two speakers that the second class's probability orders rightly.

    The Mann-Whitney statistic by pairs of speakers, shape (speakers, speakers): those of the second
    class (rows) against those of the first (columns), zero elsewhere; ties are half.
    """
    ranked = _ranked(rows.probabilities[:, 1])
    positive = rows.labels == 1
    order = np.argsort(ranked[positive])
    values, owners = ranked[positive][order], rows.speakers[positive][order]
    wins = np.zeros((len(rows.speaker_labels), len(rows.speaker_labels)))
    for other in np.flatnonzero(rows.speaker_labels == 0):
        others = np.sort(ranked[rows.speakers == other])
        below = np.searchsorted(others, values, "left")
        below_or_equal = np.searchsorted(others, values, "right")
        wins[:, other] = np.bincount(owners, (below + below_or_equal) / 2, minlength=len(wins))
    return wins


def _one_against_rest(rows: _Rows) -> NDArray[np.float64]:
    """Compute each class's AUC against all others, from ranks, shape (classes,)."""
    ranks = pd.DataFrame(_ranked(rows.probabilities)).rank().to_numpy()
    is_own = rows.labels[:, np.newaxis] == np.arange(len(rows.classes))
    own = is_own.sum(axis=0)
    own_ranks = np.where(is_own, ranks, 0).sum(axis=0)
    return (own_ranks - own * (own + 1) / 2) / (own * (len(rows.labels) - own))
