"""Measure what leakage adds to a score: one classifier under careless and careful splits."""

from stages.console import bar, run_stage

from typing import Any

import pandas as pd

from speech.classifiers.registry import CLASSIFIERS
from speech.evaluation.scores import score_levels
from speech.params import Params, Task
from speech.storage.examples import read_examples
from speech.storage.predictions import utterance_level
from speech.storage.results import percent, with_names, write_metrics, write_plot
from speech.training.cross_validation import cross_validate, taking_part
from speech.training.split_audit import apply_split, splits_of
from stages.paths import EXAMPLES, PLOTS, RESULTS

MODEL = "logistic"
"""Quick to fit."""


def audit_split(params: Params) -> str:
    """Audit each task on its headline features."""
    scores = pd.concat([_scores(params, task) for task in params.tasks])
    write_plot(PLOTS / "split_audit.csv", scores)
    metrics: dict[str, Any] = {task: _metrics(scores, task) for task in params.tasks}
    write_metrics(RESULTS / "split_audit.json", metrics)
    lines = []
    for task, own in metrics.items():
        shares = [f"{percent(value)} {name}" for name, value in own["accuracy"].items()]
        lines.append(f"{task} {', '.join(shares)}".replace("_", "-"))
    return f"utterance accuracy of {MODEL}: {'; '.join(lines)}"


def _scores(params: Params, task: Task) -> pd.DataFrame:
    """Return the accuracies of a task under each of its splits."""
    features = getattr(params.headline_features, task)
    folder = EXAMPLES / f"{task}-{features}"
    examples = taking_part(read_examples(folder, CLASSIFIERS[MODEL].form, copies=True), task)
    resampling = {"resamples": params.evaluate.resamples, "seed": params.seed}
    tables, splits = [], splits_of(task)
    for split in bar("split")(splits, len(splits)):
        chunks = cross_validate(
            MODEL,
            task,
            apply_split(split, task, examples, seed=params.seed),
            hyperparameters=params.hyperparameters(MODEL),
            seed=params.seed,
            jobs=params.compute.workers,
        ).chunks
        # The chunks of an utterance are averaged even if they were predicted in different folds.
        chunks = chunks.assign(utterance_id=chunks["utterance"])
        own = score_levels(chunks, utterance_level(chunks.assign(fold=0)), task, **resampling)
        # The plot has a panel for each `features`.
        names = {"system": f"{MODEL} · {features}", "features": f"{task} from {features}"}
        own = own[own["score"] == "accuracy"]
        tables.append(with_names(own, {"task": task, "split": split, **names}))
    return pd.concat(tables)


def _metrics(scores: pd.DataFrame, task: Task) -> dict[str, dict[str, float]]:
    """Return utterance accuracy by split, and the optimism of the careless ones in points."""
    own = scores[(scores["task"] == task) & (scores["level"] == "utterance")]
    accuracy = dict(zip(own["split"].str.replace("-", "_"), own["value"], strict=True))
    *careless, careful = accuracy
    optimism = {name: 100 * (accuracy[name] - accuracy[careful]) for name in careless}
    return {"accuracy": accuracy, "optimism": optimism}


if __name__ == "__main__":
    run_stage(audit_split)
