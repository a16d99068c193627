"""Mutated recordings through the index and through predict's decoding: no crash, hang or growth.

    python benchmarks/fuzz_audio.py --recordings 10000

Each recording is indexed as one of a corpus and decoded in passages, in a process of its own that
is watched from outside, because a decoder in C may crash, hang or eat memory. The last line says
what came of it; the exit status is 1 if anything but an `AudioError` did.
"""

import argparse
import io
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import soundfile

from speech.audio.decode import AudioError
from speech.audio.stream import open_stream
from speech.corpus.index import index_corpus
from speech.corpus.layouts import Recording
from speech.inference.passages import cut_passages

BATCH = 500
LONGEST_SECONDS = 300.0
"""For a batch; it usually takes ten."""
MOST_MEGABYTES = 400
"""Of the process, most of which are its libraries."""

CONTAINERS = [
    *(("WAV", subtype) for subtype in ("PCM_16", "FLOAT", "ULAW", "IMA_ADPCM")),
    *((name, None) for name in ("FLAC", "MP3", "OGG", "AIFF", "AU", "CAF", "W64", "RF64")),
    ("OGG", "OPUS"),
    ("WAVEX", "PCM_24"),
    ("NIST", "PCM_16"),
    ("VOC", "PCM_U8"),
]


def whole_recordings() -> list[bytes]:
    """Encode a second of noise and tone in every container, mono and stereo."""
    random = np.random.default_rng(0)
    tone = np.sin(np.arange(16_000) / 20)[:, None]
    recordings = []
    for channels in (1, 2):
        signal = 0.3 * tone + random.uniform(-0.2, 0.2, (16_000, channels))
        for container, subtype in CONTAINERS:
            buffer = io.BytesIO()
            soundfile.write(buffer, signal, 16_000, subtype, format=container)
            recordings.append(buffer.getvalue())
    return recordings


def mutated(recordings: list[bytes], number: int) -> bytes:
    """Damage a recording in one to four ways; the same number, the same damage."""
    random = np.random.default_rng(number)
    content = bytearray(recordings[random.integers(len(recordings))])
    for _ in range(random.integers(1, 5)):
        # Half of the damage is done to the header.
        reach = len(content) if random.random() < 0.5 else min(len(content), 100)
        place = int(random.integers(max(reach, 1)))
        length = int(2 ** random.uniform(0, 10))
        match random.integers(6):
            case 0:
                content[place : place + 1] = random.bytes(1)
            case 1:
                extreme = [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\1\0\0\0"]
                content[place : place + 4] = extreme[random.integers(4)]
            case 2:
                content[place : place + length] = random.bytes(length)
            case 3:
                del content[place : place + length]
            case 4:
                content[place:place] = content[place : place + length]
            case _:
                other = recordings[random.integers(len(recordings))]
                content[place:] = other[int(random.integers(len(other))) :]
    return bytes(content)


def try_out(numbers: range, folder: Path) -> Counter[str]:
    """Index mutated recordings beside a whole one, decode each in passages, and count outcomes.

    Raises whatever is no `AudioError`, and an AssertionError if index and predict differ.
    """
    recordings = whole_recordings()
    (folder / "whole").write_bytes(recordings[0])
    names = [str(number) for number in numbers]
    for name in names:
        (folder / name).write_bytes(mutated(recordings, int(name)))
    # Each by a speaker of its own: two of them may have lost the same damage.
    listed = [Recording(name, name, name, name) for name in ["whole", *names]]
    found = index_corpus(folder, listed, min_seconds=0.0, jobs=1)
    reasons = dict(zip(found.rejected["path"], found.rejected["reason"], strict=False))
    samples = dict(zip(found.utterances["path"], found.utterances["samples"], strict=True))
    outcomes: Counter[str] = Counter()
    for name in names:
        try:
            with open_stream(folder / name) as stream:
                predicted = sum(len(passage.signal) for passage in cut_passages(stream))
            assert np.isfinite(predicted)
            assert samples.get(name, predicted) == predicted
            outcome = "decoded" if name in samples else reasons[name]
        except AudioError as error:
            outcome = str(error)
            assert reasons[name] == outcome
        outcomes[outcome.split(" (")[0].split(" of ")[0]] += 1
    return outcomes


def main() -> int:
    """Run batches, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first recording")
    options = parser.parse_args()
    total: Counter[str] = Counter()
    started, slowest, largest, failures = time.monotonic(), 0.0, 0.0, 0
    for first in range(options.first, options.first + options.recordings, BATCH):
        last = min(first + BATCH, options.first + options.recordings)
        begun = time.monotonic()
        command = [sys.executable, __file__, "batch", str(first), str(last)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=LONGEST_SECONDS
            )
            failed = "" if done.returncode == 0 else f"status {done.returncode}: {done.stderr}"
        except subprocess.TimeoutExpired:
            failed = "no end"
        if failed:
            failures += 1
            print(f"recordings {first} to {last - 1}: {failed[-2000:]}")
            continue
        megabytes, *lines = done.stdout.splitlines()
        slowest, largest = max(slowest, time.monotonic() - begun), max(largest, float(megabytes))
        for line in lines:
            count, outcome = line.split(" ", 1)
            total[outcome] += int(count)
    for outcome, times in total.most_common():
        print(f"{times:7,} {outcome}")
    print(
        f"{sum(total.values()):,} recordings in {time.monotonic() - started:.0f} s; {failures} "
        f"batches failed; slowest batch of {BATCH} {slowest:.1f} s; largest process "
        f"{largest:.0f} MB"
    )
    return int(failures > 0 or largest > MOST_MEGABYTES)


def batch(first: int, last: int) -> None:
    """Print the memory that a batch took, and its outcomes."""
    with tempfile.TemporaryDirectory() as folder:
        outcomes = try_out(range(first, last), Path(folder))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    for outcome, count in outcomes.items():
        print(count, outcome.replace("\n", " "))


if __name__ == "__main__":
    if sys.argv[1:2] == ["batch"]:
        batch(int(sys.argv[2]), int(sys.argv[3]))
    else:
        sys.exit(main())
