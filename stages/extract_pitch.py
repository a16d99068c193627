"""Measure the pitch of every utterance at the frames of its MFCC, one file per speaker."""

from functools import partial
from pathlib import Path

import speech.audio.decode
import speech.features.pitch
from speech.features.extraction import (
    describe_extraction,
    extract_speaker,
    settings_digest,
    speaker_jobs,
)
from speech.features.pitch import PART, pitch
from speech.parallel import spread
from speech.params import Params
from speech.storage.tables import read_parquet
from stages.console import bar, run_stage
from stages.paths import CORPUS_AUDIO, PITCH, UTTERANCES


def extract_pitch(params: Params) -> str:
    """Measure what is not there yet from an earlier run."""
    grid = {
        "hop_seconds": params.mfcc.hop_seconds,
        "window_seconds": params.mfcc.window_seconds,
    }
    settings = settings_digest(
        params.pitch.model_dump() | grid,
        Path(speech.audio.decode.__file__),
        Path(speech.features.pitch.__file__),
    )
    jobs = speaker_jobs(read_parquet(UTTERANCES), CORPUS_AUDIO, PITCH, settings)
    measure = partial(
        extract_speaker, compute=lambda signal: {PART: pitch(signal, params.pitch, params.mfcc)}
    )
    done = spread(measure, jobs, params.parallel.jobs, bar("speaker"))
    return describe_extraction(done, PITCH)


if __name__ == "__main__":
    run_stage(extract_pitch)
