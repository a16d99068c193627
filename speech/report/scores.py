"""The sections on both tasks: all models, the headline model in full, every speaker."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from plotly import graph_objects as go

from speech.params import Task
from speech.report import charts, wording
from speech.report.charts import ACCURACY, SHARE, Columns, Figure, Table
from speech.report.corpus import SPEAKER
from speech.report.run import Run

UTTERANCE_ACCURACY = "level == 'utterance' and score == 'accuracy'"
TABLES = ["models", "confusion", "roc", "reliability", "by_duration", "genders", "speakers"]
TABLES += ["curves", "picked", "tuning"]
ALL_FOLDS = "all"
"""Stands for a fold where the model to keep is picked, as in `speech.folds`."""
MOST_PAIRS = 20
"""Of speakers confused with each other, that are listed."""

_three_digits = partial(wording.number, digits=3)
LOSS_AND_ACCURACY: Columns = {"log_loss": _three_digits, "accuracy": wording.percent}


def task_section(run: Run, task: Task, features: str) -> dict[str, Any]:
    """Make the drawings and tables of one task.

    Parameters
    ----------
    run
        The run.
    task
        Which.
    features
        Those of the headline model.
    """
    read = {name: run.read_plot(f"{task}/{name}") for name in TABLES}
    models = read["models"]
    genders = read["genders"].assign(gender=read["genders"]["gender"].map(wording.gender))
    worst = read["speakers"].sort_values(["utterance_accuracy", "speaker_id"], kind="stable")
    return {
        "baseline": models.query("model == 'dummy' and " + UTTERANCE_ACCURACY).head(1),
        "models": _models(models),
        **_confusion(read["confusion"], task),
        "roc": _roc(read["roc"], wording.features(features)),
        "reliability": _reliability(read["reliability"], f"{_kept(read['picked'])} · {features}"),
        "durations": charts.intervals(read["by_duration"], "duration"),
        "genders": charts.intervals(genders, "level", "gender", upright=False),
        "worst": worst,
        "speakers": _speakers(worst),
        "learning": _learning(read["curves"]),
        "picks": _picks(read["picked"]),
        "tuning": _tuning(read["tuning"]),
    }


def _kept(picks: pd.DataFrame) -> str:
    """Name the model to keep, which is picked by all folds."""
    return picks.loc[picks["picked"] & (picks["fold"] == ALL_FOLDS), "model"].item()


def _models(table: pd.DataFrame) -> Figure:
    names = {"model": table["model"].map(wording.model)}
    table = table.assign(**names, features=table["features"].map(wording.features))
    rows = table.query(UTTERANCE_ACCURACY)
    drawn = charts.intervals(rows, "model", "features", upright=False)
    keys = ["model", "features", "level"]
    wide = table.pivot_table("value", keys, "score", sort=False, dropna=False).reset_index()
    ends = table[table["score"] == "accuracy"].set_index(keys)[["low", "high"]]
    wide = wide.join(ends, on=keys).dropna(subset="accuracy")
    wide = wide.rename(columns={"roc_auc": "ROC AUC", "f1": "F1"})
    shares = ["accuracy", "low", "high", "balanced_accuracy", "F1"]
    columns: Columns = dict.fromkeys(keys) | dict.fromkeys(shares, wording.percent)
    columns |= dict.fromkeys(["ROC AUC", "log_loss"], _three_digits)
    return replace(drawn, numbers=Table(wide, columns))


def _confusion(table: pd.DataFrame, task: Task) -> dict[str, Any]:
    classes = sorted(set(table["actual"]) | set(table["predicted"]), key=lambda n: (len(n), n))
    wrong = table[table["actual"] != table["predicted"]]
    pairs = wrong.groupby(["actual", "predicted"]).size().rename("utterances").reset_index()
    pairs = pairs.sort_values(["utterances", "actual", "predicted"], ascending=[False, True, True])
    columns: Columns = {"actual": None, "predicted": None, "utterances": wording.count}
    legible = len(classes) <= charts.MOST_ON_AN_AXIS
    return {
        "correct": len(table) - len(wrong),
        "confusion": charts.confusion(table, classes) if legible else None,
        "pairs": len(pairs),
        # A gender has one pair either way, which the matrix shows.
        "most_pairs": Table(pairs.head(MOST_PAIRS), columns) if task == "speaker" else None,
    }


def _roc(table: pd.DataFrame, first: str) -> Figure:
    layout = {
        "xaxis": {**SHARE, "title": "false positive rate"},
        "yaxis": {**SHARE, "title": "true positive rate"},
        **charts.diagonal(),
    }
    rows = table.assign(model=table["model"].map(wording.model))
    drawn = {
        wording.features(str(kind)): charts.curves(
            own, "false_positive_rate", "true_positive_rate", "model"
        )
        for kind, own in rows.groupby("features", sort=False)
    }
    return charts.choose("Features", drawn, layout, first, square=True)


def _reliability(table: pd.DataFrame, headline: str) -> Figure:
    layout = {"xaxis": {**SHARE, "title": "confidence"}, "yaxis": ACCURACY, "showlegend": True}
    layout |= charts.diagonal()
    drawn = {}
    for system, bins in table[table["level"] == "utterance"].groupby("system", sort=False):
        error, chance = bins.iloc[0][["expected_calibration_error", "calibration_error_by_chance"]]
        trace = go.Scatter(
            x=bins["confidence"],
            y=bins["value"],
            error_y=charts.error_bars(bins),
            mode="markers",
            marker={"size": 4 + 20 * (bins["rows"] / bins["rows"].sum()) ** 0.5},
            text=[f"{rows:,} utterances" for rows in bins["rows"]],
            name=f"calibration error {error:.1%}, by chance {chance:.1%}",
        )
        drawn[wording.system(str(system))] = [trace]
    return charts.choose("Model", drawn, layout, wording.system(headline), square=True)


def _speakers(worst: pd.DataFrame) -> Figure:
    shares = ["utterance_accuracy", "chunk_accuracy", "true_probability"]
    columns = SPEAKER | dict.fromkeys(shares, wording.percent)
    # Which gender is predicted; of speakers, the confusions are listed.
    columns |= {"predicted": None} if "predicted" in worst else {}
    bins = np.linspace(0, 1.05, 22)
    return charts.speakers(worst, "utterance_accuracy", ACCURACY, columns, bins)


def _learning(table: pd.DataFrame) -> Figure | None:
    if table.empty:
        return None
    epochs = {"title": "epoch", "dtick": max(1, round(table["epoch"].max() / 6))}
    layout = {"xaxis": epochs, "yaxis": {"title": "loss", "rangemode": "tozero"}}
    # A row without a loss breaks the line between two folds.
    ends = table.groupby(["system", "part", "fold"], sort=False).tail(1).assign(loss=np.nan)
    rows = pd.concat([table, ends]).sort_values(["part", "fold"], kind="stable")
    drawn = {
        wording.system(str(name)): charts.curves(own, "epoch", "loss", "part")
        for name, own in rows.groupby("system", sort=False)
    }
    return charts.choose("Network", drawn, layout)


def _picks(table: pd.DataFrame) -> Table | None:
    if len(set(table["model"])) == 1:
        # Of a single candidate there was nothing to pick.
        return None
    picked = table[table["picked"]]
    names = {"fold": picked["fold"].replace(ALL_FOLDS, "all folds, to keep")}
    rows = picked.assign(**names, model=picked["model"].map(wording.model))
    return Table(rows, {"fold": None, "model": None, **LOSS_AND_ACCURACY})


def _tuning(table: pd.DataFrame) -> Table | None:
    chosen = table[table["chosen"].astype(bool)]
    chosen = chosen.assign(system=chosen["system"].map(wording.system))
    columns: Columns = {"system": None, "fold": None, "settings": None, **LOSS_AND_ACCURACY}
    return None if chosen.empty else Table(chosen, columns)
