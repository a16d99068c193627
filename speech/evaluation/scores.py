"""How good out-of-fold predictions are, with intervals that resample whole speakers.

Tables of predictions are those of `speech.predictions`. The predicted class is the one of highest
probability; of equal ones, the first.

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
    impossible one. Predictions are therefore judged among the complete set of classes, and what is
    drawn is which speakers' results enter the average: rows (accuracy, log loss) and per-class
    values (all macro averages) count as often as their speaker was drawn.

Percentile intervals of few speakers are somewhat too narrow: simulated with accuracies that vary
between speakers as in practice, those called 95 % held the truth in 86 % of cases with 10 speakers,
91 % with 20 and 94 % with 40. Where all speakers score alike they have no width: [100, 100] for
100 % says that there were no errors to resample, not that there are none.

Probabilities of different folds come from different models and are ranked together by ROC AUC. A
model that only repeats its training folds' class frequencies can therefore score below 0.5.

References
----------
.. [1] Field, C. A. and Welsh, A. H., "Bootstrapping clustered data", Journal of the Royal
   Statistical Society B 69 (3), 2007.
"""

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from speech.params import Task
from speech.predictions import (
    SMALLEST_PROBABILITY,
    classes_of,
    predicted_classes,
    probabilities_of,
    with_probabilities,
)

Level = Literal["chunk", "utterance", "speaker"]

SCORES = (
    "accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "f1",
    "roc_auc",
    "log_loss",
)
"""Precision, recall and F1 are macro averages over the classes in both tasks, so that neither F nor
M is "the positive class"; macro recall is therefore the balanced accuracy. ROC AUC is binary for
gender and one class against the rest, macro averaged, for speaker. Log loss is in nats."""

COVERAGE = 95.0
"""Per cent of the resamples that lie within an interval."""


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

    Raises
    ------
    ValueError
        If a speaker has two labels.
    """
    rows = _Rows(utterances)
    sums = np.column_stack([rows.sum_by_speaker(column) for column in rows.probabilities.T])
    means = sums / rows.sum_by_speaker()[:, np.newaxis]
    labels = np.array(rows.classes, dtype=object)[rows.speaker_labels]
    speakers = pd.DataFrame({"speaker_id": rows.names, "label": labels})
    return with_probabilities(speakers, rows.classes, means)


def draw_speakers(strata: NDArray[np.integer], resamples: int, seed: int) -> NDArray[np.integer]:
    """Draw speakers with replacement, as many from each stratum as there are in it.

    Parameters
    ----------
    strata : NDArray[np.integer], shape [speakers]
        The stratum of each speaker.
    resamples
        How often to draw.
    seed
        Of the random numbers; the same speakers and seed give the same draws, so that the
        intervals of two systems, or of two levels, rest on the same imagined samples.

    Returns
    -------
    NDArray[np.integer], shape [resamples, speakers]
        How often each speaker was drawn.
    """
    random = np.random.default_rng(seed)
    drawn = np.zeros((resamples, len(strata)), dtype=np.int64)
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        chances = np.full(len(members), 1 / len(members))
        drawn[:, members] = random.multinomial(len(members), chances, size=resamples)
    return drawn


def score_levels(
    chunks: pd.DataFrame, utterances: pd.DataFrame, task: Task, *, resamples: int, seed: int
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
    tables: dict[Level, pd.DataFrame] = {"chunk": chunks, "utterance": utterances}
    if task == "gender":
        tables["speaker"] = speaker_level(utterances)
    scored = [
        score_table(table, task, resamples=resamples, seed=seed).assign(level=level)
        for level, table in tables.items()
    ]
    return pd.concat(scored, ignore_index=True)[["level", "score", "value", "low", "high"]]


def score_table(table: pd.DataFrame, task: Task, *, resamples: int, seed: int) -> pd.DataFrame:
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
    if task == "speaker" and not np.array_equal(rows.speaker_labels, np.arange(len(rows.classes))):
        raise ValueError("in the speaker task every class must be one speaker, and its label")
    weights = _speaker_weights(rows, task, resamples, seed)

    averages = _row_averages(rows, weights)
    averages |= (
        _gender_averages(rows, weights) if task == "gender" else _class_averages(rows, weights)
    )
    values = np.stack([averages[score] for score in SCORES])
    return pd.DataFrame({"score": SCORES} | _with_intervals(values))


def accuracy_by(
    table: pd.DataFrame, groups: pd.Series, task: Task, *, resamples: int, seed: int
) -> pd.DataFrame:
    """Score each part of a table of predictions.

    Parameters
    ----------
    table, groups, task, resamples, seed
        As in `average_by`.

    Returns
    -------
    DataFrame
        As `average_by` gives it; the value is the accuracy.
    """
    correct = judge(table)["correct"]
    return average_by(table, correct, groups, task, resamples=resamples, seed=seed)


def average_by(
    table: pd.DataFrame,
    values: pd.Series,
    groups: pd.Series,
    task: Task,
    *,
    resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Average over each part of a table, with a 95 % percentile interval over speakers.

    Parameters
    ----------
    table
        Predictions.
    values
        What to average, by the table's index.
    groups
        The part that each row belongs to, by the table's index; rows without one are left out.
    task
        How speakers are resampled; see the head of this module.
    resamples, seed
        Of the bootstrap. A resample that drew no speaker of a part says nothing about that part.

    Returns
    -------
    DataFrame
        One row per part, sorted: ``group``, ``rows``, ``speakers``, ``value``, ``low``, ``high``.

    Raises
    ------
    ValueError
        As `score_table`.
    """
    rows = _Rows(table)
    codes, names = pd.factorize(groups.loc[table.index], sort=True)
    grouped, shape = codes >= 0, (len(names), len(rows.names))
    pairs = codes[grouped] * shape[1] + rows.speakers[grouped]
    own = values.loc[table.index].to_numpy(np.float64)[grouped]
    counts = np.bincount(pairs, minlength=shape[0] * shape[1]).reshape(shape)
    sums = np.bincount(pairs, own, minlength=shape[0] * shape[1]).reshape(shape)
    weights = _speaker_weights(rows, task, resamples, seed)
    totals = counts @ weights.T
    averages = np.divide(
        sums @ weights.T, totals, out=np.full(totals.shape, np.nan), where=totals > 0
    )
    sizes = {"rows": counts.sum(axis=1), "speakers": (counts > 0).sum(axis=1)}
    return pd.DataFrame({"group": names} | sizes | _with_intervals(averages))


def judge(table: pd.DataFrame) -> pd.DataFrame:
    """Judge each prediction.

    Parameters
    ----------
    table
        Predictions.

    Returns
    -------
    DataFrame
        The table with ``correct``, and ``true_probability``, that of the true class.

    Raises
    ------
    ValueError
        As `score_table`.
    """
    rows = _Rows(table)
    return table.assign(
        correct=rows.predicted == rows.labels,
        true_probability=rows.probabilities[np.arange(len(table)), rows.labels],
    )


def speaker_table(
    chunks: pd.DataFrame, utterances: pd.DataFrame, corpus: pd.DataFrame, task: Task
) -> pd.DataFrame:
    """Tell how each speaker fared.

    Parameters
    ----------
    chunks, utterances
        Predictions of one system.
    corpus
        The corpus's utterances; its ``speaker_id`` and ``gender`` are used.
    task
        For ``gender``, the class that the speaker's averaged utterances vote for is added.

    Returns
    -------
    DataFrame
        One row per speaker, in order: ``speaker_id``, ``gender``, ``chapters``, ``utterances``,
        ``chunks``, ``chunk_accuracy``, ``utterance_accuracy``, ``true_probability`` (of the true
        class, averaged over utterances) and, for gender, ``predicted``.

    Raises
    ------
    KeyError
        If a speaker is not in the corpus.
    """
    by_utterance = judge(utterances).groupby("speaker_id", sort=True)
    by_chunk = judge(chunks).groupby("speaker_id", sort=True)
    genders = corpus.drop_duplicates("speaker_id").set_index("speaker_id")["gender"]
    speakers = list(by_utterance.groups)
    table = pd.DataFrame(
        {
            "speaker_id": speakers,
            "gender": genders.loc[speakers].to_numpy(),
            "chapters": by_utterance["chapter_id"].nunique().to_numpy(),
            "utterances": by_utterance.size().to_numpy(),
            "chunks": by_chunk.size().loc[speakers].to_numpy(),
            "chunk_accuracy": by_chunk["correct"].mean().loc[speakers].to_numpy(),
            "utterance_accuracy": by_utterance["correct"].mean().to_numpy(),
            "true_probability": by_utterance["true_probability"].mean().to_numpy(),
        }
    )
    if task == "gender":
        table["predicted"] = predicted_classes(speaker_level(utterances))
    return table


def interval_of(resampled: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the percentile interval of resampled values.

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
    return np.nanpercentile(resampled, [tail, 100 - tail], axis=-1)


def share_with_interval(
    hits: NDArray[np.bool_], speakers: NDArray[np.str_], *, resamples: int, seed: int
) -> tuple[float, float, float]:
    """Give a share and its 95 % percentile interval over speakers.

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
    counts = np.bincount(codes, minlength=len(names))
    sums = np.bincount(codes, hits, minlength=len(names))
    low, high = interval_of((drawn @ sums) / (drawn @ counts))
    return float(np.mean(hits)), float(low), float(high)


def _speaker_weights(rows: "_Rows", task: Task, resamples: int, seed: int) -> NDArray[np.float64]:
    """Say how often each speaker counts, as is and in every resample: [1 + resamples, speakers].

    The first row is the table itself: point values and resamples come from one formula.
    """
    strata = rows.speaker_labels if task == "gender" else np.zeros_like(rows.speaker_labels)
    drawn = draw_speakers(strata, resamples, seed)
    return np.vstack([np.ones(drawn.shape[1], dtype=drawn.dtype), drawn]).astype(np.float64)


def _with_intervals(values: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Make columns of point values (first) and resamples (the rest): [things, 1 + resamples]."""
    low, high = interval_of(values[:, 1:])
    return {"value": values[:, 0], "low": low, "high": high}


class _Rows:
    """A checked table of predictions as arrays; speakers and classes are integers."""

    def __init__(self, table: pd.DataFrame) -> None:
        self.classes = classes_of(table)
        self.probabilities = probabilities_of(table)
        """[rows, classes]."""
        self.predicted = self.probabilities.argmax(axis=1)
        """[rows]."""
        self.labels = pd.Index(self.classes).get_indexer(pd.Index(table["label"]))
        """[rows]."""
        if (self.labels < 0).any():
            stranger = table["label"].to_numpy()[self.labels < 0][0]
            raise ValueError(f"label {stranger!r} is not among the classes {self.classes}")
        if len(np.unique(self.labels)) < len(self.classes):
            absent = [name for k, name in enumerate(self.classes) if k not in self.labels]
            raise ValueError(f"no row has the label {absent[0]!r}; its scores are undefined")
        self.speakers, self.names = pd.factorize(table["speaker_id"], sort=True)
        """[rows] and [speakers]."""
        self.speaker_labels = np.zeros(len(self.names), dtype=np.intp)
        """[speakers]."""
        self.speaker_labels[self.speakers] = self.labels
        if (self.speaker_labels[self.speakers] != self.labels).any():
            raise ValueError("all rows of a speaker must have one label")

    def sum_by_speaker(self, values: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Sum ``values`` [rows], or else count the rows, over each speaker: [speakers]."""
        return np.bincount(self.speakers, values, minlength=len(self.speaker_labels)).astype(float)


def _row_averages(rows: _Rows, weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Average what each row has a value of its own for: [1 + resamples] per score."""
    clipped = np.maximum(rows.probabilities, SMALLEST_PROBABILITY)
    of_truth = clipped[np.arange(len(rows.labels)), rows.labels] / clipped.sum(axis=1)
    total = weights @ rows.sum_by_speaker()
    correct = (rows.predicted == rows.labels).astype(np.float64)
    return {
        "accuracy": weights @ rows.sum_by_speaker(correct) / total,
        "log_loss": weights @ rows.sum_by_speaker(-np.log(of_truth)) / total,
    }


def _gender_averages(rows: _Rows, weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Compute macro scores and AUC anew in each resample of speakers: [1 + resamples] per score."""
    if len(rows.classes) != 2:
        raise ValueError(f"the gender task has two classes, not {rows.classes}")
    by_speaker = _confusion(
        rows.speakers, rows.predicted, len(rows.speaker_labels), len(rows.classes)
    )
    members = [rows.speaker_labels == k for k in range(len(rows.classes))]
    confusions = np.stack([weights[:, own] @ by_speaker[own] for own in members], axis=1)
    averages = {name: value.mean(axis=1) for name, value in _class_scores(confusions).items()}

    negatives, positives = confusions.sum(axis=2).T
    wins = ((weights @ _wins(rows)) * weights).sum(axis=1)
    return averages | {"roc_auc": wins / (positives * negatives)}


def _class_averages(rows: _Rows, weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Average each class's value over the classes drawn: [1 + resamples] per score."""
    confusion = _confusion(rows.labels, rows.predicted, len(rows.classes), len(rows.classes))
    per_class = _class_scores(confusion) | {"roc_auc": _one_against_rest(rows)}
    total = weights.sum(axis=1)
    return {name: weights @ value / total for name, value in per_class.items()}


def _confusion(
    actual: NDArray[np.integer], predicted: NDArray[np.integer], height: int, width: int
) -> NDArray[np.float64]:
    """Count pairs of integers: [height, width]."""
    pairs = np.bincount(actual * width + predicted, minlength=height * width)
    return pairs.reshape(height, width).astype(np.float64)


def _class_scores(confusion: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Score each class from confusions [..., actual, predicted]: [..., classes] per score."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    actual, predicted = confusion.sum(axis=-1), confusion.sum(axis=-2)
    recall = hits / actual
    # A class that is never predicted has precision 0, as in scikit-learn's zero_division=0.
    precision = np.divide(hits, predicted, out=np.zeros_like(hits), where=predicted > 0)
    return {
        "balanced_accuracy": recall,
        "precision": precision,
        "recall": recall,
        "f1": 2 * hits / (actual + predicted),
    }


def _ranked(probabilities: NDArray[np.float64]) -> NDArray[np.float32]:
    """Give what AUC ranks.

    The mean of a constant differs in its last bit with the number of chunks averaged: in double
    precision AUC would rank those rounding errors, and a constant prediction not score 0.5.
    """
    return probabilities.astype(np.float32)


def _wins(rows: _Rows) -> NDArray[np.float64]:
    """Count the pairs of rows of two speakers that the second class's probability orders rightly.

    The Mann-Whitney statistic, taken apart by pairs of speakers: [speakers, speakers], from those
    of the second class (rows) to those of the first (columns), zero elsewhere; ties are half.
    """
    ranked = _ranked(rows.probabilities[:, 1])
    positive = rows.labels == 1
    order = np.argsort(ranked[positive])
    contenders, owners = ranked[positive][order], rows.speakers[positive][order]
    wins = np.zeros((len(rows.speaker_labels), len(rows.speaker_labels)))
    for rival in np.flatnonzero(rows.speaker_labels == 0):
        rivals = np.sort(ranked[rows.speakers == rival])
        below = np.searchsorted(rivals, contenders, "left")
        below_or_equal = np.searchsorted(rivals, contenders, "right")
        wins[:, rival] = np.bincount(owners, (below + below_or_equal) / 2, minlength=len(wins))
    return wins


def _one_against_rest(rows: _Rows) -> NDArray[np.float64]:
    """Compute each class's AUC against all others, from ranks: [classes]."""
    ranks = rankdata(_ranked(rows.probabilities), axis=0)
    own = np.bincount(rows.labels, minlength=len(rows.classes)).astype(np.float64)
    own_ranks = np.array([ranks[rows.labels == k, k].sum() for k in range(len(rows.classes))])
    return (own_ranks - own * (own + 1) / 2) / (own * (len(rows.labels) - own))
