"""Deal speakers (gender task) and each speaker's chapters (speaker task) to folds."""

import pandas as pd

from speech.folds import gender_folds, speaker_folds
from speech.params import Params
from speech.storage.files import write_json
from speech.storage.tables import read_parquet, write_csv
from stages.console import run_stage
from stages.paths import FOLDS, METRICS, UTTERANCES


def split_by_speaker(params: Params) -> str:
    """Write the two fold tables, and name the speakers that cannot be tested."""
    utterances = read_parquet(UTTERANCES)
    long_enough = utterances[utterances["samples"] >= params.chunks.samples]
    gender = gender_folds(utterances, params.folds.gender, params.seed)
    speaker = speaker_folds(long_enough, params.folds.speaker)
    write_csv(FOLDS / "gender.csv", gender)
    write_csv(FOLDS / "speaker.csv", speaker)

    voices = len(_speakers_in(gender, utterances))
    sessions = len(_speakers_in(speaker, utterances))
    left_out = sorted(set(utterances["speaker_id"]) - set(_speakers_in(speaker, utterances)))
    write_json(
        METRICS / "split.json",
        {
            "gender": {"folds": params.folds.gender, "speakers": voices},
            "speaker": {
                "folds": params.folds.speaker,
                "speakers": sessions,
                "speakers_left_out": len(left_out),
                "left_out": ", ".join(left_out),
            },
        },
    )
    return (
        f"{voices} speakers in {params.folds.gender} gender folds; chapters of {sessions} speakers "
        f"in {params.folds.speaker} speaker folds; left out there, for lack of a second chapter: "
        f"{', '.join(left_out) or 'nobody'}"
    )


def _speakers_in(folds: pd.DataFrame, utterances: pd.DataFrame) -> list[str]:
    chosen = utterances["utterance_id"].isin(folds["utterance_id"])
    return utterances.loc[chosen, "speaker_id"].unique().tolist()


if __name__ == "__main__":
    run_stage(split_by_speaker)
