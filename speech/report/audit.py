"""The section that doubts: splits, layers, labels, number of speakers, strangers."""

import pandas as pd
from scipy.stats import norm

from speech.report import charts, wording
from speech.report.listening import clips
from speech.report.numbers import numbers
from speech.report.page import Block, Column, Figure, Html, Section, Table
from speech.report.run import Run

MOST_SUSPECTS = 20
PROBITS = [0.001, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8]


def section(run: Run, *, audio: bool) -> Section:
    """Doubt the scores.

    Parameters
    ----------
    run
        The run.
    audio
        Whether those whose labels are most doubtful can be heard.
    """
    return Section(
        "Audit",
        [
            *_splits(run.plot("split_audit")),
            *_layers(run.plot("layers"), run.metrics("layers")),
            *_labels(run, audio=audio),
            *_growth(run.plot("learning_curve")),
            _verification(run.plot("det"), run.metrics("verification")),
            *_rejection(run.metrics("rejection")),
        ],
    )


def _splits(table: pd.DataFrame) -> list[Block]:
    model = table["system"].iloc[0].partition(" · ")[0]
    own = table.query("level == 'utterance' and score == 'accuracy'")
    rows = own.assign(name=own["split"], group=own["features"])
    found = rows["name"].unique()
    careless_first = sorted(found, key=lambda name: [*wording.SPLITS, name].index(name))
    names = {name: wording.SPLITS.get(name, name) for name in careless_first}
    groups = {group: _task_from(group) for group in rows["group"].unique()}
    drawn = charts.dots_with_intervals(
        rows, names, groups, charts.axis("utterances right", **charts.WHOLE_SHARE)
    )
    names_of = {"group": Column("Task", _task_from), "name": Column("Split", names.get)}
    title = "What leakage would have claimed"
    figure = Figure(
        title,
        f"{wording.model(model).capitalize()} on the same chunks, split carelessly and carefully; "
        "with 95 % intervals. "
        "The lowest row of a task is the pipeline's own split.",
        *drawn,
    )
    return [figure, numbers(title, rows, names_of)]


def _task_from(group: str) -> str:
    task, _, features = group.partition(" from ")
    return f"{task} from {wording.features(features)}"


def _layer_told(task: str, own: dict) -> str:
    """Say what choosing a layer gives; where one was named instead, what that gives as well."""
    told = f"For {task}, choosing a layer inside each training part gives {wording.accuracy(own)}"
    if own["accuracy_in_use"] == own["accuracy"]:
        return f"{told}; the final model has layer {own['layer_in_use']}."
    return (
        f"{told} (all data choose layer {own['layer']}); layer {own['layer_in_use']}, which "
        f"params.yaml names, {wording.percent(own['accuracy_in_use'])}."
    )


def _layers(table: pd.DataFrame, metrics: dict) -> list[Block]:
    traces = []
    shown = table[table["level"] == "utterance"]
    for number, (task, own) in enumerate(shown.groupby("task", sort=True), 1):
        colour = f"@{number}"
        told = f"{task}, layer %{{x}}: %{{y:.1%}}<extra></extra>"
        traces += charts.interval_ends(own, "layer", colour)
        x, y = charts.values(own["layer"]), charts.values(own["value"])
        more = {"mode": "lines+markers", "hovertemplate": told}
        traces.append(charts.line(x, y, task, colour, **more))
    layout = {
        "xaxis": charts.whole_numbers("hidden state", table["layer"].max()),
        "yaxis": charts.axis("utterances right", **charts.WHOLE_SHARE),
    }
    told = [_layer_told(task, own) for task, own in metrics.items()]
    says = (
        "By a linear head on each hidden state of wav2vec 2.0 (0: before the first layer); dotted: "
        "95 % intervals."
    )
    title = "What each layer knows"
    names = {"task": Column("Task"), "layer": Column("Layer", wording.count, numeric=True)}
    return [Figure(title, says, traces, layout), numbers(title, shown, names), *told]


def _labels(run: Run, *, audio: bool) -> list[Block]:
    table = run.plot("gender/suspects")
    suspects = table.loc[table["suspect"], "speaker_id"].tolist()
    told = "No speaker's label is doubted by every kind of features."
    if suspects:
        told = (
            f"Look at the labels of {wording.listed(suspects)}: every kind of features contradicts "
            "them. Suspects to listen to, not verdicts."
        )
    share = {"show": wording.percent, "numeric": True}
    columns = {
        "speaker_id": Column("Speaker"),
        "label": Column("On record"),
        "label_probability": Column("Probability of the label", **share),
        "utterances_against": Column("Utterances against", **share),
        "systems_against": Column("Systems against", wording.count, numeric=True),
        "systems": Column("Systems", wording.count, numeric=True),
        "median_f0_hz": Column("Median pitch, Hz", wording.count, numeric=True),
    }
    shown = {name: column for name, column in columns.items() if name in table.columns}
    first = table.head(MOST_SUSPECTS)
    if audio:
        first = first.assign(clip=first["speaker_id"].map(clips(run, first["speaker_id"].tolist())))
        shown["clip"] = Column("Listen", Html)
    caption = "Labels, the most doubtful first"
    if len(first) < len(table):
        caption = f"Labels, the {len(first)} most doubtful of {len(table)}"
    return [told, Table(caption, first, shown, folded=True)]


def _growth(table: pd.DataFrame) -> list[Block]:
    traces = []
    for number, (kind, own) in enumerate(table.groupby("features", sort=False), 1):
        colour, called = f"@{number}", wording.features(kind)
        told = f"{called}, %{{x}} speakers: %{{y:.1%}}<extra></extra>"
        traces += charts.interval_ends(own, "speakers", colour)
        x, y = charts.values(own["speakers"]), charts.values(own["value"])
        more = {"mode": "lines+markers", "hovertemplate": told}
        more["marker"] = {"symbol": charts.SYMBOLS[(number - 1) % len(charts.SYMBOLS)], "size": 8}
        traces.append(charts.line(x, y, called, colour, **more))
    counts = sorted(table["speakers"].unique().tolist())
    ticks = {"type": "log", "tickvals": counts, "ticktext": [str(one) for one in counts]}
    layout = {
        "xaxis": charts.axis("training speakers", **ticks),
        "yaxis": charts.axis("utterances right", **charts.PERCENT),
    }
    title = "What more training speakers would buy"
    says = "Gender of unheard voices by logistic regression; dotted: 95 % intervals."
    names = {
        "features": Column("Features", wording.features),
        "speakers": Column("Training speakers", wording.count, numeric=True),
    }
    return [Figure(title, says, traces, layout), numbers(title, table, names)]


def _verification(table: pd.DataFrame, metrics: dict) -> Figure:
    # The ends of the normal deviates that are drawn.
    low, high = norm.ppf(PROBITS[0]), norm.ppf(PROBITS[-1])
    traces = [charts.diagonal(low, high, "equal errors")]
    for number, (kind, own) in enumerate(table.groupby("features", sort=False), 1):
        rates = metrics[kind]
        called = (
            f"{wording.features(kind)}: "
            f"{wording.interval(rates['eer'], rates['eer_low'], rates['eer_high'])}"
        )
        told = [
            f"{wording.features(kind)}: false alarms {row.false_alarm:.1%}, misses {row.miss:.1%}"
            for row in own.itertuples()
        ]
        x = charts.values(own["false_alarm_probit"])
        y = charts.values(own["miss_probit"])
        more = {"hovertext": told, "hovertemplate": "%{hovertext}<extra></extra>"}
        more["line"] = {"dash": charts.DASHES[(number - 1) % len(charts.DASHES)]}
        traces.append(charts.line(x, y, called, f"@{number}", **more))
    ticks = {"tickvals": [round(float(norm.ppf(share)), 4) for share in PROBITS]}
    ticks |= {"ticktext": [f"{share:.1%}".replace(".0%", "%") for share in PROBITS]}
    ticks |= {"range": [round(float(low), 4) - 0.02, round(float(high), 4) + 0.02]}
    ticks |= {"zeroline": False}
    layout = {
        "xaxis": charts.axis("false alarms", **ticks),
        "yaxis": charts.axis("misses", **ticks),
    }
    return Figure(
        "One voice or two",
        "Trials of unheard voices, two utterances each, of different chapters. The legend has the "
        "equal error rates with 95 % intervals, where the curves cross the dotted line.",
        traces,
        layout,
        height=480,
        square=True,
    )


def _rejection(rates: dict) -> list[Block]:
    speech = rates["speech"]["chunk"]
    worst, most = max(speech["speech_refused_when"].items(), key=lambda told: told[1])
    says = (
        "Before predict.py answers, it asks whether it hears speech, and whether it knows the "
        f"voice. It takes {wording.percent(speech['nonspeech_accepted'])} of {speech['signals']} "
        f"made noises and tunes for speech, and {_rate(speech, 'speech_refused')} of clean chunks "
        f"of unheard voices for none ({worst.replace('_', ' ')}, the worst condition tried: "
        f"{wording.percent(most)})."
    )
    names = {
        "eer": "Equal error rate",
        "known_refused": "Known voices refused",
        "unknown_accepted": "Strangers accepted",
    }
    voices = pd.DataFrame(
        [
            {"features": kind, **{name: _rate(own, name) for name in names}}
            for kind, own in rates["voices"].items()
        ]
    )
    columns = {"features": Column("Features", wording.features)}
    columns |= {name: Column(heading) for name, heading in names.items()}
    return [says, Table("A known voice or a stranger, in unheard sessions", voices, columns)]


def _rate(rates: dict, name: str) -> str:
    return wording.interval(*(rates[f"{name}{end}"] for end in ("", "_low", "_high")))
