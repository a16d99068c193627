"""How accuracy on unheard voices grows with the number of voices heard in training (gender).

For each fold, a logistic regression learns from a few of the other folds' speakers, equally many
women and men, and is tested on the fold; several draws of each number are averaged. The rise of
the curve at its end says what more speakers would buy [1]_.

References
----------
.. [1] Cortes, C., Jackel, L. D., Solla, S. A., Vapnik, V. and Denker, J. S., "Learning curves:
   asymptotic values and rate of convergence", NIPS 1993.
"""

from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from speech.classifiers.protocol import Labelled
from speech.classifiers.registry import build_classifier, classifier_class
from speech.evaluation.scores import accuracy_by, average_by, judge
from speech.parallel import Progress, silent, spread
from speech.params import ModelName, Params
from speech.predictions import utterance_level, with_probabilities

MODEL: ModelName = "logistic"
"""Quick to fit, and with nothing to stop early: a draw may hold one speaker of each gender."""


def predict_with_fewer_speakers(
    table: pd.DataFrame,
    data: Labelled,
    folds: NDArray[np.int64],
    params: Params,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Predict every utterance by models that learnt from more and more speakers.

    Parameters
    ----------
    table
        The chunk table of the examples.
    data
        The examples, pooled, with their speakers' genders as labels.
    folds
        Fold of each example, shape (examples,).
    params
        `learning_curve`, `logistic`, `seed` and `parallel` count.
    progress
        Shown over folds.

    Returns
    -------
    DataFrame
        Predictions per utterance, ``speakers`` (heard in training: 2, …, as many as there are of
        both genders for every fold, each number about half of the next) and ``draw``.
    """
    chunks = table.reset_index(drop=True).assign(fold=folds, label=data.labels)
    speakers = chunks.drop_duplicates("speaker_id")[["speaker_id", "label", "fold"]]
    most = min(
        speakers.loc[speakers["fold"] != fold, "label"].value_counts().min()
        for fold in speakers["fold"].unique()
    )
    sizes = [most >> halvings for halvings in range(int(most).bit_length())][::-1]
    predict = partial(
        _predict_fold, chunks=chunks, data=data, speakers=speakers, sizes=sizes, params=params
    )
    numbers = sorted(speakers["fold"].unique())
    workers = classifier_class(MODEL).workers
    tables = spread(predict, numbers, params.parallel.jobs, progress, workers)
    return pd.concat(tables, ignore_index=True)


def score_speaker_counts(predictions: pd.DataFrame, *, resamples: int, seed: int) -> pd.DataFrame:
    """Score each number of training speakers.

    Parameters
    ----------
    predictions
        As `predict_with_fewer_speakers` gives them.
    resamples, seed
        Of the bootstrap over the speakers tested.

    Returns
    -------
    DataFrame
        ``speakers``, ``draws``, ``value`` (the utterance accuracy, averaged over draws), ``low``,
        ``high``.
    """
    scores = accuracy_by(
        predictions, predictions["speakers"], "gender", resamples=resamples, seed=seed
    )
    draws = predictions.groupby("speakers")["draw"].nunique().to_numpy()
    columns = {"speakers": scores["group"], "draws": draws}
    return pd.DataFrame(columns).join(scores[["value", "low", "high"]])


def last_doubling(
    predictions: pd.DataFrame, *, resamples: int, seed: int
) -> tuple[float, float, float]:
    """Say what the last doubling of the training speakers bought.

    Parameters
    ----------
    predictions
        As `predict_with_fewer_speakers` gives them.
    resamples, seed
        Of the bootstrap over the speakers tested.

    Returns
    -------
    value, low, high : float
        Gain in utterance accuracy from the last number of speakers but one to the last, per
        doubling, and its interval: gains of the same speakers are resampled, not scores.
    """
    correct = judge(predictions)["correct"].astype(float)
    heard = [predictions["speakers"], predictions["utterance_id"]]
    rates = correct.groupby(heard).mean()
    # There are two numbers at least: no fold leaves fewer than two speakers of a gender to learn.
    *_, fewer, most = sorted(predictions["speakers"].unique())
    gains = (rates[most] - rates[fewer]) / np.log2(most / fewer)
    tested = predictions.drop_duplicates("utterance_id").set_index("utterance_id")
    whole = pd.Series(0, tested.index)
    gain = average_by(tested, gains, whole, "gender", resamples=resamples, seed=seed)
    return tuple(gain.loc[0, ["value", "low", "high"]].astype(float))


def _predict_fold(
    fold: int,
    chunks: pd.DataFrame,
    data: Labelled,
    speakers: pd.DataFrame,
    sizes: list[int],
    params: Params,
) -> pd.DataFrame:
    tested = (chunks["fold"] == fold).to_numpy()
    by_gender = speakers[speakers["fold"] != fold].groupby("label")["speaker_id"]
    tables = []
    for size in sizes:
        for draw in range(params.learning_curve.draws):
            random = np.random.default_rng([params.seed, fold, size, draw])
            drawn = by_gender.sample(size, random_state=random)
            heard = chunks["speaker_id"].isin(drawn).to_numpy()
            # Which answer is the likeliest does not depend on the temperature.
            classifier = build_classifier(MODEL, params, params.seed, temperature=1.0)
            classifier.fit(data[heard])
            probabilities = classifier.predict_proba(data.inputs[tested])
            judged = with_probabilities(chunks[tested], classifier.classes, probabilities)
            tables.append(utterance_level(judged).assign(speakers=2 * size, draw=draw))
    return pd.concat(tables)
