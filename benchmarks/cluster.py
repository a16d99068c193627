"""How much faster two workers of a Dask cluster are than one: MFCC and their copies of recordings.

``python benchmarks/cluster.py FOLDER`` takes a corpus in LibriSpeech layout; needs the extra
`cluster`, and a machine whose two cores have nothing else to do. Compares the files with those of a
run without a cluster, too.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import monotonic, sleep
from typing import Any

import pandas as pd
from distributed import Client

from speech.audio import SUFFIXES
from speech.audio.decode import digest_of, file_digest
from speech.features.extraction import extract_features
from speech.features.mfcc import mfcc_and_copies
from speech.parallel import Workers
from speech.params import load_params

ROOT = Path(__file__).resolve().parents[1]


def list_recordings(folder: Path, speakers: int) -> pd.DataFrame:
    """List the recordings of the first speakers."""
    files = sorted(path.absolute() for path in folder.rglob("*") if path.suffix in SUFFIXES)
    rows = [(file.stem, file.parts[-3], str(file), file_digest(file)) for file in files]
    table = pd.DataFrame(rows, columns=["utterance_id", "speaker_id", "path", "digest"])
    return table[table["speaker_id"].isin(sorted(table["speaker_id"].unique())[:speakers])]


def extract(table: pd.DataFrame, workers: Workers) -> tuple[float, dict[str, str]]:
    """Extract anew; return how long that took, and the digest of each file."""
    params = load_params(ROOT / "params.yaml")
    settings: dict[str, Any] = {
        "settings": params.mfcc.model_dump(),
        "conditions": params.augmentation.model_dump(exclude={"copies"}),
        "copies": params.augmentation.copies,
        "seed": params.seed,
    }
    with tempfile.TemporaryDirectory() as folder:
        started = monotonic()
        extract_features(
            table,
            Path("/"),
            Path(folder),
            compute=lambda signals: (
                mfcc_and_copies(signal, name, **settings) for name, signal in signals
            ),
            settings={},
            code=[],
            libraries=[],
            jobs=workers,
        )
        took = monotonic() - started
        return took, {file.name: digest_of(file.read_bytes()) for file in Path(folder).iterdir()}


def start(*command: str, file: Path) -> subprocess.Popen[bytes]:
    """Start a part of the cluster, in a session of its own: the system shares cores by session."""
    return subprocess.Popen(
        [sys.executable, "-m", "dask", *command, "--no-dashboard", "--scheduler-file", str(file)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def wait_for(workers: int, file: Path) -> None:
    """Wait until a cluster has so many workers."""
    while not file.is_file():
        sleep(0.1)
    with Client(scheduler_file=str(file)) as client:
        client.wait_for_workers(workers, timeout=60)


def main() -> None:
    """Take turns and say the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--speakers", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    table = list_recordings(asked.corpus, asked.speakers)
    _, expected = extract(table, 1)
    took: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as home:
        file = Path(home) / "scheduler.json"
        started = [start("scheduler", "--port", "0", file=file)]
        try:
            for workers, seconds in took.items():
                started.append(start("worker", "--nthreads", "1", file=file))
                wait_for(workers, file)
                # So that all have loaded the libraries.
                extract(table.groupby("speaker_id").head(1), str(file))
                for _ in range(asked.rounds):
                    needed, made = extract(table, str(file))
                    seconds.append(needed)
                    if made != expected:
                        raise SystemExit(f"{workers} workers made other files than this machine")
        finally:
            for process in started:
                os.killpg(process.pid, signal.SIGTERM)
    one, two = (median(seconds) for seconds in took.values())
    print(f"one worker {one:.1f} s, two {two:.1f} s: {one / two:.2f} times as fast; same files")


if __name__ == "__main__":
    main()
