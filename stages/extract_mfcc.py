"""Compute the MFCC of every utterance and of its augmented copies, one file per speaker."""

from stages.console import bar, run_stage

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import speech.features.mfcc
from speech.audio.conditions import augment
from speech.features.extraction import describe_extraction, extract_features, settings_digest
from speech.features.mfcc import mfcc
from speech.params import Params
from speech.storage.examples import copy_name
from speech.storage.tables import read_parquet
from stages.paths import CORPUS_AUDIO, MFCC, UTTERANCES


@dataclass(frozen=True)
class ComputeMfcc:
    """The MFCC of a signal, and of copies of it under random acoustic conditions."""

    settings: Mapping[str, Any]
    conditions: Mapping[str, Any]
    copies: int
    seed: int

    def __call__(self, signal: NDArray[np.float32], utterance: str) -> dict[str, NDArray[Any]]:
        """Name the copies ``copy0``, ``copy1``, …; only training examples are made of them."""
        parts = {"": mfcc(signal, **self.settings)}
        for number in range(self.copies):
            # By its name, so that an utterance does not depend on what else is in the corpus.
            random = np.random.default_rng([self.seed, number, *utterance.encode()])
            copy = augment(signal, **self.conditions, random=random)
            parts[copy_name(number)] = mfcc(copy, **self.settings)
        return parts


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
