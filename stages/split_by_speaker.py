"""Deal speakers (gender task) and each speaker's chapters (speaker task) to folds."""

from stages.console import run_stage

from speech.audio.chunks import seconds_to_samples
from speech.folds import gender_folds, speaker_folds
from speech.params import Params
from speech.storage.files import write_json
from speech.storage.tables import read_parquet, write_csv
from stages.paths import FOLDS, METRICS, UTTERANCES


def split_by_speaker(params: Params) -> str:
    """Write the two fold tables, and name the speakers that cannot be tested."""
    utterances = read_parquet(UTTERANCES)
    long_enough = utterances[utterances["samples"] >= seconds_to_samples(params.chunks.seconds)]
    gender = gender_folds(utterances, params.folds.gender, params.seed)
    speaker = speaker_folds(long_enough, params.folds.speaker)
    write_csv(FOLDS / "gender.csv", gender)
    write_csv(FOLDS / "speaker.csv", speaker)

    speaker_of = utterances.set_index("utterance_id")["speaker_id"]
    by_gender, by_chapter = (set(speaker_of[t["utterance_id"]]) for t in (gender, speaker))
    left_out = sorted(set(speaker_of) - by_chapter)
    summary = {
        "gender": {"folds": params.folds.gender, "speakers": len(by_gender)},
        "speaker": {
            "folds": params.folds.speaker,
            "speakers": len(by_chapter),
            "speakers_left_out": len(left_out),
            "left_out": ", ".join(left_out),
        },
    }
    write_json(METRICS / "split.json", summary)
    return (
        f"{len(by_gender)} speakers in {params.folds.gender} gender folds; chapters of "
        f"{len(by_chapter)} speakers in {params.folds.speaker} speaker folds; left out there, for "
        f"lack of a second chapter: {', '.join(left_out) or 'nobody'}"
    )


if __name__ == "__main__":
    run_stage(split_by_speaker)
