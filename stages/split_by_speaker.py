"""Deal speakers (gender task) and each speaker's chapters (speaker task) to folds."""

from stages.console import run_stage

from typing import Any, get_args

from speech.audio.chunks import seconds_to_samples
from speech.errors import first_of
from speech.folds import Task, gender_folds, speaker_folds
from speech.params import Params
from speech.storage.files import write_json
from speech.storage.tables import read_parquet, write_csv
from stages.paths import FOLDS, RESULTS, UTTERANCES


def split_by_speaker(params: Params) -> str:
    """Write a fold table for each task, and name the speakers that cannot be tested."""
    utterances = read_parquet(UTTERANCES)
    long_enough = utterances[utterances["samples"] >= seconds_to_samples(params.chunks.seconds)]
    # No row for a task that was not asked for.
    folds = {task: utterances.head(0)[["utterance_id"]].assign(fold=0) for task in get_args(Task)}
    if "gender" in params.tasks:
        folds["gender"] = gender_folds(utterances, params.folds.gender, params.seed)
    if "speaker" in params.tasks:
        folds["speaker"] = speaker_folds(long_enough, params.folds.speaker)
    for task, table in folds.items():
        write_csv(FOLDS / f"{task}.csv", table)

    speaker_of = utterances.set_index("utterance_id")["speaker_id"]
    takes_part = {task: set(speaker_of[table["utterance_id"]]) for task, table in folds.items()}
    lines: list[str] = []
    summary: dict[str, Any] = {}
    for task in params.tasks:
        count = getattr(params.folds, task)
        summary[task] = {"folds": count, "speakers": len(takes_part[task])}
        whole = "chapters of " if task == "speaker" else ""
        lines.append(f"{whole}{len(takes_part[task])} speakers in {count} {task} folds")
    if "speaker" in params.tasks:
        left_out = sorted(set(speaker_of) - takes_part["speaker"])
        summary["speaker"]["speakers_left_out"] = len(left_out)
        summary["speaker"]["left_out"] = ", ".join(left_out)
        who = f"{len(left_out)} ({first_of(left_out)})" if left_out else "nobody"
        lines.append(f"left out there, for lack of a second chapter: {who}")
    not_asked = [task for task in folds if task not in params.tasks]
    if not_asked:
        summary["not_asked"] = ", ".join(not_asked)
        lines.append(f"not asked for (tasks in params.yaml): {summary['not_asked']}")
    write_json(RESULTS / "split.json", summary)
    return "; ".join(lines)


if __name__ == "__main__":
    run_stage(split_by_speaker)
