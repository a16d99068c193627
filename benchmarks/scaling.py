"""Index, split and extract 1, 2, 4 and 8 times a corpus, and look at what time and memory do.

``python benchmarks/scaling.py FOLDER`` takes a corpus in LibriSpeech layout and makes larger ones
of it: every speaker again under other names, every recording at another level and from another
sample on, so that no two files hold the same. The stages run in a clone of what is committed; then
a `dvc repro` finds nothing to do. Augmented copies, which cost as much as the corpus again, are
left out, and wav2vec 2.0 is the sample's, on a few minutes.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import soundfile
import vl_convert
from kill import TINY, check_out, environment
from ruamel.yaml import YAML

from speech.audio import SAMPLE_RATE, SUFFIXES
from speech.audio.decode import file_digest, load_audio
from speech.parallel import spread

TIMES = (1, 2, 4, 8)
SPEAKERS = "SPEAKERS.TXT"
STAGES = {
    "index": "index_corpus",
    "index again": "index_corpus",
    "split": "split_by_speaker",
    "MFCC": "extract_mfcc",
}
OF_ENCODER = {"index": "index_corpus", "wav2vec 2.0": "extract_wav2vec2"}
_EVERY = 0.1
"""Seconds between two looks at a stage's processes."""


@dataclass
class Used:
    """What a stage and its workers took."""

    wall: float = 0.0
    cpu: float = 0.0
    megabytes: float = 0.0


@contextmanager
def watching(process: psutil.Process) -> Iterator[Used]:
    """Watch a process and all that it starts: processor time, and the most memory at once."""
    used, over, cpu = Used(), threading.Event(), {}

    def look() -> None:
        while not over.wait(_EVERY):
            shared = 0
            with suppress(psutil.Error):
                for one in [process, *process.children(recursive=True)]:
                    with suppress(psutil.Error):
                        times = one.cpu_times()
                        cpu[one.pid] = times.user + times.system
                        # Pages that processes share count once: PSS.
                        shared += one.memory_full_info().pss
            used.megabytes = max(used.megabytes, shared / 1e6)

    watch, started = threading.Thread(target=look), time.monotonic()
    watch.start()
    try:
        yield used
    finally:
        used.wall = time.monotonic() - started
        over.set()
        watch.join()
        used.cpu = sum(cpu.values())


def run(folder: Path, command: list[str]) -> Used:
    """Run a command at the root of a clone, which must succeed."""
    with Path(f"{folder}.log").open("a") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment(folder), stdout=log, stderr=log
        )
        with watching(psutil.Process(process.pid)) as used:
            if process.wait():
                raise SystemExit(f"{' '.join(command)} failed; see {folder}.log")
    return used


def enlarge(source: Path, target: Path, times: int) -> None:
    """Write a corpus so many times over."""
    files = sorted(path for path in source.rglob("*") if path.suffix in SUFFIXES)
    listed = next(source.rglob("SPEAKERS.TXT")).read_text("utf-8").splitlines()
    genders = dict(
        [part.strip() for part in line.split("|")[:2]] for line in listed if line[:1].isdigit()
    )
    lines = [
        f"{copy}{speaker} | {genders[speaker]} | made | 1 | Nobody"
        for copy in range(1, times + 1)
        for speaker in sorted({path.parts[-3] for path in files})
    ]
    target.mkdir(parents=True)
    (target / SPEAKERS).write_text("\n".join(lines) + "\n", "utf-8")
    spread(partial(_copy, target=target, times=times), files, -1, prefer="threads")


def _copy(file: Path, target: Path, times: int) -> None:
    """Write a recording so many times, each time another."""
    signal = load_audio(file)
    for copy in range(1, times + 1):
        speaker, chapter, number = file.stem.split("-")
        folder = target / "made" / f"{copy}{speaker}" / chapter
        folder.mkdir(parents=True, exist_ok=True)
        changed = np.roll(signal, 1600 * (copy - 1)) * (1 - 0.05 * (copy - 1))
        name = f"{copy}{speaker}-{chapter}-{number}.flac"
        soundfile.write(folder / name, changed, SAMPLE_RATE, subtype="PCM_16")


def take_part(corpus: Path, part: Path, times: int, minutes: float | None) -> tuple[int, float]:
    """Link the first copies, or so many minutes of the first; return files and hours."""
    files = sorted(corpus.rglob("*.flac"), key=lambda file: (file.stem[-4:], file))
    seconds = np.array([soundfile.info(file).duration for file in files])
    copies = np.array([int(file.parts[-3][0]) for file in files])
    taken = copies <= (times if minutes is None else 1)
    if minutes is not None:
        taken &= np.cumsum(seconds * taken) <= 60 * minutes * times
    for file in (file for file, wanted in zip(files, taken, strict=True) if wanted):
        link = part / file.relative_to(corpus)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.hardlink_to(file)
    shutil.copy(corpus / SPEAKERS, part)
    return int(taken.sum()), float(seconds[taken].sum() / 3600)


def measure(base: Path, times: int, minutes: float | None) -> dict[str, float]:
    """Run the stages of one size, and return its row of the table."""
    corpus, folder = base / "part", base / "project"
    encoder = minutes is not None
    for old in (corpus, folder, Path(f"{folder}.site")):
        shutil.rmtree(old, ignore_errors=True)
    files, hours = take_part(base / "corpus", corpus, times, minutes)
    row: dict[str, float] = {"times": times, "files": files, "hours": hours}
    check_out(folder, TINY)
    yaml = YAML()
    params = yaml.load(folder / "params.yaml")
    params["corpus"], params["augmentation"]["copies"] = str(corpus), 0
    yaml.dump(params, folder / "params.yaml")
    before = ["check_params", "fetch_corpus", *(["fetch_encoder"] if encoder else [])]
    for name in before:
        run(folder, [sys.executable, f"stages/{name}.py"])
    for name, stage in (OF_ENCODER if encoder else STAGES).items():
        used = run(folder, [sys.executable, f"stages/{stage}.py"])
        row |= {f"{name} {key}": value for key, value in vars(used).items()}
    if not encoder:
        started = time.monotonic()
        spread(file_digest, list(corpus.rglob("*.flac")), -1, prefer="threads")
        row["reading files"] = time.monotonic() - started
        targets = ["split_by_speaker", "extract_mfcc"]
        run(folder, ["dvc", "commit", "--force", "--quiet", *targets, "--with-deps"])
        again = [run(folder, ["dvc", "repro", *targets]) for _ in range(3)]
        for key in ("wall", "cpu"):
            row[f"nothing to do {key}"] = min(getattr(used, key) for used in again)
    return row


def main() -> None:
    """Measure all sizes and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("corpus", type=Path, help="in LibriSpeech layout, with SPEAKERS.TXT")
    parser.add_argument("--times", type=int, nargs="+", default=TIMES, help="sizes (1 2 4 8)")
    parser.add_argument(
        "--encoder-minutes", type=float, default=3, help="of the smallest size; 0: none (3)"
    )
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary one)")
    parser.add_argument("--plot", type=Path, help="an SVG, of processor time by hours of speech")
    asked = parser.parse_args()
    base = asked.folder or Path(tempfile.mkdtemp(prefix="scaling-"))
    if not (base / "corpus" / SPEAKERS).is_file():
        enlarge(asked.corpus, base / "corpus", max(asked.times))
    tables = []
    for minutes in (None, asked.encoder_minutes)[: 2 if asked.encoder_minutes else 1]:
        rows = []
        for times in asked.times:
            rows.append(measure(base, times, minutes))
            print(rows[-1], file=sys.stderr, flush=True)
        tables.append(pd.DataFrame(rows).set_index("times"))
        print(tables[-1].round(2).to_csv(sep="|"), flush=True)
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "torch", "dvc"))
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, {versions}")
    if asked.plot:
        draw(tables, asked.plot)


def draw(tables: list[pd.DataFrame], path: Path) -> None:
    """Plot processor time and memory against hours, both axes by doublings."""
    made = [
        table.filter(regex=f"^(hours|.*{what})$").melt("hours", var_name="stage").assign(what=title)
        for table in tables
        for what, title in ((" cpu", "processor seconds"), (" megabytes", "memory, MB"))
    ]
    values = pd.concat(made)
    values["stage"] = values["stage"].str.replace(" (cpu|megabytes)$", "", regex=True)
    axis = {"type": "log", "base": 2}
    spec = {
        "data": {"values": values.to_dict("records")},
        "facet": {"column": {"field": "what", "title": None}},
        "resolve": {"scale": {"y": "independent"}},
        "spec": {
            "width": 300,
            "height": 260,
            "mark": {"type": "line", "point": True},
            "encoding": {
                "x": {"field": "hours", "type": "quantitative", "scale": axis},
                "y": {"field": "value", "type": "quantitative", "scale": axis, "title": None},
                "color": {"field": "stage", "type": "nominal", "title": None},
            },
        },
    }
    path.write_text(vl_convert.vegalite_to_svg(spec), "utf-8")


if __name__ == "__main__":
    main()
