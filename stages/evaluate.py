"""Score the out-of-fold predictions of one task: the headline system in full, all side by side."""

from stages.console import bar, run_stage

import argparse
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pandas as pd

from speech.evaluation.by_duration import accuracy_by_duration
from speech.evaluation.calibration import (
    calibration_error_by_chance,
    expected_calibration_error,
    reliability,
)
from speech.evaluation.headline import Headline, write_headline
from speech.evaluation.label_audit import audit_labels, median_pitch
from speech.evaluation.roc import roc_points
from speech.evaluation.scores import average_by, score_levels, speaker_table
from speech.features.store import read_speaker, speaker_file
from speech.folds import ALL_FOLDS
from speech.params import BEST, FEATURES_OF, Features, ModelName, Params, Task
from speech.predictions import predicted_classes
from speech.storage.results import rounded, with_names, write_metrics, write_plot
from speech.storage.tables import read_parquet
from speech.training.model_selection import pick_models, picked_model, predictions_as_picked
from stages.paths import METRICS, MODELS, PITCH, PLOTS, PREDICTIONS, UTTERANCES

ECE, ECE_BY_CHANCE = "expected_calibration_error", "calibration_error_by_chance"
VALIDATION = {"validation_loss": "loss", "validation_accuracy": "accuracy"}
CURVES = ["system", "fold", "epoch", "part", "loss", "accuracy"]
TUNING = ["system", "fold", "settings", "log_loss", "accuracy", "chosen"]

Tables = dict[str, pd.DataFrame]
Resampling = dict[str, int]


class System(NamedTuple):
    """One classifier on one kind of features."""

    model: ModelName
    features: Features

    def __str__(self) -> str:
        return f"{self.model} · {self.features}"

    def folder(self, task: Task) -> Path:
        """Where its predictions lie."""
        return PREDICTIONS / f"{task}-{self.features}-{self.model}"

    def read(self, task: Task, name: str) -> pd.DataFrame:
        """Read its out-of-fold predictions: ``chunks`` or ``utterances``."""
        return read_parquet(self.folder(task) / f"{name}.parquet")


def evaluate(params: Params, task: Task) -> str:
    """Score one task."""
    resampling = {"resamples": params.evaluate.resamples, "seed": params.seed}
    systems = [System(model, kind) for kind in FEATURES_OF[task] for model in params.models]
    corpus = read_parquet(UTTERANCES)
    # All before anything is written: none may be missing.
    utterances = {system: system.read(task, "utterances") for system in systems}

    features = getattr(params.headline_features, task)
    candidates = params.models if params.model == BEST else [params.model]
    headline = {model: System(model, features) for model in candidates}
    by_model = {model: utterances[system] for model, system in headline.items()}
    picks = pick_models(by_model)
    chunks = {model: system.read(task, "chunks") for model, system in headline.items()}
    picked = {
        "chunk": predictions_as_picked(chunks, picks),
        "utterance": predictions_as_picked(by_model, picks),
    }
    plots = _score_headline(picked, corpus, params, task) | _compare(utterances, task, resampling)
    plots["picked"] = picks
    plots["curves"] = _learning_curves(systems, task)
    plots["tuning"] = _written_by_fits(systems, task, "tuning", TUNING)
    if task == "gender":
        plots["suspects"] = _audit(utterances, corpus)
    metrics = _metrics(plots, _reliability(picked["utterance"], task, resampling))

    write_metrics(METRICS / f"{task}.json", metrics)
    for name, table in plots.items():
        write_plot(PLOTS / task / f"{name}.csv", table)
    _write_headline(System(picked_model(picks), features), plots, params, task)
    accuracy, low, high = (
        100 * metrics["utterance"][f"accuracy{end}"] for end in ("", "_low", "_high")
    )
    held_out = {"gender": "speakers", "speaker": "speakers, in chapters"}[task]
    return (
        f"utterance accuracy {accuracy:.1f} % [{low:.1f}, {high:.1f}] for {params.model} · "
        f"{features} on {metrics['counts']['speakers']} {held_out} not in training; "
        f"{'; '.join([*_remarks(plots, params), f'{len(systems)} systems compared'])}"
    )


def _score_headline(headline: Tables, corpus: pd.DataFrame, params: Params, task: Task) -> Tables:
    """Score the headline's predictions of chunks and utterances in full."""
    resampling = {"resamples": params.evaluate.resamples, "seed": params.seed}
    chunks, utterances = headline["chunk"], headline["utterance"]
    # Speakers without a gender on record belong to neither.
    genders = corpus.set_index("utterance_id")["gender"]
    by_gender = [
        average_by(table, table["utterance_id"].map(genders), task, **resampling).assign(
            level=level
        )
        for level, table in headline.items()
    ]
    columns = ["level", "gender", "rows", "speakers", "value", "low", "high"]
    return {
        "scores": score_levels(chunks, utterances, task, **resampling),
        "by_duration": accuracy_by_duration(
            chunks,
            task,
            chunk_seconds=params.chunks.seconds,
            hop_seconds=params.chunks.hop_seconds,
            **resampling,
        ),
        "genders": pd.concat(by_gender).rename(columns={"group": "gender"})[columns],
        "confusion": utterances[["utterance_id"]].assign(
            actual=utterances["label"], predicted=predicted_classes(utterances)
        ),
        "speakers": speaker_table(
            chunks, utterances, corpus.groupby("speaker_id")["gender"].first(), task
        ),
    }


def _compare(utterances: dict[System, pd.DataFrame], task: Task, resampling: Resampling) -> Tables:
    """Score all systems alike."""
    tables: dict[str, list[pd.DataFrame]] = {"models": [], "reliability": [], "roc": []}
    for system, own in bar("system")(utterances.items(), len(utterances)):
        names = {"system": str(system), "model": system.model, "features": system.features}
        scores = score_levels(system.read(task, "chunks"), own, task, **resampling)
        tables["models"].append(with_names(scores, names))
        tables["reliability"].append(with_names(_reliability(own, task, resampling), names))
        tables["roc"].append(with_names(roc_points(own, task), names))
    return {name: pd.concat(rows) for name, rows in tables.items()}


def _reliability(utterances: pd.DataFrame, task: Task, resampling: Resampling) -> pd.DataFrame:
    """Return the bins, with their error and that of a calibrated system."""
    bins = reliability(utterances, task, **resampling)
    by_chance = calibration_error_by_chance(utterances, **resampling)
    errors = {ECE: expected_calibration_error(bins), ECE_BY_CHANCE: by_chance}
    return with_names(bins, {"level": "utterance", **errors})


def _audit(utterances: dict[System, pd.DataFrame], corpus: pd.DataFrame) -> pd.DataFrame:
    # The naive baseline ignores its input, so it is no evidence.
    informed = {system: own for system, own in utterances.items() if system.model != "dummy"}
    predictions: dict[str, list[pd.DataFrame]] = {}
    for system, own in (informed or utterances).items():
        predictions.setdefault(system.features, []).append(own)
    pitch = {
        speaker: median_pitch(read_speaker(speaker_file(PITCH, speaker)).values())
        for speaker in corpus["speaker_id"].unique()
    }
    return audit_labels(predictions, pd.Series(pitch))


def _learning_curves(systems: list[System], task: Task) -> pd.DataFrame:
    """Put the losses on training and validation data below each other."""
    curves = _written_by_fits(systems, task, "curves", [*CURVES, *VALIDATION])
    validation = curves.drop(columns=list(VALIDATION.values())).rename(columns=VALIDATION)
    parts = [curves.assign(part="training"), validation.assign(part="validation").dropna()]
    return pd.concat(parts)[CURVES]


def _written_by_fits(
    systems: list[System], task: Task, name: str, columns: list[str]
) -> pd.DataFrame:
    """Join the tables of one name; where none has rows there is only a header."""
    tables = []
    for system in systems:
        table = pd.read_csv(system.folder(task) / f"{name}.csv")
        # An empty table has no types, and would take the numbers' from the others.
        if len(table):
            tables.append(with_names(table, {"system": str(system)}))
    return pd.concat(tables) if tables else pd.DataFrame(columns=columns)


def _metrics(plots: Tables, bins: pd.DataFrame) -> dict[str, Any]:
    """Nest the scores by level; of the intervals only accuracy's, for `dvc exp show` to fit."""
    metrics: dict[str, Any] = {}
    for level, own in plots["scores"].set_index("score").groupby("level", sort=False):
        accuracy = own.loc["accuracy", ["value", "low", "high"]]
        named = dict(zip(["accuracy", "accuracy_low", "accuracy_high"], accuracy, strict=True))
        metrics[str(level)] = named | own["value"].to_dict()
    metrics["utterance"] |= bins[[ECE, ECE_BY_CHANCE]].iloc[0].to_dict()
    for row in plots["genders"].query("level == 'utterance'").itertuples():
        metrics["utterance"][f"accuracy_{row.gender}"] = row.value
    sizes = plots["speakers"][["utterances", "chunks"]].sum().to_dict()
    metrics["counts"] = {"speakers": len(plots["speakers"]), **sizes}
    if "suspects" in plots:
        metrics["suspects"] = int(plots["suspects"]["suspect"].sum())
    return metrics


def _write_headline(kept: System, plots: Tables, params: Params, task: Task) -> None:
    """Write where the headline model lies, and how good all models are."""
    compared = plots["models"].groupby(["features", "model"], sort=False)
    tables = {f"{features}-{model}": own for (features, model), own in compared}
    # The model to keep has the scores of the whole selection: its own would be optimistic.
    tables[f"{kept.features}-{kept.model}"] = plots["scores"]
    scores = {
        system: {
            f"{row.level} {row.score}": (row.value, row.low, row.high)
            for row in own[own["score"].isin(["accuracy", "log_loss"])].itertuples()
        }
        for system, own in tables.items()
    }
    # Of a path the last part only: the rest says where on whose disk it lies.
    corpora = [params.corpus] if isinstance(params.corpus, str) else params.corpus
    corpus = ", ".join(Path(place).name for place in corpora)
    is_path = params.encoder.startswith((".", "/"))
    encoder = Path(params.encoder).name if is_path else params.encoder
    write_headline(MODELS, task, Headline(*kept, corpus, encoder, rounded(scores)))


def _remarks(plots: Tables, params: Params) -> list[str]:
    """Say which models were picked, the most frequent first, and whose labels are suspect."""
    remarks = []
    if params.model == BEST:
        picks = plots["picked"]
        folds = picks[picks["picked"] & (picks["fold"] != ALL_FOLDS)]["model"].value_counts()
        counts = ", ".join(f"{model} in {number}" for model, number in folds.items())
        kept = picked_model(picks)
        remarks.append(f"picked by the other folds: {counts} of {folds.sum()}, to keep: {kept}")
    suspects = plots["suspects"].query("suspect")["speaker_id"] if "suspects" in plots else []
    if len(suspects):
        named = ", ".join(suspects)
        remarks.append(f"look at the labels of {named}: suspects, not verdicts")
    return remarks


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=get_args(Task))
    run_stage(partial(evaluate, task=parser.parse_args().task))
