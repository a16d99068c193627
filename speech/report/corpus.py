"""The section on the corpus: who speaks, how much, and what could not be used."""

from functools import partial
from typing import Any

import pandas as pd

from speech.report import charts, wording
from speech.report.charts import Figure, Table
from speech.report.run import Run


def corpus_section(run: Run) -> dict[str, Any]:
    """Make the drawings and tables of the corpus."""
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
    headings = {name: name.replace("_", " ").capitalize() for name in rejected.columns}
    return {
        "seconds": seconds,
        "minutes": speakers["minutes"],
        "minutes_figure": _minutes(speakers),
        "duration_figure": charts.histogram(seconds, {"title": "seconds"}, "utterances"),
        "speakers": speaker_table(speakers, {"minutes": ("Minutes", _one_digit)}),
        "rejected": Table(rejected, headings),
    }


_one_digit = partial(wording.number, digits=1)


def speaker_table(frame: pd.DataFrame, more: dict[str, Any]) -> Table:
    """List speakers with what is known of them, and more."""
    columns = {"speaker_id": "Speaker", "gender": "Gender on record"}
    counts = {name: (name.capitalize(), wording.count) for name in ("chapters", "utterances")}
    return Table(frame, columns | counts | more)


def _minutes(speakers: pd.DataFrame) -> Figure:
    if len(speakers) > charts.MOST_ON_AN_AXIS:
        return charts.histogram(speakers["minutes"], {"title": "minutes"}, "speakers")
    ordered = speakers.sort_values(["minutes", "speaker_id"], ascending=[False, True])
    axis = {"title": "minutes", "rangemode": "tozero", "hoverformat": ".1f"}
    return charts.bars_by_gender(ordered, "speaker_id", "minutes", axis)
