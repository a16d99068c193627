"""Hyperparameters chosen inside the training folds, without the fold that is tested.

For each fold, every candidate is cross-validated inside the fold's training part alone, over inner
folds that keep speakers (gender) or sessions (speaker) whole. The one whose predictions of
utterances have the lowest log loss is then fitted on the training part. So the scores of the outer
folds are those of the whole procedure "search, then fit" on new data; the best candidate's own
score would be optimistic, for it was the best on the very data it is quoted for [1]_. The
same search on all data chooses the hyperparameters of the final model.

Candidates are the values of params.yaml, always the first, and others of the search space: all of
it where the budget allows, else as many as it allows, drawn at random [2]_. Hyperparameters of the
features are not searched.

References
----------
.. [1] Cawley, G. C. and Talbot, N. L. C., "On over-fitting in model selection and subsequent
   selection bias in performance evaluation", Journal of Machine Learning Research 11, 2010.
.. [2] Bergstra, J. and Bengio, Y., "Random search for hyper-parameter optimization", Journal of
   Machine Learning Research 13, 2012.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from speech.errors import UserError
from speech.folds import ALL_FOLDS, Task, inner_folds
from speech.parallel import Progress, Workers, silent, spread
from speech.storage.examples import Examples
from speech.storage.predictions import utterance_level
from speech.training.cross_validation import Hyperparameters, cross_validate
from speech.training.model_selection import best_of, mean_scores

COLUMNS = ["fold", "settings", "log_loss", "accuracy", "chosen"]


def tune(
    model: str,
    task: Task,
    examples: Examples,
    *,
    hyperparameters: Hyperparameters,
    space: Mapping[str, Sequence[Any]] = MappingProxyType({}),
    budget: int = 12,
    inner: int = 3,
    seed: int = 0,
    jobs: Workers = -1,
    progress: Progress = silent,
) -> tuple[pd.DataFrame, dict[int | str, Hyperparameters]]:
    """Choose a model's hyperparameters for each fold, and for the model that is kept.

    Every worker holds a copy of the training part.

    Parameters
    ----------
    model
        Name of the classifier.
    task
        Decides what inner folds keep whole.
    examples
        Of the task.
    hyperparameters
        The candidate that is always tried.
    space
        Values to be tried by name; empty to search nothing.
    budget
        How many candidates at most.
    inner
        Inner folds.
    seed, jobs
        As in `cross_validate`.
    progress
        Shown over candidates, once per fold.

    Returns
    -------
    tried : DataFrame
        One row per fold (and `ALL_FOLDS`) and candidate: ``fold``, ``settings`` (as `option`
        writes them), ``log_loss`` and ``accuracy`` of utterances in the inner cross-validation,
        and whether it was ``chosen``. No rows where there is nothing to search.
    chosen : dict
        The hyperparameters chosen for each fold, and for `ALL_FOLDS` those of the final model;
        empty where there is nothing to search.
    """
    candidates = list_candidates(hyperparameters, space, budget=budget, seed=seed)
    if len(candidates) == 1:
        return pd.DataFrame(columns=COLUMNS), {}
    score = partial(
        _score_candidate,
        model=model,
        task=task,
        examples=examples,
        candidates=candidates,
        inner=inner,
        seed=seed,
    )
    parts = [*sorted(set(examples.table["fold"])), ALL_FOLDS]
    pairs = list(product(range(len(candidates)), parts))
    results = spread(score, pairs, jobs, progress, "threads")

    tried = pd.DataFrame(pairs, columns=["candidate", "fold"]).join(pd.DataFrame(results))
    best = {fold: best_of(tried[tried["fold"] == fold]) for fold in parts}
    tried["settings"] = [
        option(model, {name: candidates[number][name] for name in space})
        for number in tried["candidate"]
    ]
    tried["chosen"] = tried.index.isin(best.values())
    by_fold = pd.concat([tried[tried["fold"] == fold] for fold in parts], ignore_index=True)
    chosen = {fold: candidates[tried.loc[row, "candidate"]] for fold, row in best.items()}
    return by_fold[COLUMNS], chosen


def list_candidates(
    hyperparameters: Hyperparameters,
    space: Mapping[str, Sequence[Any]],
    *,
    budget: int = 12,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """List what is tried: the given values, then others in the order of the space.

    Parameters
    ----------
    hyperparameters, space, budget, seed
        As in `tune`.

    Returns
    -------
    list of dict
        Whole sets of hyperparameters, `budget` at most; a single one where the space is empty.
    """
    own = dict(hyperparameters)
    grid = [own | dict(zip(space, values, strict=True)) for values in product(*space.values())]
    others = [candidate for candidate in grid if candidate != own]
    if len(others) > budget - 1:
        drawn = np.random.default_rng(seed).choice(len(others), budget - 1, replace=False)
        others = [others[number] for number in sorted(drawn)]
    return [own, *others]


def option(model: str, values: Hyperparameters) -> str:
    """Write hyperparameters as ``dvc exp run -S`` takes them, one word each: ``svm.C=3.0``."""
    return " ".join(f"{model}.{name}={value}".replace(" ", "") for name, value in values.items())


def _score_candidate(
    pair: tuple[int, int | str],
    model: str,
    task: Task,
    examples: Examples,
    candidates: list[dict[str, Any]],
    inner: int,
    seed: int,
) -> dict[str, float]:
    """Cross-validate a candidate inside the training part of a fold."""
    candidate, fold = pair
    # No fold has the name of all, so for that all is in the training part.
    training = examples[(examples.table["fold"] != fold).to_numpy()]
    dealt = inner_folds(task, training.table, inner, seed)
    if (dealt < 0).all():
        raise UserError(
            "tune is true, but no speaker has two chunks to learn from, so that one could be "
            "held out; set tune to false, or add recordings."
        )
    result = cross_validate(
        model,
        task,
        replace(training, table=training.table.assign(fold=dealt)),
        hyperparameters=candidates[candidate],
        seed=seed,
        jobs=1,  # the candidates are what is spread over cores
    )
    return mean_scores(utterance_level(result.chunks))
