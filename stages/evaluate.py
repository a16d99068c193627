"""Score the out-of-fold predictions of one task: the headline system in full, all side by side."""

import argparse
from functools import partial
from pathlib import Path
from typing import NamedTuple, get_args

import pandas as pd

from speech.calibration import expected_calibration_error, reliability
from speech.errors import UserError
from speech.params import FEATURES_OF, Features, ModelName, Params, Task
from speech.results import write_metrics, write_plot
from speech.scores import predicted_classes, score_levels, speaker_table
from speech.tables import read_parquet
from stages.console import bar, run_stage
from stages.paths import METRICS, PLOTS, PREDICTIONS, UTTERANCES

ECE = "expected_calibration_error"
CURVES = ["system", "fold", "epoch", "part", "loss", "accuracy"]


class System(NamedTuple):
    """One classifier on one kind of features."""

    model: ModelName
    features: Features

    def __str__(self) -> str:
        return f"{self.model} · {self.features}"

    def folder(self, task: Task) -> Path:
        """Where its predictions lie."""
        return PREDICTIONS / task / f"{self.features}-{self.model}"


def evaluate(params: Params, task: Task) -> str:
    """Score one task."""
    systems = [System(model, f) for f in FEATURES_OF[task] for model in params.models]
    headline = System(params.model, getattr(params.headline_features, task))
    corpus = read_parquet(UTTERANCES)
    for system in systems:
        _require_predictions(system, task)

    shown = bar("system")(systems, len(systems))
    scored = pd.concat([_score(system, task, params) for system in shown])
    scores = scored[scored["system"] == str(headline)].drop(columns=["system", "model", "features"])
    chunks, utterances = _predictions(headline, task)
    counts = {
        "speakers": utterances["speaker_id"].nunique(),
        "utterances": len(utterances),
        "chunks": len(chunks),
    }
    confusion = utterances[["utterance_id"]].assign(
        actual=utterances["label"], predicted=predicted_classes(utterances)
    )

    bins = pd.concat([_reliability(system, task, params) for system in systems])
    error = bins.set_index(["system", "level"]).loc[(str(headline), "utterance"), ECE].iloc[0]

    metrics = _metrics(scores)
    metrics["utterance"][ECE] = error
    write_metrics(METRICS / f"{task}.json", metrics | {"counts": counts})
    plots = {
        "scores": scores,
        "models": scored,
        "reliability": bins,
        "confusion": confusion,
        "speakers": speaker_table(chunks, utterances, corpus, task),
        "curves": _learning_curves(systems, task),
    }
    for name, table in plots.items():
        write_plot(PLOTS / task / f"{name}.csv", table)

    accuracy = scores.set_index(["level", "score"]).loc[("utterance", "accuracy")]
    value, low, high = 100 * accuracy
    unheard = {"gender": "unheard voices", "speaker": "voices in unheard chapters"}[task]
    return (
        f"utterance accuracy {value:.1f} % [{low:.1f}, {high:.1f}] for {headline} "
        f"on {counts['speakers']} {unheard}; {len(systems)} systems compared"
    )


def _require_predictions(system: System, task: Task) -> None:
    folder = system.folder(task)
    if not all((folder / f"{level}.parquet").is_file() for level in ("chunks", "utterances")):
        name = f"{task}-{system.features}-{system.model}"
        raise UserError(f"{folder}: holds no predictions; run `dvc repro fit@{name}` to make them.")


def _predictions(system: System, task: Task) -> tuple[pd.DataFrame, pd.DataFrame]:
    folder = system.folder(task)
    return read_parquet(folder / "chunks.parquet"), read_parquet(folder / "utterances.parquet")


def _score(system: System, task: Task, params: Params) -> pd.DataFrame:
    scores = score_levels(
        *_predictions(system, task), task, resamples=params.evaluate.resamples, seed=params.seed
    )
    names = {"system": str(system), "model": system.model, "features": system.features}
    return pd.concat([pd.DataFrame(names, index=scores.index), scores], axis=1)


def _reliability(system: System, task: Task, params: Params) -> pd.DataFrame:
    resampling = {"resamples": params.evaluate.resamples, "seed": params.seed}
    levels = zip(("chunk", "utterance"), _predictions(system, task), strict=True)
    tables = []
    for level, predictions in levels:
        bins = reliability(predictions, task, **resampling)
        names = {"system": str(system), "model": system.model, "features": system.features}
        names |= {"level": level, ECE: expected_calibration_error(bins)}
        tables.append(pd.concat([pd.DataFrame(names, index=bins.index), bins], axis=1))
    return pd.concat(tables)


def _metrics(scores: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Nest the scores by level; of the intervals only accuracy's, for `dvc exp show` to fit."""
    metrics: dict[str, dict[str, float]] = {}
    for row in scores.itertuples():
        level = metrics.setdefault(row.level, {})
        level[row.score] = row.value
        if row.score == "accuracy":
            level |= {"accuracy_low": row.low, "accuracy_high": row.high}
    return metrics


def _learning_curves(systems: list[System], task: Task) -> pd.DataFrame:
    """Gather the curves of the systems that have any; without networks there is only a header."""
    gathered: list[pd.DataFrame] = []
    for system in systems:
        path = system.folder(task) / "curves.csv"
        curves = pd.read_csv(path) if path.is_file() else pd.DataFrame()
        # An empty table has no types, and would take the numbers' from the others.
        if not curves.empty:
            validation = {
                "loss": curves["validation_loss"],
                "accuracy": curves["validation_accuracy"],
            }
            gathered += [
                curves.assign(system=str(system), part="training")[CURVES],
                curves.assign(system=str(system), part="validation", **validation)[CURVES],
            ]
    return pd.concat(gathered) if gathered else pd.DataFrame(columns=CURVES)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=get_args(Task))
    run_stage(partial(evaluate, task=parser.parse_args().task))
