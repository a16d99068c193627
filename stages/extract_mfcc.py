"""Compute the MFCC of every utterance and of its augmented copies, one file per speaker."""

from stages.console import bar, run_stage

from typing import Any

from speech.features import mfcc
from speech.features.extraction import describe_extraction, extract_features
from speech.params import Params
from speech.storage.tables import read_parquet
from stages.paths import CORPUS_AUDIO, MFCC, UTTERANCES


def extract_mfcc(params: Params) -> str:
    """Compute what is not there yet from an earlier run."""
    copies = params.augmentation.copies
    settings: dict[str, Any] = {
        "settings": params.mfcc.model_dump(),
        "conditions": params.augmentation.model_dump(exclude={"copies"}),
        "copies": copies,
        "seed": params.seed if copies else 0,
    }
    done = extract_features(
        read_parquet(UTTERANCES),
        CORPUS_AUDIO,
        MFCC,
        compute=lambda signals: (
            mfcc.mfcc_and_copies(signal, name, **settings) for name, signal in signals
        ),
        settings=settings,
        code=[__file__, mfcc.__file__],
        libraries=["python_speech_features"],
        jobs=params.compute.workers,
        progress=bar("speaker"),
    )
    return describe_extraction(done, MFCC)


if __name__ == "__main__":
    run_stage(extract_mfcc)
