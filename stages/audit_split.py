"""Measure what leakage would have claimed: one classifier under careless and careful splits."""

from typing import get_args

import pandas as pd

from speech.classifiers.registry import classifier_class
from speech.features.examples import load_examples
from speech.params import Params, Task
from speech.storage.results import with_names, write_metrics, write_plot
from speech.storage.tables import read_folds, read_parquet
from speech.training.cross_validation import folds_of, label_examples
from speech.training.layer_choice import with_unchosen_layer
from speech.training.split_audit import audit, splits_of
from stages.console import bar, run_stage
from stages.paths import FEATURES, FOLDS, METRICS, PLOTS, UTTERANCES

TASKS = get_args(Task)


def audit_split(params: Params) -> str:
    """Audit both tasks, each on its headline features."""
    # One layer of wav2vec 2.0 under all splits, and one that none of their labels chose.
    params = with_unchosen_layer(params)
    model = params.audit_split.model
    progress = bar("split")
    loaded = {task: _load(params, task) for task in TASKS}
    items = [(task, split) for task in TASKS for split in splits_of(task)]
    audited = [
        _named(audit(model, task, split, *loaded[task], params), task, split, params)
        for task, split in progress(items, len(items))
    ]
    scores = pd.concat(audited)
    write_plot(PLOTS / "split_audit.csv", scores)
    by_task = {task: _metrics(scores, task) for task in TASKS}
    write_metrics(METRICS / "split_audit.json", by_task)
    told = [_sentence(task, by_task[task]["accuracy"]) for task in TASKS]
    return f"utterance accuracy of {model}: {'; '.join(told)}"


def _load(params: Params, task: Task) -> tuple:
    """Return the chunk table, the labelled chunks and the pipeline's own fold of each."""
    features = getattr(params.headline_features, task)
    form = classifier_class(params.audit_split.model).form
    folds = read_folds(FOLDS / f"{task}.csv")
    utterances = read_parquet(UTTERANCES).merge(folds, on="utterance_id")
    examples = load_examples(FEATURES[features], features, utterances, params, form, copies=True)
    careful = folds_of(examples, utterances)
    return examples.table, label_examples(examples, utterances, task), careful


def _named(scores: pd.DataFrame, task: Task, split: str, params: Params) -> pd.DataFrame:
    """Put the names before the scores under which the plot `intervals` looks for them."""
    features = getattr(params.headline_features, task)
    names = {
        "task": task,
        "split": split,
        "system": f"{params.audit_split.model} · {features}",
        # The plot has a panel for each.
        "features": f"{task} from {features}",
    }
    return with_names(scores, names)


def _metrics(scores: pd.DataFrame, task: Task) -> dict[str, dict[str, float]]:
    """Give utterance accuracy by split, and by how many points the careless ones flatter."""
    own = scores[(scores["task"] == task) & (scores["level"] == "utterance")]
    keys = own["split"].str.replace("-", "_")
    accuracy = dict(zip(keys, own["value"], strict=True))
    *careless, careful = accuracy
    flattery = {name: 100 * (accuracy[name] - accuracy[careful]) for name in careless}
    return {"accuracy": accuracy, "flattery": flattery}


def _sentence(task: Task, accuracy: dict[str, float]) -> str:
    told = ", ".join(f"{100 * value:.1f} % {name}" for name, value in accuracy.items())
    return f"{task} {told}".replace("_", "-")


if __name__ == "__main__":
    run_stage(audit_split)
