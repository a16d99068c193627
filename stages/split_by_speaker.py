"""Deal speakers (gender task) and each speaker's chapters (speaker task) to folds."""

import pandas as pd

from speech.files import write_json
from speech.folds import gender_folds, single_chapter_speakers, speaker_folds
from speech.params import SAMPLE_RATE, Params
from speech.tables import read_parquet, write_csv
from stages.console import run_stage
from stages.paths import FOLDS, METRICS, UTTERANCES


def split_by_speaker(params: Params) -> str:
    """Write the two fold tables, and name the speakers that cannot be tested."""
    utterances = read_parquet(UTTERANCES)
    long_enough = utterances[utterances["samples"] >= round(params.chunks.seconds * SAMPLE_RATE)]
    gender = gender_folds(utterances, params.folds.gender, params.seed)
    speaker = speaker_folds(long_enough, params.folds.speaker)
    write_csv(FOLDS / "gender.csv", gender)
    write_csv(FOLDS / "speaker.csv", speaker)

    voices = _speakers_of(gender, utterances)
    sessions = _speakers_of(speaker, utterances)
    left_out = single_chapter_speakers(long_enough)
    write_json(
        METRICS / "split.json",
        {
            "gender": {"folds": params.folds.gender, "speakers": voices},
            "speaker": {
                "folds": params.folds.speaker,
                "speakers": sessions,
                "left_out_with_one_chapter": len(left_out),
                "left_out": ", ".join(left_out),
            },
        },
    )
    return (
        f"{voices} speakers in {params.folds.gender} gender folds; chapters of {sessions} speakers "
        f"in {params.folds.speaker} speaker folds, {len(left_out)} speakers with one chapter left "
        "out"
    )


def _speakers_of(folds: pd.DataFrame, utterances: pd.DataFrame) -> int:
    return utterances[utterances["utterance_id"].isin(folds["utterance_id"])][
        "speaker_id"
    ].nunique()


if __name__ == "__main__":
    run_stage(split_by_speaker)
