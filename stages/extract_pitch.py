"""Measure the pitch of every utterance at the frames of its MFCC, one file per speaker."""

from stages.console import bar, run_stage

import speech.features.mfcc
import speech.features.pitch
from speech.features.extraction import describe_extraction, extract_features, settings_digest
from speech.features.pitch import PART, pitch
from speech.params import Params
from speech.storage.tables import read_parquet
from stages.paths import CORPUS_AUDIO, PITCH, UTTERANCES
from stages.tasks import leave_out


def extract_pitch(params: Params) -> str:
    """Measure what is not there yet from an earlier run."""
    if "gender" not in params.tasks:
        return leave_out("gender", folders=[PITCH])
    settings = params.pitch.model_dump() | {
        "hop_seconds": params.mfcc.hop_seconds,
        "window_seconds": params.mfcc.window_seconds,
    }
    digest = settings_digest(
        settings,
        modules=[speech.features.mfcc, speech.features.pitch],
        libraries=["praat-parselmouth"],
    )
    done = extract_features(
        read_parquet(UTTERANCES),
        CORPUS_AUDIO,
        PITCH,
        settings=digest,
        compute=lambda signal, _: {PART: pitch(signal, **settings)},
        jobs=params.compute.jobs,
        progress=bar("speaker"),
    )
    return describe_extraction(done, PITCH)


if __name__ == "__main__":
    run_stage(extract_pitch)
