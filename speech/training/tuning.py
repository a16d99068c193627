"""Hyperparameters chosen inside the training folds: the fold that is tested has no vote.

For each fold, every candidate is cross-validated inside the fold's training part alone, over inner
folds that keep voices (gender) or sessions (speaker) whole. The one whose predictions of
utterances have the lowest log loss then learns from the training part. So the scores of the outer
folds are those of the whole procedure "search, then fit" on unheard voices; the best candidate's
own score would be flattered by having been the best on the very data it is quoted for [1]_. What
the final model is fitted with, the same search on all data chooses.

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
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from speech.classifiers.protocol import Labelled
from speech.classifiers.registry import classifier_class
from speech.errors import UserError
from speech.folds import ALL_FOLDS, inner_folds
from speech.parallel import Progress, silent, spread
from speech.params import ModelName, Params, Task
from speech.predictions import utterance_level
from speech.training.cross_validation import cross_validate
from speech.training.model_selection import best_of, mean_scores

Candidate = dict[str, Any]
"""Values of a model's hyperparameters, by their names."""

COLUMNS = ["fold", "settings", "log_loss", "accuracy", "chosen"]


@dataclass(frozen=True)
class Tuned:
    """What a search has found.

    Attributes
    ----------
    tried
        One row per fold (and `ALL_FOLDS`) and candidate: ``fold``, ``settings`` (as `told` writes
        them), ``log_loss`` and ``accuracy`` of utterances in the inner cross-validation, and
        whether it was ``chosen``. No rows where nothing was searched.
    of_fold
        Params with the values chosen for each fold; empty where nothing was searched.
    final
        Params for the model that learns from all data; as they were if not searched for it.
    epochs
        How long that model should train, if it is a network and was searched; else 0.
    """

    tried: pd.DataFrame
    of_fold: dict[int, Params]
    final: Params
    epochs: int


def untuned(params: Params) -> Tuned:
    """Leave all hyperparameters as they are."""
    return Tuned(pd.DataFrame(columns=COLUMNS), {}, params, 0)


def tune(
    model: ModelName,
    task: Task,
    table: pd.DataFrame,
    data: Labelled,
    folds: NDArray[np.int64],
    params: Params,
    parts: Sequence[int | str],
    progress: Progress = silent,
) -> Tuned:
    """Choose a model's hyperparameters for each fold, and for the model that is kept.

    Every worker holds a copy of the training part.

    Parameters
    ----------
    model
        Which classifier.
    task
        Decides what inner folds keep whole.
    table
        The chunk table of the examples: utterance_id, speaker_id, chapter_id, chunk.
    data
        The examples with labels.
    folds
        Fold of each example, shape (examples,).
    params
        The model's own values, `tuning`, seed and jobs.
    parts
        The folds to choose for, and `ALL_FOLDS` if for the model that is kept.
    progress
        Shown over candidates, once per part.
    """
    candidates = list_candidates(model, params)
    if len(candidates) == 1:
        return untuned(params)
    options = [with_settings(params, model, candidate) for candidate in candidates]
    judge = partial(
        _judge, model=model, task=task, table=table, data=data, folds=folds, options=options
    )
    # One candidate after the other: a worker that has traced its network meets it again.
    jobs = list(product(range(len(options)), parts))
    workers = classifier_class(model).workers
    results = spread(judge, jobs, params.parallel.jobs, progress, workers)

    tried = pd.DataFrame(jobs, columns=["candidate", "fold"]).join(pd.DataFrame(results))
    best = {fold: best_of(tried[tried["fold"] == fold]) for fold in parts}
    tried["settings"] = [told(model, candidates[number]) for number in tried["candidate"]]
    tried["chosen"] = tried.index.isin(best.values())
    by_fold = pd.concat([tried[tried["fold"] == fold] for fold in parts], ignore_index=True)
    chosen = {fold: options[tried.loc[row, "candidate"]] for fold, row in best.items()}
    if ALL_FOLDS not in parts:
        return Tuned(by_fold[COLUMNS], chosen, params, 0)
    final = chosen.pop(ALL_FOLDS)
    return Tuned(by_fold[COLUMNS], chosen, final, int(tried.loc[best[ALL_FOLDS], "epochs"]))


def list_candidates(model: ModelName, params: Params) -> list[Candidate]:
    """List what is tried: the values of params.yaml, then others in the order of the space.

    Parameters
    ----------
    model
        Whose.
    params
        The model's own values, `tuning` and the seed.

    Returns
    -------
    list of dict
        `tuning.budget` at most; a single one where the space is empty.
    """
    space: Mapping[str, list[Any]] = getattr(params.tuning.space, model)
    own = {name: getattr(getattr(params, model), name) for name in space}
    grid = [dict(zip(space, values, strict=True)) for values in product(*space.values())]
    others = [candidate for candidate in grid if candidate != own]
    room = params.tuning.budget - 1
    if len(others) > room:
        drawn = np.random.default_rng(params.seed).choice(len(others), room, replace=False)
        others = [others[number] for number in sorted(drawn)]
    return [own, *others]


def with_settings(params: Params, model: ModelName, candidate: Candidate) -> Params:
    """Return params with other values of some of a model's hyperparameters."""
    settings = getattr(params, model).model_copy(update=candidate)
    return params.model_copy(update={model: settings})


def told(model: ModelName, candidate: Candidate) -> str:
    """Write a candidate as ``dvc exp run -S`` takes it, one word per value: ``svm.C=3.0``."""
    return " ".join(f"{model}.{name}={value}".replace(" ", "") for name, value in candidate.items())


def _judge(
    job: tuple[int, int | str],
    model: ModelName,
    task: Task,
    table: pd.DataFrame,
    data: Labelled,
    folds: NDArray[np.int64],
    options: list[Params],
) -> dict[str, float]:
    """Cross-validate a candidate inside the training part of a fold."""
    candidate, fold = job
    params = options[candidate]
    part = np.ones(len(folds), dtype=bool) if fold == ALL_FOLDS else folds != fold
    training, heard = table[part], data[part]
    labelled = training.assign(label=heard.labels)
    inner = inner_folds(task, labelled, params.tuning.inner_folds, params.seed)
    if (inner < 0).all():
        raise UserError(
            "tune is true, but no speaker has two chunks to learn from, so that one could be "
            "judged; set tune to false, or add recordings."
        )
    # The candidates are what is spread over cores.
    alone = params.parallel.model_copy(update={"jobs": 1})
    params = params.model_copy(update={"parallel": alone})
    result = cross_validate(model, task, training, heard, inner, params)
    return {"epochs": result.epochs, **mean_scores(utterance_level(result.chunks))}
