"""MFCC with deltas: how many times faster than python_speech_features and librosa, on one thread.

``python benchmarks/mfcc.py FOLDER`` takes recordings of a folder; decoding does not count. librosa
is no requirement of this project; its row is left out where it is not installed. Every round times
each of them once, so that a busy machine slows all alike; the ratios are those of the medians.
"""

import argparse
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from time import thread_time
from typing import Any

import numpy as np
import python_speech_features
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from verdict import passed

from speech.audio import SAMPLE_RATE, SUFFIXES
from speech.audio.decode import load_audio
from speech.features.mfcc import mfcc

Signal = NDArray[np.float32]
Features = dict[str, Callable[[Signal], NDArray[Any]]]

_GOALS = {"python_speech_features": 4.0, "librosa": 1.5}
"""How many times faster this project is to be."""
_TOLERANCE = 1e-4
_SETTINGS = {"lowfreq": 60, "highfreq": 6000, "preemph": 0.97}


def of_library(signal: Signal) -> NDArray[np.float64]:
    """Compute what `speech.features.mfcc.mfcc` does by the library alone."""
    static = python_speech_features.mfcc(
        signal.astype(np.float64) * 32768,
        SAMPLE_RATE,
        numcep=30,
        nfilt=40,
        nfft=512,
        winfunc=np.hamming,
        **_SETTINGS,
    )
    return np.concatenate([static, python_speech_features.delta(static, 2)], axis=1)


def of_librosa(signal: Signal) -> NDArray[np.float32]:
    """Compute MFCC of the same size by librosa."""
    import librosa

    static = librosa.feature.mfcc(
        y=librosa.effects.preemphasis(signal),
        sr=SAMPLE_RATE,
        n_mfcc=30,
        n_mels=40,
        n_fft=512,
        win_length=400,
        hop_length=160,
        fmin=60,
        fmax=6000,
        window="hamming",
        center=False,
        lifter=22,
    )
    return np.concatenate([static, librosa.feature.delta(static, width=5)]).T


def measure(functions: Features, signals: list[Signal], rounds: int) -> dict[str, float]:
    """Return how many seconds of speech each computes in a second of one processor."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(1 + rounds):
        for name, function in functions.items():
            start = thread_time()
            for signal in signals:
                function(signal)
            seconds[name].append(thread_time() - start)
    speech = sum(len(signal) for signal in signals) / SAMPLE_RATE
    # The first round imports and fills caches.
    return {name: speech / float(np.median(times[1:])) for name, times in seconds.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--recordings", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    paths = sorted(path for path in asked.folder.rglob("*") if path.suffix in SUFFIXES)
    if not paths:
        sys.exit(f"{asked.folder}: no recordings there.")
    signals = [load_audio(path) for path in paths[:: -(-len(paths) // asked.recordings)]]

    functions: Features = {"this project": mfcc, "python_speech_features": of_library}
    if find_spec("librosa"):
        functions["librosa"] = of_librosa
    with threadpool_limits(1):
        speed = measure(functions, signals, asked.rounds)
        most = 0.0
        for signal in signals:
            # The library has no floor.
            ours = mfcc(signal, top_db=None)
            # The library adds a last frame of zeros, and deltas before it take part of it.
            theirs = of_library(signal[: 400 + 160 * (len(ours) - 1)])
            first = np.maximum(theirs[:, 0], 0)
            most = max(most, float(np.abs(ours[:, 1:30] - theirs[:, 1:30]).max()))
            most = max(most, float(np.abs(ours[:, 0] - first).max()))
    for name, value in speed.items():
        ratio = speed["this project"] / value
        print(
            f"{name:24} {value:7,.0f} x real time   this project is {ratio:4.1f} x as fast", end=""
        )
        print(f", goal {_GOALS[name]}: {passed(ratio >= _GOALS[name])}" if name in _GOALS else "")
    print(
        f"largest difference from python_speech_features: {most:.1e}, "
        f"goal {_TOLERANCE}: {passed(most <= _TOLERANCE)}"
    )


if __name__ == "__main__":
    main()
