"""Ask the trained models about a corpus that took no part in training."""

from stages.console import bar, run_stage

from collections.abc import Mapping
from typing import Any

import pandas as pd

from speech.corpus.index import BOTH_TASKS
from speech.corpus.layouts import Location, about
from speech.errors import UserError, first_of
from speech.inference.external import find_overlap, load_models, read_corpus, validate
from speech.params import FEATURES_OF, Params, Task
from speech.storage.results import percent, write_metrics
from speech.storage.tables import read_parquet
from stages.paths import (
    ENCODER,
    EXTERNAL_AUDIO,
    EXTERNAL_LABELS,
    EXTERNAL_SCORES,
    MODELS,
    UTTERANCES,
)

_WHO = {"gender": "other speakers", "speaker": "enrolled speakers in other sessions"}
_REASONS = {
    "recordings_in_both": "left out, recordings that are in corpus too",
    "speakers_in_both": "left out of gender, speakers who are in corpus too",
    "speakers_without_gender": "left out of gender, no gender on record",
    "speakers_in_sessions_of_training": "left out of speaker, sessions that are in corpus too, of",
}


def validate_externally(params: Params) -> str:
    """Write the scores of all models; `evaluate` puts those out of fold beside them."""
    results: dict[str, Any] = {}
    line = "no external corpus is named (external in params.yaml): its output is empty"
    if params.external is not None:
        results, line = _validate(params)
    write_metrics(EXTERNAL_SCORES, results)
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
    }
    if "gender" in params.tasks:
        results["speakers_in_both"] = _speakers(utterances[overlap["speaker"]])
        results["speakers_without_gender"] = _speakers(utterances[utterances["gender"].isna()])
    if "speaker" in params.tasks:
        results["speakers_in_sessions_of_training"] = _speakers(utterances[overlap["session"]])
    left_out = _left_out(results)
    lines = []
    for task in params.tasks:
        own = _ask(task, utterances, overlap, params)
        results[task] = own
        if own:
            lines.append(_closing_line(task, own))
    if not lines:
        raise UserError(
            f"external: nothing of {location.audio.resolve()} can be scored{left_out}; name a "
            "corpus of other speakers whose genders are on record, or set it to null."
        )
    return results, "; ".join(lines) + left_out


def _speakers(utterances: pd.DataFrame) -> list[str]:
    return sorted(set(utterances["speaker_id"]))


def _ask(
    task: Task, utterances: pd.DataFrame, overlap: pd.DataFrame, params: Params
) -> dict[str, Any] | None:
    """Ask all models of a task about what took no part in training; None if that is nothing."""
    new = ~overlap["speaker"] & utterances["gender"].notna()
    if task == "speaker":
        new = overlap["speaker"] & ~overlap["recording"] & ~overlap["session"]
    if not new.any():
        return None
    choices = [f"{features}-{model}" for features in FEATURES_OF[task] for model in params.models]
    chosen, embedder = load_models(MODELS, task, choices, ENCODER)
    if task == "speaker":
        new &= utterances["speaker_id"].isin(chosen[0].classifier.classes)
        if not new.any():
            return None
    validation = validate(
        chosen,
        embedder,
        EXTERNAL_AUDIO,
        utterances[new],
        resamples=params.evaluate.resamples,
        seed=params.seed,
        jobs=params.compute.jobs,
        progress=bar("utterance"),
    )
    return {**validation._asdict(), "systems": validation.systems.to_dict("records")}


def _closing_line(task: Task, results: Mapping[str, Any]) -> str:
    return (
        f"{task}: {len(results['systems'])} models asked about {results['utterances']:,} "
        f"utterances of {results['speakers']} {_WHO[task]}, of which "
        f"{percent(results['unanswered'])} would get no answer"
    )


def _left_out(results: Mapping[str, Any]) -> str:
    """Say what of the corpus no model is asked about, and why."""
    parts = [f"; files rejected: {results['rejected']}"] if results["rejected"] else []
    for key, words in _REASONS.items():
        if names := results.get(key):
            parts.append(f"; {words}: {len(names)} ({first_of(names)})")
    return "".join(parts)


if __name__ == "__main__":
    run_stage(validate_externally)
