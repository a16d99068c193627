"""Predictions by models of more and more training speakers (gender), for a learning curve.

For each fold, a classifier learns from a few of the other folds' speakers, equally many women and
men, and is tested on the fold; several draws of each number are averaged. The rise of the curve at
its end estimates what more speakers would add [1]_.

References
----------
.. [1] Cortes, C., Jackel, L. D., Solla, S. A., Vapnik, V. and Denker, J. S., "Learning curves:
   asymptotic values and rate of convergence", NIPS 1993.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from speech.classifiers.protocol import Classifier
from speech.parallel import Progress, Workers, silent, spread
from speech.storage.arrays import choose_rows
from speech.storage.examples import Examples
from speech.storage.predictions import utterance_level, with_probabilities


def predict_with_fewer_speakers(
    build: Callable[[], Classifier],
    examples: Examples,
    *,
    draws: int = 3,
    seed: int = 0,
    jobs: Workers = -1,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Predict every utterance by models that learnt from more and more speakers.

    Parameters
    ----------
    build
        Makes an unfitted classifier. It must do without sessions to calibrate on: a draw may hold
        one speaker of each gender.
    examples
        With their speakers' genders as labels.
    draws
        Of each number of training speakers.
    seed
        Of the draws.
    jobs
        As in `speech.parallel.spread`.
    progress
        Shown over folds.

    Returns
    -------
    DataFrame
        Predictions per utterance, ``speakers`` (in training: 2, …, as many as there are of both
        genders for every fold, each number about half of the next) and ``draw``.
    """
    speakers = examples.table.drop_duplicates("speaker_id")[["speaker_id", "label", "fold"]]
    numbers = sorted(speakers["fold"].unique())
    most = min(
        speakers.loc[speakers["fold"] != fold, "label"].value_counts().min() for fold in numbers
    )
    sizes = [most >> halvings for halvings in range(int(most).bit_length())][::-1]
    drawn = [(size, draw) for size in sizes for draw in range(draws)]
    predict = partial(_predict_fold, build=build, examples=examples, drawn=drawn, seed=seed)
    return pd.concat(spread(predict, numbers, jobs, progress, "threads"), ignore_index=True)


def _predict_fold(
    fold: int,
    build: Callable[[], Classifier],
    examples: Examples,
    drawn: list[tuple[int, int]],
    seed: int,
) -> pd.DataFrame:
    chunks = examples.table
    tested = (chunks["fold"] == fold).to_numpy()
    others = chunks[~tested].drop_duplicates("speaker_id").groupby("label")["speaker_id"]
    tables = []
    for size, draw in drawn:
        random = np.random.default_rng([seed, fold, size, draw])
        training = chunks["speaker_id"].isin(others.sample(size, random_state=random)).to_numpy()
        classifier = build()
        classifier.fit(examples[training])
        probabilities = classifier.predict_proba(choose_rows(examples.inputs, tested))
        predicted = with_probabilities(chunks[tested], classifier.classes, probabilities)
        tables.append(utterance_level(predicted).assign(speakers=2 * size, draw=draw))
    return pd.concat(tables)
