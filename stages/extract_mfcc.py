"""Compute the MFCC of every utterance, one file per speaker."""

from functools import partial
from pathlib import Path

import speech.audio.decode
import speech.features.mfcc
from speech.features.extraction import (
    describe_extraction,
    extract_speaker,
    settings_digest,
    speaker_jobs,
)
from speech.features.mfcc import mfcc
from speech.parallel import spread
from speech.params import Params
from speech.storage.tables import read_parquet
from stages.console import bar, run_stage
from stages.paths import CORPUS_AUDIO, MFCC, UTTERANCES


def extract_mfcc(params: Params) -> str:
    """Compute what is not there yet from an earlier run."""
    settings = settings_digest(
        params.mfcc.model_dump(),
        Path(speech.audio.decode.__file__),
        Path(speech.features.mfcc.__file__),
    )
    jobs = speaker_jobs(read_parquet(UTTERANCES), CORPUS_AUDIO, MFCC, settings)
    extract = partial(extract_speaker, compute=lambda signal: {"": mfcc(signal, params.mfcc)})
    done = spread(extract, jobs, params.parallel.jobs, bar("speaker"))
    return describe_extraction(done, MFCC)


if __name__ == "__main__":
    run_stage(extract_mfcc)
