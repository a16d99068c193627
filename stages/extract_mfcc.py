"""Compute the MFCC of every utterance and of its augmented copies, one file per speaker."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import speech.features.mfcc
from speech.audio import SAMPLE_RATE
from speech.audio.chunks import seconds_to_samples
from speech.audio.conditions import augment
from speech.features.extraction import describe_extraction, extract_features, settings_digest
from speech.features.mfcc import frame_count, mfcc
from speech.params import Params
from speech.storage.examples import copy_name
from speech.storage.tables import read_parquet
from stages.console import bar, run_stage
from stages.paths import CORPUS_AUDIO, MFCC, UTTERANCES

PASSAGE_SECONDS = 40
"""No utterance of LibriSpeech is longer; predict.py cuts longer recordings in the same way."""


@dataclass(frozen=True)
class ComputeMfcc:
    """The MFCC of a signal, and of copies of it under random acoustic conditions."""

    settings: Mapping[str, Any]
    conditions: Mapping[str, Any]
    copies: int
    seed: int

    def __call__(self, signal: NDArray[np.float32], utterance: str) -> dict[str, NDArray[Any]]:
        """Name the copies ``copy0``, ``copy1``, …; only training examples are made of them."""
        parts = {"": _in_passages(signal, lambda passage: passage, self.settings)}
        for number in range(self.copies):
            # By its name, so that an utterance does not depend on what else is in the corpus.
            random = np.random.default_rng([self.seed, number, *utterance.encode()])
            change = partial(augment, **self.conditions, random=random)
            parts[copy_name(number)] = _in_passages(signal, change, self.settings)
        return parts


def _in_passages(
    signal: NDArray[np.float32],
    change: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    settings: Mapping[str, Any],
) -> NDArray[np.float32]:
    """Compute the MFCC of an hour in the memory of a passage.

    They are those of the whole signal, each passage of it changed by itself: it is computed with
    as many frames of its neighbours as its deltas and its first sample depend on.
    """
    window, hop = (seconds_to_samples(settings[f"{name}_seconds"]) for name in ("window", "hop"))
    total = frame_count(
        len(signal),
        window_seconds=settings["window_seconds"],
        hop_seconds=settings["hop_seconds"],
    )
    length = PASSAGE_SECONDS * SAMPLE_RATE // hop
    beside = 1 + settings["delta_orders"] * settings["delta_width"]
    made = np.empty((total, settings["coefficients"] * (1 + settings["delta_orders"])), np.float32)
    for first in range(0, total, length):
        start, last = max(0, first - beside), first + length
        stop = (last + beside - 1) * hop + window if last < total else len(signal)
        frames = mfcc(change(signal[start * hop : stop]), **settings)
        made[first:last] = frames[first - start :][:length]
    return made


def extract_mfcc(params: Params) -> str:
    """Compute what is not there yet from an earlier run."""
    conditions = params.augmentation.model_dump()
    copies = conditions.pop("copies")
    seed = params.seed if copies else 0
    compute = ComputeMfcc(params.mfcc.model_dump(), conditions, copies, seed)
    digest = settings_digest(
        {"mfcc": compute.settings, "conditions": conditions, "copies": copies, "seed": seed},
        modules=[speech.features.mfcc],
        libraries=["python_speech_features"],
    )
    done = extract_features(
        read_parquet(UTTERANCES),
        CORPUS_AUDIO,
        MFCC,
        settings=digest,
        compute=compute,
        jobs=params.parallel.jobs,
        progress=bar("speaker"),
    )
    return describe_extraction(done, MFCC)


if __name__ == "__main__":
    run_stage(extract_mfcc)
