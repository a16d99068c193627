"""Compute the MFCC of every utterance and of its augmented copies, one file per speaker."""

from stages.console import bar, run_stage

from functools import partial

import speech.features.mfcc
from speech.features.extraction import describe_extraction, extract_features, settings_digest
from speech.features.mfcc import mfcc_and_copies
from speech.params import Params
from speech.storage.tables import read_parquet
from stages.paths import CORPUS_AUDIO, MFCC, UTTERANCES


def extract_mfcc(params: Params) -> str:
    """Compute what is not there yet from an earlier run."""
    conditions = params.augmentation.model_dump()
    copies = conditions.pop("copies")
    seed = params.seed if copies else 0
    settings = {
        "settings": params.mfcc.model_dump(),
        "conditions": conditions,
        "copies": copies,
        "seed": seed,
    }
    digest = settings_digest(
        settings, modules=[speech.features.mfcc], libraries=["python_speech_features"]
    )
    done = extract_features(
        read_parquet(UTTERANCES),
        CORPUS_AUDIO,
        MFCC,
        settings=digest,
        compute=partial(mfcc_and_copies, **settings),
        jobs=params.compute.workers,
        progress=bar("speaker"),
    )
    return describe_extraction(done, MFCC)


if __name__ == "__main__":
    run_stage(extract_mfcc)
