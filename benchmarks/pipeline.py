"""The whole pipeline on a corpus, and the fit of its convolutional network: time and memory.

``python benchmarks/pipeline.py CORPUS`` clones what is committed, and runs `dvc repro` there from
nothing. Features come from the sample's encoder, which is a fraction of wav2vec 2.0's size. The
goals are for 162 minutes of speech (20 speakers of LibriSpeech dev-clean) on two cores; of another
amount there is no verdict.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from resource import struct_rusage
from time import perf_counter

import pandas as pd
from kill import check_out, environment
from verdict import passed

_SPEECH = 162
"""Minutes, for which the goals are."""
_MINUTES = 8
_SECONDS, _GIGABYTES = 45, 1.0
_FIT = ("stages/fit.py", "gender-mfcc", "cnn")


def timed(folder: Path, *command: str) -> tuple[float, struct_rusage]:
    """Run a command in a clone; return its seconds and what the system counted."""
    with Path(f"{folder}.log").open("a") as log:
        started = perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=environment(folder), stdout=log, stderr=log
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        said = Path(f"{folder}.log").read_text("utf-8")[-2000:]
        raise SystemExit(f"{said}\n{' '.join(command)} failed in a clone of the repository.")
    return perf_counter() - started, used


def rows(folder: Path) -> Sequence[str]:
    """Run both, and say how they compare with the goals."""
    seconds, used = timed(folder, "dvc", "repro")
    speech = pd.read_parquet(folder / "data/utterances.parquet")["seconds"].sum() / 60

    def verdict(reached: bool) -> str:
        return passed(reached) if abs(speech - _SPEECH) < 10 else "of another amount of speech"

    whole = (
        f"the whole pipeline, {speech:.0f} minutes of speech: {seconds / 60:.1f} min "
        f"({_processors(used):.1f} of processors), "
        f"goal {_MINUTES}: {verdict(seconds <= 60 * _MINUTES)}"
    )
    seconds, used = timed(folder, sys.executable, *_FIT)
    gigabytes = used.ru_maxrss / 2**20
    fit = (
        f"cnn, gender, MFCC: {seconds:.0f} s ({60 * _processors(used):.0f} of processors), "
        f"goal {_SECONDS}: {verdict(seconds <= _SECONDS)}; {gigabytes:.2f} GB, "
        f"goal {_GIGABYTES}: {verdict(gigabytes <= _GIGABYTES)}"
    )
    return whole, fit


def _processors(used: struct_rusage) -> float:
    return (used.ru_utime + used.ru_stime) / 60


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("corpus", type=Path, help="folder of recordings, or a table of them")
    corpus = parser.parse_args().corpus.resolve()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "project"
        check_out(folder, {"corpus": str(corpus)})
        print(*rows(folder), sep="\n")


if __name__ == "__main__":
    main()
