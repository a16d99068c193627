"""All scores of one task: the headline system in full, and every system side by side.

A system is one classifier on one kind of features. A table of plots has one row per point; results
are what the page quotes; metrics are the few numbers that one compares between runs.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import pandas as pd

from speech.evaluation.by_duration import accuracy_by_duration
from speech.evaluation.calibration import (
    calibration_error_by_chance,
    expected_calibration_error,
    reliability,
)
from speech.evaluation.label_audit import audit_labels
from speech.evaluation.roc import roc_points
from speech.evaluation.scores import average_by, score_levels, speaker_table
from speech.params import Features, ModelName, Task
from speech.storage.predictions import predicted_classes
from speech.storage.results import ENDS, named_with_ends, with_names

ECE, ECE_BY_CHANCE = "expected_calibration_error", "calibration_error_by_chance"
VALIDATION = {"validation_loss": "loss", "validation_accuracy": "accuracy"}
CURVES = ["system", "fold", "epoch", "part", "loss", "accuracy"]
TUNING = ["system", "fold", "settings", "log_loss", "accuracy", "chosen"]

Tables = dict[str, pd.DataFrame]


class System(NamedTuple):
    """One classifier on one kind of features."""

    model: ModelName
    features: Features

    def __str__(self) -> str:
        return f"{self.model} · {self.features}"


class Predictions(NamedTuple):
    """The out-of-fold predictions of a system, by chunk and averaged by utterance."""

    chunks: pd.DataFrame
    utterances: pd.DataFrame


def score_headline(
    headline: Predictions,
    corpus: pd.DataFrame,
    task: Task,
    *,
    chunk_seconds: float = 2.0,
    hop_seconds: float = 2.0,
    resamples: int = 1000,
    seed: int = 0,
) -> Tables:
    """Score the headline's predictions in full.

    Parameters
    ----------
    headline
        The predictions.
    corpus
        utterance_id, speaker_id and gender of every utterance.
    task
        How speakers are resampled; see `speech.evaluation.scores`.
    chunk_seconds, hop_seconds
        The grid that the chunks were cut by.
    resamples, seed
        Of the bootstrap.

    Returns
    -------
    dict
        ``scores`` (by level), ``by_duration``, ``genders`` (accuracy on women and on men),
        ``confusion`` (one row per utterance) and ``speakers``.
    """
    resampling = {"resamples": resamples, "seed": seed}
    chunks, utterances = headline
    # Speakers without a gender on record belong to neither.
    genders = corpus.set_index("utterance_id")["gender"]
    by_gender = [
        with_names(
            average_by(table, table["utterance_id"].map(genders), task, **resampling),
            {"level": level},
        )
        for level, table in {"chunk": chunks, "utterance": utterances}.items()
    ]
    return {
        "scores": score_levels(chunks, utterances, task, **resampling),
        "by_duration": accuracy_by_duration(
            chunks, task, chunk_seconds=chunk_seconds, hop_seconds=hop_seconds, **resampling
        ),
        "genders": pd.concat(by_gender).rename(columns={"group": "gender"}),
        "confusion": utterances[["utterance_id"]].assign(
            actual=utterances["label"], predicted=predicted_classes(utterances)
        ),
        "speakers": speaker_table(
            chunks, utterances, corpus.groupby("speaker_id")["gender"].first(), task
        ),
    }


def compare_systems(
    systems: Iterable[tuple[System, Predictions]],
    task: Task,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Tables:
    """Score all systems alike.

    Parameters
    ----------
    systems
        Each with its predictions; only one is held at a time.
    task, resamples, seed
        As in `score_headline`.

    Returns
    -------
    dict
        ``models`` (scores by level), ``reliability`` and ``roc``, with ``system``, ``model`` and
        ``features`` in every row.
    """
    tables: dict[str, list[pd.DataFrame]] = {"models": [], "reliability": [], "roc": []}
    for system, own in systems:
        names = {"system": str(system), "model": system.model, "features": system.features}
        for name, table in (
            ("models", score_levels(*own, task, resamples=resamples, seed=seed)),
            ("reliability", reliability_of(own.utterances, task, resamples=resamples, seed=seed)),
            ("roc", roc_points(own.utterances, task)),
        ):
            tables[name].append(with_names(table, names))
    return {name: pd.concat(rows) for name, rows in tables.items()}


def reliability_of(
    utterances: pd.DataFrame, task: Task, *, resamples: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Return the bins of `reliability`, with their error and that of a calibrated system."""
    bins = reliability(utterances, task, resamples=resamples, seed=seed)
    by_chance = calibration_error_by_chance(utterances, resamples=resamples, seed=seed)
    errors = {ECE: expected_calibration_error(bins), ECE_BY_CHANCE: by_chance}
    return with_names(bins, {"level": "utterance", **errors})


def audit_by_systems(utterances: Mapping[System, pd.DataFrame], pitch: pd.Series) -> pd.DataFrame:
    """Gather the evidence of all systems against each speaker's label; see `audit_labels`.

    Parameters
    ----------
    utterances
        Each system's predictions of gender.
    pitch
        Median F0 in Hz by speaker.
    """
    # The naive baseline ignores its input, so it is no evidence.
    informed = {system: own for system, own in utterances.items() if system.model != "dummy"}
    predictions: dict[str, list[pd.DataFrame]] = {}
    for system, own in (informed or utterances).items():
        predictions.setdefault(system.features, []).append(own)
    return audit_labels(predictions, pitch)


def stack_systems(tables: Mapping[System, pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """Put what each fit wrote below each other; where none has rows there is only a header."""
    # An empty table has no types, and would take the numbers' from the others.
    named = [with_names(own, {"system": str(name)}) for name, own in tables.items() if len(own)]
    return pd.concat(named) if named else pd.DataFrame(columns=columns)


def stack_curves(tables: Mapping[System, pd.DataFrame]) -> pd.DataFrame:
    """Put the losses of networks on training and on validation data below each other."""
    curves = stack_systems(tables, [*CURVES, *VALIDATION])
    validation = curves.drop(columns=list(VALIDATION.values())).rename(columns=VALIDATION)
    parts = [curves.assign(part="training"), validation.assign(part="validation").dropna()]
    return pd.concat(parts)[CURVES]


def results_of(plots: Tables, bins: pd.DataFrame) -> dict[str, Any]:
    """Nest what the page quotes of the headline, by level; of the intervals accuracy's.

    Parameters
    ----------
    plots
        As `score_headline` returns them, and ``suspects`` for gender.
    bins
        Of the headline, as `reliability_of` returns them.
    """
    results: dict[str, Any] = {}
    for level, own in plots["scores"].set_index("score").groupby("level", sort=False):
        accuracy = own.loc["accuracy", ["value", "low", "high"]]
        results[str(level)] = named_with_ends("accuracy", accuracy) | own["value"].to_dict()
    results["utterance"] |= bins[[ECE, ECE_BY_CHANCE]].iloc[0].to_dict()
    for row in plots["genders"].query("level == 'utterance'").itertuples():
        results["utterance"][f"accuracy_{row.gender}"] = row.value
    sizes = plots["speakers"][["utterances", "chunks"]].sum().to_dict()
    results["counts"] = {"speakers": len(plots["speakers"]), **sizes}
    if "suspects" in plots:
        results["suspects"] = len(suspects_of(plots))
    return results


def suspects_of(plots: Tables) -> list[str]:
    """Name the speakers whose label is suspected; none for the speaker task."""
    if "suspects" not in plots:
        return []
    return plots["suspects"].query("suspect")["speaker_id"].tolist()


def metrics_of(results: Mapping[str, Any]) -> dict[str, float]:
    """Pick what is compared between runs: accuracy over utterances, its interval, macro F1.

    Few and short, so that `dvc exp show` and `dvc metrics show` fit a terminal of 160 columns.

    Parameters
    ----------
    results
        As `results_of` returns them.
    """
    own = results["utterance"]
    accuracy, low, high = (own[f"accuracy{end}"] for end in ENDS)
    return {"accuracy": accuracy, "low": low, "high": high, "f1": own["f1"]}
