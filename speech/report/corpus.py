"""The section on the corpus: who speaks, how much, and what could not be used."""

from functools import partial
from typing import Any

import pandas as pd

from speech.params import SAMPLE
from speech.report import charts, wording
from speech.report.charts import Columns, Table
from speech.report.run import Run

SPEAKER: Columns = {"speaker_id": None, "gender": None}
SPEAKER |= {"chapters": wording.count, "utterances": wording.count}
"""What is known of each speaker before any model."""


def corpus_section(run: Run, corpus: str | list[str]) -> dict[str, Any]:
    """Make the drawings and tables of the corpus of a run, whose name is that of params.yaml."""
    utterances, rejected = run.read_utterances(), run.read_rejected()
    by_speaker = utterances.groupby("speaker_id", sort=True)
    speakers = pd.DataFrame(
        {
            "gender": by_speaker["gender"].first(),
            "chapters": by_speaker["chapter_id"].nunique(),
            "utterances": by_speaker.size(),
            "minutes": by_speaker["seconds"].sum() / 60,
        }
    ).reset_index()
    seconds = utterances["seconds"]
    speakers = speakers.sort_values(["minutes", "speaker_id"], ascending=[False, True])
    axis = {"title": "minutes", "rangemode": "tozero", "hoverformat": ".1f"}
    columns: Columns = SPEAKER | {"minutes": partial(wording.number, digits=1)}
    return {
        "seconds": seconds,
        "minutes": speakers["minutes"],
        "speakers": charts.speakers(speakers, "minutes", axis, columns),
        "durations": charts.histogram(seconds, {"title": "seconds"}, "utterances"),
        # The sample has names like LibriSpeech's, but sessions of its own.
        "librispeech": bool(utterances["utterance_id"].str.fullmatch(r"\d+-\d+-\d+").all())
        and corpus != SAMPLE,
        "rejected": Table(rejected, dict.fromkeys(rejected.columns)),
    }
