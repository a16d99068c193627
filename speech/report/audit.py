"""The section that checks the scores: splits, layers, labels, speakers, rejection."""

from collections.abc import Iterable
from statistics import NormalDist
from typing import Any

import pandas as pd
from plotly import graph_objects as go

from speech.params import Task
from speech.report import charts, wording
from speech.report.charts import Columns, Figure, Table
from speech.report.run import Run

LAYER = "hidden state"
MOST_DOUBTFUL = 20
REJECTION = {
    "equal_error_rate": "equal error rate",
    "known_false_rejection": "false rejection of enrolled speakers",
    "unknown_false_acceptance": "false acceptance of unknown speakers",
}
RATES = [0.001, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8]
"""Error rates at the ticks of the DET curve; it is drawn from the first to the last."""


def audit_section(run: Run, results: dict[str, Any], tasks: Iterable[Task]) -> dict[str, Any]:
    """Make the drawings and tables of the audits; those of a task not asked for are None.

    Parameters
    ----------
    run
        The run.
    results
        All of them.
    tasks
        Those that were asked for.
    """
    growth = wording.in_words(run.read_plot("learning_curve"))
    growth = growth.rename(columns={"speakers": "training speakers"})
    layers = run.read_plot("layers").query("level == 'utterance'").rename(columns={"layer": LAYER})
    splits, det = run.read_plot("split_audit"), run.read_plot("det")
    known = results["rejection"].get("speakers")
    return {
        "model": splits["system"].iloc[0].partition(" · ")[0],
        "splits": _splits(splits),
        "layers": charts.intervals(layers, LAYER, "task", lines=True),
        "labels": _labels(run.read_plot("gender/suspects")) if "gender" in tasks else None,
        "growth": charts.intervals(growth, "training speakers", "features", lines=True)
        if len(growth)
        else None,
        "verification": _det(det, results["verification"]) if len(det) else None,
        "rejection": _rejection(known) if known else None,
    }


def _splits(table: pd.DataFrame) -> Figure:
    rows = table.query("level == 'utterance' and score == 'accuracy'")
    order = {name: place for place, name in enumerate(wording.SPLITS)}
    rows = rows.sort_values("split", key=lambda split: split.map(order), kind="stable")
    rows = rows.assign(split=rows["split"].replace(wording.SPLITS))
    return charts.intervals(rows, "split", "task", upright=False)


def _labels(labels: pd.DataFrame) -> dict[str, Any]:
    table = labels.head(MOST_DOUBTFUL).rename(columns={"median_f0_hz": "median F0 (Hz)"})
    columns: Columns = dict.fromkeys(["speaker_id", "label"])
    columns |= dict.fromkeys(["label_probability", "utterances_against"], wording.percent)
    columns |= dict.fromkeys(["systems_against", "systems", "median F0 (Hz)"], wording.count)
    return {
        "suspects": labels.loc[labels["suspect"], "speaker_id"].tolist(),
        "speakers": len(labels),
        "table": Table(table, columns),
    }


def _det(table: pd.DataFrame, metrics: dict[str, Any]) -> Figure:
    ticks = [round(NormalDist().inv_cdf(rate), 4) for rate in RATES]
    low, high = ticks[0], ticks[-1]
    axis = {"tickvals": ticks, "ticktext": [f"{100 * rate:g} %" for rate in RATES]}
    axis |= {"range": [low - 0.02, high + 0.02], "zeroline": False}
    names = {
        kind: f"{wording.features(kind)}: {wording.interval(metrics[kind], 'equal_error_rate')}"
        for kind in table["features"].unique()
    }
    about = [
        f"false positive rate {wording.percent(false_positive)}, "
        f"false negative rate {wording.percent(false_negative)}"
        for false_positive, false_negative in zip(table["false_alarm"], table["miss"], strict=True)
    ]
    rows = table.assign(features=table["features"].map(names), about=about)
    traces = charts.curves(rows, "false_alarm_probit", "miss_probit", "features")
    x, y = axis | {"title": "false positive rate"}, axis | {"title": "false negative rate"}
    layout = {"xaxis": x, "yaxis": y, **charts.diagonal(low, high)}
    return Figure(go.Figure(traces, layout), 480, square=True)


def _rejection(speakers: dict[str, Any]) -> Table:
    rows = [
        {"features": wording.features(kind)}
        | {called: wording.interval(own, name) for name, called in REJECTION.items()}
        for kind, own in speakers.items()
    ]
    return Table(pd.DataFrame(rows), dict.fromkeys(["features", *REJECTION.values()]))
