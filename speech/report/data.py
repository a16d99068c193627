"""The section on the corpus: who speaks, how much, and what could not be used."""

import pandas as pd

from speech.report import charts, wording
from speech.report.page import Block, Column, Figure, Section, Table
from speech.report.run import Run

ONE_PER_FILE = "one per file"
"""How the metrics begin to tell that a corpus names no sessions."""


def section(run: Run) -> Section:
    """Describe the corpus."""
    utterances, corpus = run.utterances(), run.metrics("corpus")
    by_speaker = utterances.groupby("speaker_id", sort=True)
    speakers = pd.DataFrame(
        {
            "speaker": list(by_speaker.groups),
            "gender": by_speaker["gender"].first().fillna(wording.UNKNOWN),
            "chapters": by_speaker["chapter_id"].nunique(),
            "utterances": by_speaker.size(),
            "minutes": by_speaker["seconds"].sum() / 60,
        }
    )
    return Section(
        "Data",
        [
            *_remarks(run, corpus),
            _minutes(speakers),
            _lengths(utterances),
            Table(
                "Speakers",
                speakers,
                {
                    "speaker": Column("Speaker"),
                    "gender": Column("Gender on record"),
                    "chapters": Column("Chapters", wording.count, numeric=True),
                    "utterances": Column("Utterances", wording.count, numeric=True),
                    "minutes": Column("Minutes", lambda m: wording.number(m, 1), numeric=True),
                },
                folded=True,
            ),
            *_rejected(run),
        ],
    )


def _remarks(run: Run, corpus: dict) -> list[Block]:
    split = run.metrics("split")
    told = [f"Recording sessions are {corpus['sessions']}."]
    if corpus["sessions"].startswith(ONE_PER_FILE):
        told.append(
            "If files were cut from one recording, its parts are in training and test, and the "
            "speaker scores come out too good."
        )
    if split["speaker"]["speakers_left_out"]:
        left_out = wording.plural(split["speaker"]["speakers_left_out"], "speaker")
        told.append(f"{left_out} with a single session cannot take part in the speaker task.")
    overrides = corpus["gender_overrides"]
    if overrides:
        named = wording.listed(f"{one['speaker']} to {one['to']}" for one in overrides)
        told.append(f"Labels overridden by the user: {named}.")
    left_out = corpus["left_out_by_subset"]["speakers"]
    if left_out:
        told.append(f"{wording.plural(left_out, 'speaker')} left out by the settings of subset.")
    return [" ".join(told)]


def _minutes(speakers: pd.DataFrame) -> Figure:
    title, y = "Minutes per speaker", charts.axis("minutes", rangemode="tozero")
    says = (
        f"Between {speakers['minutes'].min():.1f} and {speakers['minutes'].max():.1f} minutes, "
        f"median {speakers['minutes'].median():.1f}."
    )
    if len(speakers) > charts.MOST_ON_AN_AXIS:
        counted = charts.histogram(
            speakers["minutes"].round(3).tolist(), charts.axis("minutes"), charts.axis("speakers")
        )
        return Figure(title, says, *counted)
    ordered = speakers.sort_values("minutes", ascending=False)
    traces = []
    for gender, called in {**wording.GENDERS, wording.UNKNOWN: "not on record"}.items():
        own = ordered[ordered["gender"] == gender]
        if len(own):
            trace = {"type": "bar", "x": own["speaker"].tolist(), "name": called}
            trace |= {"y": own["minutes"].round(3).tolist(), "marker": {}}
            trace["marker"]["color"] = charts.GENDER_COLOURS.get(gender, "@8")
            trace["hovertemplate"] = "speaker %{x}: %{y:.1f} minutes<extra></extra>"
            traces.append(trace)
    names = ordered["speaker"].tolist()
    x = charts.names_axis("speaker", names, categoryorder="array", categoryarray=names)
    return Figure(title, says, traces, {"xaxis": x, "yaxis": y, "barmode": "stack"})


def _lengths(utterances: pd.DataFrame) -> Figure:
    seconds = utterances["seconds"]
    says = f"Median {seconds.median():.1f} s, the longest {seconds.max():.1f} s."
    # Counted here: a large corpus has more utterances than a page should carry.
    counts = pd.cut(seconds, 40).value_counts(sort=False)
    middles = [round((step.left + step.right) / 2, 3) for step in counts.index]
    trace = {"type": "bar", "x": middles, "y": counts.tolist(), "marker": {"color": "@1"}}
    trace["hovertemplate"] = "about %{x:.1f} s: %{y} utterances<extra></extra>"
    layout = {"xaxis": charts.axis("seconds"), "yaxis": charts.axis("utterances"), "bargap": 0.05}
    return Figure("Length of utterances", says, [trace], layout, height=260)


def _rejected(run: Run) -> list[Block]:
    rejected = run.rejected()
    if rejected.empty:
        return ["Every audio file could be used."]
    columns = {name: Column(name.replace("_", " ").capitalize()) for name in rejected.columns}
    caption = f"{wording.plural(len(rejected), 'file')} left out, of one task or of both"
    return [Table(caption, rejected, columns, folded=True)]
