"""Ask the trained models about a corpus that took no part: what is printed here, and got there."""

from stages.console import bar, run_stage

from collections.abc import Mapping
from typing import Any

import pandas as pd

from speech.corpus.index import BOTH_TASKS
from speech.corpus.layouts import Location, about
from speech.errors import UserError
from speech.inference.external import find_overlap, read_corpus, validate
from speech.inference.models import HEADLINE, load_model
from speech.params import FEATURES_OF, Params, Task
from speech.storage.results import write_metrics
from speech.storage.tables import read_parquet
from stages.paths import (
    ENCODER,
    EXTERNAL_AUDIO,
    EXTERNAL_LABELS,
    METRICS,
    MODELS,
    RESULTS,
    UTTERANCES,
)

_NAMED = 5
"""Of a longer list, in the closing line."""
_WHO = {"gender": "other speakers", "speaker": "enrolled speakers in other sessions"}
_REASONS = {
    "recordings_in_both": "left out, recordings that are in corpus too",
    "speakers_in_both": "left out of gender, speakers who are in corpus too",
    "speakers_without_gender": "left out of gender, no gender on record",
}


def validate_externally(params: Params) -> str:
    """Write metrics/external.json and data/results/external.json; nothing where none is named."""
    results: dict[str, Any] = {}
    line = "no external corpus is named (external in params.yaml): its outputs are empty"
    if params.external is not None:
        results, line = _validate(params)
    scored = [results[task] for task in FEATURES_OF if results.get(task)]
    # One number under a short name, so that all metrics fit a terminal of 160 columns.
    metrics = {"external": _headline(scored[0])["accuracy"]} if scored else {}
    write_metrics(METRICS / "external.json", metrics)
    write_metrics(RESULTS / "external.json", results)
    return line


def _validate(params: Params) -> tuple[dict[str, Any], str]:
    # By the names that the user gave them, so that messages name those.
    location = Location(EXTERNAL_AUDIO, EXTERNAL_LABELS.resolve())
    with about("external"):
        index = read_corpus(
            location,
            min_seconds=params.index.min_seconds,
            jobs=params.compute.jobs,
            progress=bar("file"),
        )
    utterances = index.utterances
    overlap = find_overlap(utterances, read_parquet(UTTERANCES))
    wholly = index.rejected["left_out_of"] == BOTH_TASKS
    results: dict[str, Any] = {
        "rejected": int(wholly.sum()),
        "recordings_in_both": utterances.loc[overlap["recording"], "path"].tolist(),
        "speakers_in_both": sorted(set(utterances.loc[overlap["speaker"], "speaker_id"])),
        "speakers_without_gender": _without_gender(utterances),
    }
    left_out = _left_out(results)
    lines = []
    for task in params.tasks:
        own = utterances[_eligible(task, utterances, overlap)]
        results[task] = _ask(task, own, params) if len(own) else None
        if results[task]:
            lines.append(_closing_line(task, results[task]))
    if not lines:
        raise UserError(
            f"external: nothing of {location.audio.resolve()} can be scored{left_out}; name a "
            "corpus of other speakers whose genders are on record, or set it to null."
        )
    return results, "; ".join(lines) + left_out


def _without_gender(utterances: pd.DataFrame) -> list[str]:
    return sorted(set(utterances.loc[utterances["gender"].isna(), "speaker_id"]))


def _eligible(task: Task, utterances: pd.DataFrame, overlap: pd.DataFrame) -> "pd.Series[bool]":
    """Find what a task's models can be asked about: nothing that they have heard."""
    if task == "gender":
        return ~overlap["speaker"] & utterances["gender"].notna()
    enrolled = load_model(MODELS, task, HEADLINE).classifier.classes
    heard = overlap["recording"] | overlap["session"]
    return utterances["speaker_id"].isin(enrolled) & ~heard


def _ask(task: Task, utterances: pd.DataFrame, params: Params) -> dict[str, Any]:
    systems, unanswered = validate(
        MODELS,
        task,
        [f"{features}-{model}" for features in FEATURES_OF[task] for model in params.models],
        EXTERNAL_AUDIO,
        utterances,
        encoder=ENCODER,
        resamples=params.evaluate.resamples,
        seed=params.seed,
        jobs=params.compute.jobs,
        progress=bar("utterance"),
    )
    return {
        "speakers": utterances["speaker_id"].nunique(),
        "utterances": len(utterances),
        "minutes": utterances["seconds"].sum() / 60,
        "unanswered": unanswered,
        "systems": systems.to_dict("records"),
    }


def _headline(results: Mapping[str, Any]) -> dict[str, Any]:
    return next(system for system in results["systems"] if system["headline"])


def _closing_line(task: Task, results: Mapping[str, Any]) -> str:
    own = _headline(results)
    got, low, high, printed = (100 * own[key] for key in ("accuracy", "low", "high", "printed"))
    return (
        f"{task}: {got:.1f} % [{low:.1f}, {high:.1f}] of {results['utterances']:,} utterances of "
        f"{results['speakers']} {_WHO[task]}, printed was {printed:.1f} %, by {own['model']} · "
        f"{own['features']}; {100 * results['unanswered']:.1f} % would get no answer"
    )


def _left_out(results: Mapping[str, Any]) -> str:
    """Say what of the corpus no model is asked about, and why."""
    parts = [f"; files rejected: {results['rejected']}"] if results["rejected"] else []
    for key, words in _REASONS.items():
        if names := results[key]:
            named = ", ".join(names[:_NAMED]) + " …" * (len(names) > _NAMED)
            parts.append(f"; {words}: {len(names)} ({named})")
    return "".join(parts)


if __name__ == "__main__":
    run_stage(validate_externally)
