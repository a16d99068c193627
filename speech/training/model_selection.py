"""Model selection by out-of-fold predictions of the other folds.

Each fold is predicted by the model that did best on all *other* folds. The scores of these
predictions are those of the whole procedure "fit several, keep the best"; the best model's own
score would be optimistic, for it was the best on the very data it is quoted for [1]_. The model to
keep is picked by all folds.

A little optimism stays, because this is not nested: on the other folds, the models that are
compared were trained on the fold that the pick is for. In 150 simulated corpora of 24 speakers
whose labels nothing predicts, the best of 12 models scored 0.54 so (standard error 0.01) and 0.65
by its own score, where 0.50 is right. Models that differ more than by luck leave less to gain.
Nested selection would fit every model several times more.

References
----------
.. [1] Cawley, G. C. and Talbot, N. L. C., "On over-fitting in model selection and subsequent
   selection bias in performance evaluation", Journal of Machine Learning Research 11, 2010.
"""

from collections.abc import Hashable, Mapping

import numpy as np
import pandas as pd

from speech.folds import ALL_FOLDS
from speech.storage.predictions import (
    SMALLEST_PROBABILITY,
    classes_of,
    predicted_classes,
    probabilities_of,
)


def pick_models(predictions: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Pick a model for each fold by its predictions on the others, and one by all folds.

    Parameters
    ----------
    predictions
        Each model's out-of-fold predictions of the same utterances, with ``fold``.

    Returns
    -------
    DataFrame
        One row per fold (and `ALL_FOLDS`) and model: ``fold``, ``model``, its ``log_loss`` and
        ``accuracy`` on the other folds (on all), and whether it is ``picked``: the lowest log
        loss, of equal ones the highest accuracy, of equal ones the first.
    """
    folds = sorted(set(next(iter(predictions.values()))["fold"]))
    compared = [_compare(predictions, fold) for fold in [*folds, ALL_FOLDS]]
    return pd.concat(compared, ignore_index=True)


def picked_model(picks: pd.DataFrame, fold: int | str = ALL_FOLDS) -> str:
    """Name the model picked for a fold.

    Parameters
    ----------
    picks
        As `pick_models` returns them.
    fold
        Which fold; by itself, the pick by all.

    Returns
    -------
    str
        The model.
    """
    return picks.loc[picks["picked"] & (picks["fold"] == fold), "model"].item()


def summary_of_picks(picks: pd.DataFrame) -> str:
    """Say how often each model was picked, the most frequent first, and which is kept.

    Parameters
    ----------
    picks
        As `pick_models` returns them.
    """
    folds = picks[picks["picked"] & (picks["fold"] != ALL_FOLDS)]["model"].value_counts()
    counts = ", ".join(f"{model} in {number}" for model, number in folds.items())
    kept = picked_model(picks)
    return f"picked by the other folds: {counts} of {folds.sum()}, to keep: {kept}"


def predictions_as_picked(
    predictions: Mapping[str, pd.DataFrame], picks: pd.DataFrame
) -> pd.DataFrame:
    """Take each fold's predictions from the model that was picked without that fold.

    Parameters
    ----------
    predictions
        Each model's out-of-fold predictions with ``fold``: the same rows, in the same order.
    picks
        As `pick_models` returns them.

    Returns
    -------
    DataFrame
        Predictions, in that order.
    """
    parts = [
        table[table["fold"] == fold]
        for fold in picks.loc[picks["fold"] != ALL_FOLDS, "fold"].unique()
        for table in [predictions[picked_model(picks, fold)]]
    ]
    return pd.concat(parts).sort_index()


def mean_scores(table: pd.DataFrame) -> dict[str, float]:
    """Return what candidates are compared by: ``log_loss`` and ``accuracy`` of predictions."""
    probabilities, labels = probabilities_of(table), table["label"].to_numpy()
    # Some classes may have no row: some speakers are in training only.
    of_truth = (probabilities * (labels[:, None] == np.array(classes_of(table)))).sum(axis=1)
    return {
        "log_loss": -np.log(np.maximum(of_truth, SMALLEST_PROBABILITY)).mean(),
        "accuracy": (predicted_classes(table) == labels).mean(),
    }


def best_of(compared: pd.DataFrame) -> Hashable:
    """Name the best row: the lowest log loss, of equal ones the highest accuracy, then the first.

    Parameters
    ----------
    compared
        One row per candidate, with ``log_loss`` and ``accuracy``.

    Returns
    -------
    object
        The row's index.
    """
    # To nine digits, because sums of equal losses differ in their last bits.
    rank = pd.DataFrame({"loss": compared["log_loss"].round(9), "error": -compared["accuracy"]})
    return rank.sort_values(["loss", "error"], kind="stable").index[0]


def _compare(predictions: Mapping[str, pd.DataFrame], fold: int | str) -> pd.DataFrame:
    rows = [
        {"fold": fold, "model": model, **mean_scores(table[table["fold"] != fold])}
        for model, table in predictions.items()
    ]
    compared = pd.DataFrame(rows)
    return compared.assign(picked=compared.index == best_of(compared))
