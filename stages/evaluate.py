"""Score the out-of-fold predictions of one task: the headline system in full, all side by side."""

import argparse
from functools import partial
from pathlib import Path
from typing import NamedTuple, get_args

import pandas as pd

from speech.errors import UserError
from speech.evaluation.by_duration import accuracy_by_length
from speech.evaluation.calibration import (
    calibration_error_by_chance,
    expected_calibration_error,
    reliability,
)
from speech.evaluation.headline import Headline, Score, write_headline
from speech.evaluation.label_audit import audit_labels, median_pitch
from speech.evaluation.roc import roc_points
from speech.evaluation.scores import accuracy_by, score_levels, speaker_table
from speech.features.store import read_speaker, speaker_file
from speech.folds import ALL_FOLDS
from speech.params import BEST, FEATURES_OF, Features, ModelName, Params, Task
from speech.predictions import predicted_classes
from speech.storage.results import rounded, with_names, write_metrics, write_plot
from speech.storage.tables import read_parquet
from speech.training.model_selection import pick_models, picked_model, predictions_as_picked
from stages.console import bar, run_stage
from stages.paths import METRICS, MODELS, PITCH, PLOTS, PREDICTIONS, UTTERANCES

ECE, ECE_BY_CHANCE = "expected_calibration_error", "calibration_error_by_chance"
PREDICTED = ["chunks", "halves", "utterances"]
"""What fits leave behind of each system."""
TRIED = ["fold", "settings", "log_loss", "accuracy", "chosen"]
TOLD = ["accuracy", "log_loss"]
"""Of every model, beside the models."""
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


class Compared(NamedTuple):
    """What all systems are compared by."""

    scores: pd.DataFrame
    reliability: pd.DataFrame
    roc: pd.DataFrame


class Scored(NamedTuple):
    """The headline's predictions, scored in full, and by whom each fold's were made."""

    chunks: pd.DataFrame
    halves: pd.DataFrame
    utterances: pd.DataFrame
    picks: pd.DataFrame


def evaluate(params: Params, task: Task) -> str:
    """Score one task."""
    systems = [System(model, f) for f in FEATURES_OF[task] for model in params.models]
    corpus = read_parquet(UTTERANCES)
    for system in systems:
        _require_predictions(system, task)

    resampling = {"resamples": params.evaluate.resamples, "seed": params.seed}
    shown = bar("system")(systems, len(systems))
    compared = [_score(system, task, resampling) for system in shown]
    features = getattr(params.headline_features, task)
    candidates = params.models if params.model == BEST else [params.model]
    headline = _headline([System(model, features) for model in candidates], task)
    chunks, halves, utterances, picks = headline

    scores = score_levels(chunks, utterances, task, **resampling)
    genders = _by_gender(headline, corpus, task, resampling)
    plots = {
        "scores": scores,
        "models": pd.concat([of_system.scores for of_system in compared]),
        "picked": picks,
        "reliability": pd.concat([of_system.reliability for of_system in compared]),
        "roc": pd.concat([of_system.roc for of_system in compared]),
        "by_length": accuracy_by_length(chunks, halves, params.chunks, task, **resampling),
        "genders": genders,
        "confusion": utterances[["utterance_id"]].assign(
            actual=utterances["label"], predicted=predicted_classes(utterances)
        ),
        "speakers": speaker_table(chunks, utterances, corpus, task),
        "curves": _learning_curves(systems, task),
        "tuning": _searches(systems, task),
    }
    metrics = _metrics(scores)
    _, calibration = _reliability(utterances, task, resampling)
    metrics["utterance"] |= calibration
    by_utterance = genders[genders["level"] == "utterance"].set_index("gender")["value"]
    metrics["utterance"] |= {f"accuracy_{gender}": value for gender, value in by_utterance.items()}
    metrics["counts"] = {
        "speakers": utterances["speaker_id"].nunique(),
        "utterances": len(utterances),
        "chunks": len(chunks),
    }
    remarks = [_told(picks)] if params.model == BEST else []
    remarks.append(f"{len(systems)} systems compared")
    if task == "gender":
        plots["suspects"] = audit = _audit(systems, corpus)
        suspects = audit.loc[audit["suspect"], "speaker_id"]
        metrics["suspects"] = len(suspects)
        if len(suspects):
            named = ", ".join(suspects)
            remarks.append(f"look at the labels of {named}: suspects, not verdicts")

    write_metrics(METRICS / f"{task}.json", metrics)
    for name, table in plots.items():
        write_plot(PLOTS / task / f"{name}.csv", table)
    by_name = {f"{s.features}-{s.model}": c.scores for s, c in zip(systems, compared, strict=True)}
    kept = System(picked_model(picks), features)
    # Of the one to keep, the scores of how it was chosen: its own might be flattered.
    by_name[f"{kept.features}-{kept.model}"] = scores
    _point_to(kept, task, by_name, params)

    accuracy, low, high = (
        100 * metrics["utterance"][f"accuracy{end}"] for end in ("", "_low", "_high")
    )
    unheard = {"gender": "unheard voices", "speaker": "voices in unheard chapters"}[task]
    return (
        f"utterance accuracy {accuracy:.1f} % [{low:.1f}, {high:.1f}] for {params.model} · "
        f"{features} on {metrics['counts']['speakers']} {unheard}; {'; '.join(remarks)}"
    )


def _require_predictions(system: System, task: Task) -> None:
    folder = system.folder(task)
    if not all((folder / f"{predicted}.parquet").is_file() for predicted in PREDICTED):
        raise UserError(f"{folder}: holds no predictions; run `dvc repro` to make them.")


def _read(system: System, task: Task, predicted: str) -> pd.DataFrame:
    return read_parquet(system.folder(task) / f"{predicted}.parquet")


def _headline(candidates: list[System], task: Task) -> Scored:
    """Pick for each fold among the candidates; of a single one, nothing is left to pick."""
    tables = {
        predicted: {system.model: _read(system, task, predicted) for system in candidates}
        for predicted in PREDICTED
    }
    picks = pick_models(tables["utterances"])
    picked = {name: predictions_as_picked(tables[name], picks) for name in PREDICTED}
    return Scored(**picked, picks=picks)


def _point_to(
    system: System, task: Task, compared: dict[str, pd.DataFrame], params: Params
) -> None:
    """Say where the headline model lies, and how good all models are, for whoever takes them."""
    scores = rounded({key: _intervals(table) for key, table in compared.items()})
    # Of a path the last part only: the rest says where on whose disk it lies.
    corpus = [params.corpus] if isinstance(params.corpus, str) else params.corpus
    corpora = ", ".join(Path(place).name for place in corpus)
    own = params.encoder.startswith((".", "/"))
    encoder = Path(params.encoder).name if own else params.encoder
    write_headline(MODELS, task, Headline(*system, corpora, encoder, scores))


def _intervals(table: pd.DataFrame) -> dict[str, Score]:
    told = table[table["score"].isin(TOLD)]
    return {f"{row.level} {row.score}": (row.value, row.low, row.high) for row in told.itertuples()}


def _score(system: System, task: Task, resampling: dict[str, int]) -> Compared:
    tables = {level: _read(system, task, f"{level}s") for level in ("chunk", "utterance")}
    names = {"system": str(system), "model": system.model, "features": system.features}
    bins = []
    for level, table in tables.items():
        own, calibration = _reliability(table, task, resampling)
        bins.append(with_names(own, names | {"level": level} | calibration))
    scores = score_levels(*tables.values(), task, **resampling)
    roc = with_names(roc_points(tables["utterance"], task), names)
    return Compared(with_names(scores, names), pd.concat(bins), roc)


def _reliability(
    table: pd.DataFrame, task: Task, resampling: dict[str, int]
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Give the bins, and their error beside that of a calibrated system."""
    bins = reliability(table, task, **resampling)
    by_chance = calibration_error_by_chance(table, **resampling)
    return bins, {ECE: expected_calibration_error(bins), ECE_BY_CHANCE: by_chance}


def _by_gender(
    headline: Scored, corpus: pd.DataFrame, task: Task, resampling: dict[str, int]
) -> pd.DataFrame:
    """Score women and men apart; voices without a gender on record belong to neither."""
    genders = corpus.set_index("utterance_id")["gender"]
    tables = []
    for level, table in (("chunk", headline.chunks), ("utterance", headline.utterances)):
        own = accuracy_by(table, table["utterance_id"].map(genders), task, **resampling)
        tables.append(own.rename(columns={"group": "gender"}).assign(level=level))
    columns = ["level", "gender", "rows", "speakers", "value", "low", "high"]
    return pd.concat(tables)[columns]


def _audit(systems: list[System], corpus: pd.DataFrame) -> pd.DataFrame:
    # The naive baseline hears nothing, so it has no evidence to give.
    listening = [system for system in systems if system.model != "dummy"] or systems
    predictions: dict[str, list[pd.DataFrame]] = {}
    for system in listening:
        utterances = _read(system, "gender", "utterances")
        predictions.setdefault(system.features, []).append(utterances)
    pitch = {
        speaker: median_pitch(read_speaker(speaker_file(PITCH, speaker)).values())
        for speaker in corpus["speaker_id"].unique()
    }
    return audit_labels(predictions, pd.Series(pitch))


def _told(picks: pd.DataFrame) -> str:
    """Say which models were picked, the most frequent first."""
    by_fold = picks[picks["picked"] & (picks["fold"] != ALL_FOLDS)]
    counts = [f"{model} in {folds}" for model, folds in by_fold["model"].value_counts().items()]
    return (
        f"picked without the fold it is scored on: {', '.join(counts)} of {len(by_fold)} folds, "
        f"to keep: {picked_model(picks)}"
    )


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
    for curves in _left_by_fits(systems, task, "curves"):
        validation = {
            "loss": curves["validation_loss"],
            "accuracy": curves["validation_accuracy"],
        }
        gathered += [
            curves.assign(part="training")[CURVES],
            curves.assign(part="validation", **validation)[CURVES].dropna(),
        ]
    return pd.concat(gathered) if gathered else pd.DataFrame(columns=CURVES)


def _searches(systems: list[System], task: Task) -> pd.DataFrame:
    """Gather what was tried for each system; where nothing was tuned there is only a header."""
    gathered = _left_by_fits(systems, task, "tuning")
    return pd.concat(gathered) if gathered else pd.DataFrame(columns=["system", *TRIED])


def _left_by_fits(systems: list[System], task: Task, name: str) -> list[pd.DataFrame]:
    """Read the tables of one name, each with its ``system``; those without rows are left out."""
    tables = []
    for system in systems:
        path = system.folder(task) / f"{name}.csv"
        table = pd.read_csv(path) if path.is_file() else pd.DataFrame()
        # An empty table has no types, and would take the numbers' from the others.
        if not table.empty:
            tables.append(with_names(table, {"system": str(system)}))
    return tables


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=get_args(Task))
    run_stage(partial(evaluate, task=parser.parse_args().task))
