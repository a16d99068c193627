"""Memory and time of the fits on made-up features, as many as train-clean-100 has.

For each model, two folds at once, as on two cores, each shortened: networks train for one epoch,
logistic regression for 10 iterations. Time is extrapolated from there; memory is not, for it does
not grow with epochs. Writes some 5 GB for the frames of the speaker task into a temporary folder.

Memory is what is the process' own (RssAnon), sampled; pages of the mapped file are the system's,
which takes them back where others need room.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from speech.classifiers.registry import CLASSIFIERS
from speech.folds import Task
from speech.params import load_params
from speech.storage.arrays import writing_rows
from speech.storage.examples import Form, array_file, read_examples, write_table
from speech.training.cross_validation import TRAIN_ONLY, cross_validate, taking_part

FRAMES, COEFFICIENTS, DIMENSIONS = 198, 30, 251
CHUNKS_PER_UTTERANCE = 6
AT_ONCE = 2000
SHORT = {"logistic": {"max_iter": 10}, "mlp": {"epochs": 1}, "cnn": {"epochs": 1}}
FOLDS = {"gender": 5, "speaker": 3}


def chunk_table(task: str, speakers: int, utterances: int) -> pd.DataFrame:
    """List the chunks of so many speakers, every second a woman, four chapters each."""
    number = np.repeat(np.arange(utterances), CHUNKS_PER_UTTERANCE)
    speaker = number % speakers
    chapter = number // speakers % 4
    table = pd.DataFrame(
        {
            "utterance_id": np.char.mod("%06d", number),
            "speaker_id": np.char.mod("%04d", speaker),
            "chapter_id": np.char.mod("%05d", 4 * speaker + chapter),
            "gender": np.where(speaker % 2, "M", "F"),
        }
    )
    by_task = {"gender": (speaker // 2, "gender"), "speaker": (chapter, "speaker_id")}
    dealt, label = by_task[task]
    session = {"gender": "speaker_id", "speaker": "chapter_id"}[task]
    table["chunk"] = np.tile(np.arange(CHUNKS_PER_UTTERANCE), utterances)
    table["label"], table["session"] = table[label], table[session]
    return table.assign(fold=dealt % FOLDS[task])


def write_made_up(folder: Path, table: pd.DataFrame, seed: int = 0) -> None:
    """Write both forms: noise around a place of each speaker and each chapter."""
    write_table(folder, table)
    random = np.random.default_rng(seed)
    codes = [pd.factorize(table[name])[0] for name in ("speaker_id", "chapter_id")]
    forms: list[tuple[Form, tuple[int, ...], Any]] = [
        ("pooled", (DIMENSIONS,), np.float32),
        ("frames", (FRAMES, COEFFICIENTS), np.float16),
    ]
    for form, shape, kind in forms:
        places = [random.normal(0, 0.3, (own.max() + 1, shape[-1])) for own in codes]
        path = array_file(folder, form)
        with writing_rows(path, 2, (len(table), *shape), kind) as put:
            for start in range(0, len(table), AT_ONCE):
                part = slice(start, start + AT_ONCE)
                place = sum(own[code[part]] for own, code in zip(places, codes, strict=True))
                for version in range(2):
                    noise = random.standard_normal((len(place), *shape), np.float32)
                    put(version, start, noise + (place if form == "pooled" else place[:, None]))


class PeakMemory(threading.Thread):
    """Samples what the process holds for itself."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.gigabytes = 0.0

    def run(self) -> None:
        """Sample until the process ends."""
        while True:
            status = Path("/proc/self/status").read_text()
            kilobytes = int(status.split("RssAnon:")[1].split()[0])
            self.gigabytes = max(self.gigabytes, kilobytes / 2**20)
            time.sleep(0.05)


def measure(folder: Path, task: Task, model: str) -> dict[str, object]:
    """Fit two folds at once."""
    params = load_params(Path("params.yaml"))
    peak = PeakMemory()
    peak.start()
    form, copies = CLASSIFIERS[model].form, model != "dummy"
    examples = taking_part(read_examples(folder, form, copies=copies), task)
    folds = examples.table["fold"]
    table = examples.table.assign(fold=folds.where(folds < 2, TRAIN_ONLY))
    started, processor = time.monotonic(), time.process_time()
    result = cross_validate(
        model,
        task,
        replace(examples, table=table),
        hyperparameters=params.hyperparameters(model) | SHORT.get(model, {}),
        jobs=2,
    )
    return {
        "task": task,
        "model": model,
        "short": SHORT.get(model, {}),
        "chunks": len(table),
        "predicted": len(result.chunks),
        "seconds": round(time.monotonic() - started),
        "processor_seconds": round(time.process_time() - processor),
        "gigabytes": round(peak.gigabytes, 2),
    }


def main() -> None:
    """Make the features up, then measure each model in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--speakers", type=int, default=251)
    parser.add_argument("--utterances", type=int, default=28_539)
    parser.add_argument("--tasks", nargs="+", default=list(FOLDS), choices=list(FOLDS))
    parser.add_argument("--models", nargs="+", default=list(CLASSIFIERS), choices=list(CLASSIFIERS))
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        folder, task, model = asked.one
        print(json.dumps(measure(Path(folder), task, model)), flush=True)
        return
    for task in asked.tasks:
        with tempfile.TemporaryDirectory() as folder:
            write_made_up(Path(folder), chunk_table(task, asked.speakers, asked.utterances))
            for model in asked.models:
                subprocess.run(
                    [sys.executable, "-W", "ignore", __file__, "--one", folder, task, model],
                    check=True,
                )


if __name__ == "__main__":
    main()
