"""Score the out-of-fold predictions: the headline system in full, all systems side by side."""

from stages.console import bar, run_stage

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pandas as pd

from speech.errors import UserError
from speech.evaluation import systems as scored
from speech.evaluation.headline import (
    Headline,
    headline_file,
    headline_of,
    with_printed,
    write_headline,
)
from speech.evaluation.label_audit import median_pitch
from speech.evaluation.systems import Predictions, System
from speech.features.store import read_speaker
from speech.params import BEST, FEATURES_OF, Params, Task
from speech.storage.files import read_json, reading
from speech.storage.results import percent, write_metrics, write_plot
from speech.storage.tables import read_parquet
from speech.training.model_selection import (
    pick_models,
    picked_model,
    predictions_as_picked,
    summary_of_picks,
)
from stages.paths import (
    EXTERNAL_SCORES,
    METRICS,
    MODELS,
    PITCH,
    PLOTS,
    PREDICTIONS,
    RESULTS,
    UTTERANCES,
)
from stages.tasks import leave_out


class _Scored(NamedTuple):
    """All that is written of one task."""

    plots: scored.Tables
    results: Mapping[str, Any]
    headline: Headline
    line: str


def evaluate(params: Params) -> str:
    """Score both tasks; predictions that are missing are noticed before anything is written."""
    of_tasks = {task: _score(params, task) for task in params.tasks}
    external = _read_external(of_tasks)
    lines = []
    for task in get_args(Task):
        _remove_other_predictions(task, _systems(params, task))
        own = of_tasks.get(task)
        lines.append(_write(task, own) if own else _leave_out(task))
    return ". ".join([*lines, *_write_external(external)])


def _systems(params: Params, task: Task) -> list[System]:
    return [System(model, kind) for kind in FEATURES_OF[task] for model in params.models]


def _leave_out(task: Task) -> str:
    documents = [folder / f"{task}.json" for folder in (METRICS, RESULTS)]
    documents.append(headline_file(MODELS, task))
    return leave_out(task, folders=[PLOTS / task], documents=documents)


def _score(params: Params, task: Task) -> _Scored:
    """Score one task."""
    resampling = {"resamples": params.evaluate.resamples, "seed": params.seed}
    systems = _systems(params, task)
    corpus = read_parquet(UTTERANCES)
    utterances = {system: _read(task, system, "utterances") for system in systems}

    features = getattr(params.headline_features, task)
    candidates = params.models if params.model == BEST else [params.model]
    by_model = {model: utterances[System(model, features)] for model in candidates}
    chunks = {model: _read(task, System(model, features), "chunks") for model in candidates}
    picks = pick_models(by_model)
    headline = Predictions(*(predictions_as_picked(own, picks) for own in (chunks, by_model)))

    every = ((name, Predictions(_read(task, name, "chunks"), utterances[name])) for name in systems)
    plots = scored.score_headline(
        headline,
        corpus,
        task,
        chunk_seconds=params.chunks.seconds,
        hop_seconds=params.chunks.hop_seconds,
        **resampling,
    )
    plots |= scored.compare_systems(bar("system")(every, len(systems)), task, **resampling)
    plots["picked"] = picks
    plots["curves"] = scored.stack_curves(_written_by_fits(task, systems, "curves"))
    tuned = _written_by_fits(task, systems, "tuning")
    plots["tuning"] = scored.stack_systems(tuned, scored.TUNING)
    if task == "gender":
        plots["suspects"] = scored.audit_by_systems(utterances, _pitch(corpus["speaker_id"]))
    bins = scored.reliability_of(headline.utterances, task, **resampling)
    results = scored.results_of(plots, bins)
    kept = headline_of(
        picked_model(picks),
        features,
        plots["models"],
        plots["scores"],
        corpus=params.corpus,
        encoder=params.encoder,
    )
    return _Scored(plots, results, kept, _closing_line(params, task, plots, results))


def _closing_line(
    params: Params, task: Task, plots: scored.Tables, results: Mapping[str, Any]
) -> str:
    metrics = scored.metrics_of(results)
    accuracy = percent(*(metrics[name] for name in ("accuracy", "low", "high")))
    held_out = {"gender": "speakers", "speaker": "speakers, in chapters"}[task]
    remarks = [summary_of_picks(plots["picked"])] if params.model == BEST else []
    if suspects := ", ".join(scored.suspects_of(plots)):
        remarks.append(f"look at the labels of {suspects}: suspects, not verdicts")
    remarks.append(f"{len(_systems(params, task))} systems compared")
    return (
        f"{task}: utterance accuracy {accuracy} for {params.model} · "
        f"{getattr(params.headline_features, task)} on {results['counts']['speakers']} {held_out} "
        f"not in training; {'; '.join(remarks)}"
    )


def _write(task: Task, own: _Scored) -> str:
    # Nested by task, so that DVC names the columns of both tasks apart without a path.
    write_metrics(METRICS / f"{task}.json", {task: scored.metrics_of(own.results)})
    write_metrics(RESULTS / f"{task}.json", own.results)
    for name, table in own.plots.items():
        write_plot(PLOTS / task / f"{name}.csv", table)
    write_headline(MODELS, task, own.headline)
    return own.line


def _read_external(of_tasks: Mapping[Task, _Scored]) -> dict[str, Any]:
    """Read what `validate_externally` found, and put beside it what is printed of these models."""
    external = read_json(EXTERNAL_SCORES)
    for task, own in of_tasks.items():
        if not external.get(task):
            continue
        systems = with_printed(external[task]["systems"], own.headline)
        if not any(system["headline"] for system in systems):
            raise UserError(
                f"{EXTERNAL_SCORES}: has no {own.headline.model} on {own.headline.features}; run "
                "`dvc repro` to ask it."
            )
        external[task]["systems"] = systems
    return external


def _write_external(external: dict[str, Any]) -> list[str]:
    got = {
        task: next(system for system in external[task]["systems"] if system["headline"])
        for task in get_args(Task)
        if external.get(task)
    }
    # One number under a short name, so that all metrics fit a terminal of 160 columns.
    metrics = {"external": next(iter(got.values()))["accuracy"]} if got else {}
    write_metrics(METRICS / "external.json", metrics)
    write_metrics(RESULTS / "external.json", external)
    return [
        f"{task}, external: {percent(own['accuracy'], own['low'], own['high'])}"
        for task, own in got.items()
    ]


def _folder(task: Task, system: System) -> Path:
    return PREDICTIONS / f"{task}-{system.features}" / system.model


def _read(task: Task, system: System, name: str) -> pd.DataFrame:
    """Read a system's out-of-fold predictions: ``chunks`` or ``utterances``."""
    return read_parquet(_folder(task, system) / f"{name}.parquet")


def _written_by_fits(
    task: Task, systems: Sequence[System], name: str
) -> dict[System, pd.DataFrame]:
    tables = {}
    for system in systems:
        path = _folder(task, system) / f"{name}.csv"
        with reading(path):
            tables[system] = pd.read_csv(path)
    return tables


def _pitch(speakers: pd.Series) -> pd.Series:
    """Return each speaker's median pitch in Hz."""
    names = speakers.unique()
    contours = (read_speaker(PITCH, name).values() for name in names)
    return pd.Series({name: median_pitch(own) for name, own in zip(names, contours, strict=True)})


def _remove_other_predictions(task: Task, systems: Sequence[System]) -> None:
    """Remove the predictions of models that are no longer in `models`.

    DVC leaves them where they are, in the folders that it compares to see whether this stage must
    run again. It keeps a copy, which comes back with the model.
    """
    kept = {_folder(task, system) for system in systems}
    there = {path for place in {own.parent for own in kept} for path in place.glob("*/")}
    for folder in there - kept:
        shutil.rmtree(folder)


if __name__ == "__main__":
    run_stage(evaluate)
