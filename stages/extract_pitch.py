"""Measure the pitch of every utterance at the frames of its MFCC, one file per speaker."""

from stages.console import bar, run_stage

from speech.features import mfcc, pitch
from speech.features.extraction import describe_extraction, extract_features
from speech.params import Params
from speech.storage.tables import read_parquet
from stages.paths import CORPUS_AUDIO, PITCH, UTTERANCES
from stages.tasks import leave_out


def extract_pitch(params: Params) -> str:
    """Measure what is not there yet from an earlier run."""
    if "gender" not in params.tasks:
        return leave_out("gender", folders=[PITCH])
    settings = params.pitch.model_dump() | params.mfcc.model_dump(
        include={"hop_seconds", "window_seconds"}
    )
    done = extract_features(
        read_parquet(UTTERANCES),
        CORPUS_AUDIO,
        PITCH,
        compute=lambda signals: (
            {pitch.PART: pitch.pitch(signal, **settings)} for _, signal in signals
        ),
        settings=settings,
        code=[__file__, mfcc.__file__, pitch.__file__],
        libraries=["praat-parselmouth"],
        jobs=params.compute.workers,
        progress=bar("speaker"),
    )
    return describe_extraction(done, PITCH)


if __name__ == "__main__":
    run_stage(extract_pitch)
