"""An encoder of base size: how many times faster than a plain loop of transformers, on two cores.

``python benchmarks/wav2vec2.py FOLDER`` takes 2-second chunks of recordings of a folder; decoding
does not count. Weights are random: what they are makes no difference to the time. The plain loop
embeds chunk by chunk on two threads, and pools all 13 hidden states; each mode of `compute` does
the same with two workers of one thread. Every round times both, one after the other, so that a
busy machine slows both alike; the ratios are those of the medians. Threads that wait for each
other do badly on a busy machine, so there ``--cores 1`` compares one thread with one worker, both
by the time of the processor. Rows of OpenVINO are left out where it is not installed.
``--gpu`` compares on a graphics card, where one process embeds batches of chunks of all
recordings; the plain loop runs there too. ``--accuracy`` compares instead how well speakers of a
folder in LibriSpeech's layout are identified, in chapters not in training, from features of each
mode.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model
from verdict import passed

from speech.audio import SAMPLE_RATE, SUFFIXES
from speech.audio.chunks import chunk_bounds
from speech.audio.decode import load_audio
from speech.features.settings import Mode
from speech.features.wav2vec2 import Embedder

Signal = NDArray[np.float32]
Pooled = NDArray[np.float32]

_SECONDS, _BATCH = 2.0, 8
_LAYER = 4
"""The one that params.yaml has in use."""
_ALL = tuple(range(13))
_DEVICE = "cuda" if torch.cuda.is_available() else "mps"

_GPU: dict[str, Mode] = {
    "float32, processor": Mode(),
    "float32, gpu": Mode(_DEVICE),
    "bfloat16, gpu": Mode(_DEVICE, "bfloat16"),
}

_BATCHES = (8, 64, 256)
"""What is tried on a graphics card."""

_ROWS: dict[str, tuple[Mode, tuple[int, ...], float | None]] = {
    "float32, torch": (Mode(), _ALL, 1.25),
    "float32, openvino": (Mode(backend="openvino"), _ALL, 1.25),
    "bfloat16, torch": (Mode(precision="bfloat16"), _ALL, None),
    "bfloat16, openvino": (Mode("cpu", "bfloat16", "openvino"), _ALL, 2.2),
    "bfloat16, torch, cut": (Mode(precision="bfloat16"), (_LAYER,), None),
    "bfloat16, openvino, cut": (Mode("cpu", "bfloat16", "openvino"), (_LAYER,), 4.0),
}
"""How the encoder is run, hidden states pooled, and how many times faster it is to be."""


@cache
def _plain_model(checkpoint: Path) -> Wav2Vec2Model:
    return Wav2Vec2Model.from_pretrained(checkpoint).eval()


def plain_loop(
    checkpoint: Path, threads: int, signals: list[Signal], device: str = "cpu"
) -> tuple[float, Pooled]:
    """Embed chunk by chunk, as transformers' documentation does; give the processor's time."""
    torch.set_num_threads(threads)
    start = process_time()
    model = _plain_model(checkpoint).to(device)
    extractor = Wav2Vec2FeatureExtractor(do_normalize=True)
    pooled = []
    with torch.inference_mode():
        for signal in signals:
            for chunk in np.split(signal, len(signal) // round(_SECONDS * SAMPLE_RATE)):
                inputs = extractor(chunk, sampling_rate=SAMPLE_RATE, return_tensors="pt").to(device)
                states = model(**inputs, output_hidden_states=True).hidden_states
                of_states = [torch.cat([s[0].mean(0), s[0].std(0, correction=0)]) for s in states]
                pooled.append(torch.stack(of_states).cpu().numpy())
    return process_time() - start, np.stack(pooled)


def embed_one(
    checkpoint: Path, mode: Mode, layers: tuple[int, ...], signal: Signal
) -> tuple[float, Pooled]:
    """Embed the chunks of a signal as the pipeline does; give the processor's time."""
    start = process_time()
    embedder = Embedder(checkpoint, layers, min(_LAYER, layers[-1]), 4, _BATCH, mode)
    (states,) = embedder([_with_bounds(signal)])
    return process_time() - start, states["pooled"]


def _with_bounds(signal: Signal) -> tuple[Signal, list[tuple[int, int]]]:
    return signal, chunk_bounds(len(signal), seconds=_SECONDS, hop_seconds=_SECONDS, tail="drop")


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield pool


def _embed_all(
    pool: ProcessPoolExecutor, checkpoint: Path, row: str, signals: list[Signal]
) -> tuple[float, Pooled]:
    mode, layers, _ = _ROWS[row]
    waiting = [pool.submit(embed_one, checkpoint, mode, layers, signal) for signal in signals]
    seconds, pooled = zip(*(one.result() for one in waiting), strict=True)
    return sum(seconds), np.concatenate(pooled)


def compare_speed(
    checkpoint: Path, rows: list[str], signals: list[Signal], *, cores: int, rounds: int
) -> None:
    """Print a row for each mode as it is measured."""
    speech = sum(map(len, signals)) / SAMPLE_RATE
    print(f"{'':26} {'x real time':>11} {'plain loop':>11} {'ratio':>7} {'goal':>6} {'':5} error")
    with _pool(1) as plain:
        for row in rows:
            layers, goal = _ROWS[row][1:]
            ours_seconds, plain_seconds = [], []
            with _pool(cores) as pool:
                # More than there are workers, so that each has loaded the encoder.
                _embed_all(pool, checkpoint, row, 2 * signals)
                _, expected = plain.submit(plain_loop, checkpoint, cores, signals).result()
                for _ in range(rounds):
                    start = perf_counter()
                    used, made = _embed_all(pool, checkpoint, row, signals)
                    ours_seconds.append(used if cores == 1 else perf_counter() - start)
                    start = perf_counter()
                    used, _ = plain.submit(plain_loop, checkpoint, cores, signals).result()
                    plain_seconds.append(used if cores == 1 else perf_counter() - start)
            ours, theirs = (speech / median(times) for times in (ours_seconds, plain_seconds))
            wanted = expected[:, layers]
            error = _relative_error(made, wanted)
            verdict = "" if goal is None else passed(ours >= goal * theirs)
            print(
                f"{row:26} {ours:11.1f} {theirs:11.1f} {ours / theirs:7.2f} {goal or '':>6} "
                f"{verdict:5} {error:.0e}",
                flush=True,
            )


def _relative_error(made: Pooled, wanted: Pooled) -> float:
    """Return the largest of any chunk's pooled state."""
    error = np.linalg.norm(made - wanted, axis=-1) / np.linalg.norm(wanted, axis=-1)
    return float(error.max())


def compare_on_gpu(checkpoint: Path, signals: list[Signal], rounds: int) -> None:
    """Print a row for each way to run it on a graphics card, and whether it repeats itself."""
    speech = sum(map(len, signals)) / SAMPLE_RATE
    few = signals[:: max(1, len(signals) // 16)]
    _, expected = plain_loop(checkpoint, 2, few)

    def timed(work: Callable[[], object]) -> float:
        seconds = []
        for _ in range(1 + rounds):  # the first loads and warms up
            start = perf_counter()
            work()
            seconds.append(perf_counter() - start)
        return median(seconds[1:])

    some = sum(map(len, few)) / SAMPLE_RATE
    plain = some / timed(lambda: plain_loop(checkpoint, 2, few, _DEVICE))
    print(f"plain loop, float32: {plain:,.0f} x real time")
    for mode, layers, batch in product(tuple(_GPU.values())[1:], (_ALL, (_LAYER,)), _BATCHES):
        embedder = Embedder(checkpoint, layers, _LAYER, 4, batch, mode)
        speed = speech / timed(lambda: list(embedder(map(_with_bounds, signals))))  # noqa: B023
        made, again = (
            np.concatenate([one["pooled"] for one in embedder(map(_with_bounds, few))])
            for _ in range(2)
        )
        print(
            f"{mode.precision:8}, {'all' if layers == _ALL else 'cut':3}, batches of {batch:3}: "
            f"{speed:7,.0f} x real time, {speed / plain:5.1f} x plain loop, "
            f"error {_relative_error(made, expected[:, layers]):.0e}, "
            f"twice {'the same' if np.array_equal(made, again) else 'NOT the same'} bytes",
            flush=True,
        )


def compare_accuracy(
    checkpoint: Path, modes: Mapping[str, Mode], folder: Path, utterances: int
) -> None:
    """Print how many chunks and utterances each mode finds the speaker of."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    signals, speakers, halves = [], [], []
    for speaker in sorted({path.parent.parent for path in _recordings(folder)}):
        chapters = sorted(path for path in speaker.iterdir() if path.is_dir())
        for number, chapter in enumerate(chapters if len(chapters) > 1 else []):
            for path in _recordings(chapter)[:utterances]:
                signals.append(load_audio(path))
                speakers.append(speaker.name)
                halves.append(number % 2)
    for row, mode in modes.items():
        with _pool(2) as pool:
            waiting = [
                pool.submit(embed_one, checkpoint, mode, (_LAYER,), signal) for signal in signals
            ]
            vectors = [one.result()[1][:, 0] for one in waiting]
        counts = np.array([len(own) for own in vectors])
        labels, half = np.array(speakers), np.array(halves)
        chunks, utterance = np.concatenate(vectors), np.repeat(np.arange(len(counts)), counts)
        right_chunks, right = [], []
        for held_out in (0, 1):
            test = half[utterance] == held_out
            model = make_pipeline(StandardScaler(), LogisticRegression(C=0.03, max_iter=2000))
            model.fit(chunks[~test], labels[utterance][~test])
            scores = model.predict_log_proba(chunks[test])
            own = utterance[test]
            right_chunks += list(model.classes_[scores.argmax(1)] == labels[own])
            sums = np.stack([scores[own == one].mean(0) for one in np.unique(own)])
            right += list(model.classes_[sums.argmax(1)] == labels[np.unique(own)])
        print(
            f"{row:26} chunks {100 * np.mean(right_chunks):5.1f} % of {len(right_chunks):,}, "
            f"utterances {100 * np.mean(right):5.1f} % of {len(right):,}",
            flush=True,
        )


def _recordings(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES)


def _signals(folder: Path, chunks: int) -> list[Signal]:
    """Cut as many signals of eight chunks as make up that many chunks."""
    length = _BATCH * round(_SECONDS * SAMPLE_RATE)
    found: list[Signal] = []
    for path in _recordings(folder):
        if len(found) * _BATCH >= chunks:
            break
        signal = load_audio(path)
        found += [signal[:length]] if len(signal) >= length else []
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--chunks", type=int, default=16, help="of each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--accuracy", action="store_true")
    parser.add_argument("--checkpoint", type=Path, help="another than that, for --accuracy")
    parser.add_argument("--utterances", type=int, default=3, help="of each chapter, for --accuracy")
    asked = parser.parse_args()
    if asked.gpu and not (torch.cuda.is_available() or torch.backends.mps.is_available()):
        parser.error("--gpu: torch finds no graphics card on this machine; leave it out")
    signals = _signals(asked.folder, asked.chunks)
    if not signals:
        sys.exit(f"{asked.folder}: no recordings of {_BATCH * _SECONDS:g} seconds there.")
    rows = [name for name in _ROWS if "openvino" not in name or find_spec("openvino")]
    with TemporaryDirectory() as temporary:
        checkpoint = Path(temporary)
        torch.manual_seed(17)
        Wav2Vec2Model(Wav2Vec2Config()).save_pretrained(checkpoint)
        Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(checkpoint)
        if asked.accuracy:
            own = asked.checkpoint or checkpoint
            modes = {name: _ROWS[name][0] for name in rows[:4]}
            compare_accuracy(own, _GPU if asked.gpu else modes, asked.folder, asked.utterances)
        elif asked.gpu:
            compare_on_gpu(checkpoint, signals, asked.rounds)
        else:
            compare_speed(checkpoint, rows, signals, cores=asked.cores, rounds=asked.rounds)


if __name__ == "__main__":
    main()
