"""The sections on both tasks: all models, the headline model in full, every speaker."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from plotly import graph_objects as go

from speech.folds import ALL_FOLDS
from speech.params import Task
from speech.report import charts, wording
from speech.report.charts import ACCURACY, SHARE, Figure, Table
from speech.report.corpus import speaker_table
from speech.report.run import Run

UTTERANCE_ACCURACY = "level == 'utterance' and score == 'accuracy'"
MOST_PAIRS = 20
"""Of speakers confused with each other, that are listed."""

_three_digits = partial(wording.number, digits=3)
LOSS_AND_ACCURACY = {
    "log_loss": ("Log loss", _three_digits),
    "accuracy": ("Accuracy", wording.percent),
}


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
    tables = {
        name: run.read_plot(f"{task}/{name}")
        for name in ("models", "confusion", "roc", "reliability", "by_duration", "genders")
    }
    tables |= {n: run.read_plot(f"{task}/{n}") for n in ("speakers", "curves", "picked", "tuning")}
    picks, speakers = tables["picked"], tables["speakers"]
    kept = picks.loc[picks["picked"] & (picks["fold"] == ALL_FOLDS), "model"].item()
    durations = tables["by_duration"].rename(columns={"length": "duration"})
    worst = speakers.sort_values(["utterance_accuracy", "speaker_id"], kind="stable")
    return {
        "baseline": tables["models"].query("model == 'dummy' and " + UTTERANCE_ACCURACY).head(1),
        "models": _models(tables["models"]),
        "scores": _scores(tables["models"]),
        **_confusion(tables["confusion"], task),
        "roc": _roc(tables["roc"], wording.features(features)),
        "reliability": _reliability(tables["reliability"], f"{kept} · {features}"),
        "durations": charts.intervals(durations, "duration"),
        "genders": _genders(tables["genders"]),
        "worst": worst,
        "speakers_figure": _speakers_figure(worst),
        "speakers": _speakers(speakers),
        "learning": _learning(tables["curves"]),
        "picks": _picks(picks),
        "tuning": _tuning(tables["tuning"]),
    }


def _models(table: pd.DataFrame) -> Figure:
    rows = table.query(UTTERANCE_ACCURACY)
    model, features = rows["model"].map(wording.short_model), rows["features"].map(wording.features)
    return charts.intervals(
        rows.assign(model=model, features=features), "model", "features", upright=False
    )


def _scores(models: pd.DataFrame) -> Table:
    keys = ["model", "features", "level"]
    wide = models.pivot_table("value", keys, "score", sort=False, dropna=False).reset_index()
    ends = models[models["score"] == "accuracy"].set_index(keys)[["low", "high"]]
    wide = wide.join(ends, on=keys).dropna(subset="accuracy")
    shares = {"accuracy": "Accuracy", "low": "Low", "high": "High"}
    shares |= {"balanced_accuracy": "Balanced", "f1": "F1"}
    columns: dict[str, Any] = {"model": "Model", "features": "Features", "level": "Level"}
    columns |= {name: (heading, wording.percent) for name, heading in shares.items()}
    columns |= {"roc_auc": ("ROC AUC", _three_digits), "log_loss": ("Log loss", _three_digits)}
    names = {"model": wide["model"].map(wording.model)}
    return Table(wide.assign(**names, features=wide["features"].map(wording.features)), columns)


def _confusion(table: pd.DataFrame, task: Task) -> dict[str, Any]:
    classes = sorted(set(table["actual"]) | set(table["predicted"]), key=lambda n: (len(n), n))
    wrong = table[table["actual"] != table["predicted"]]
    pairs = wrong.groupby(["actual", "predicted"]).size().rename("times").reset_index()
    pairs = pairs.sort_values(["times", "actual", "predicted"], ascending=[False, True, True])
    columns = {"actual": "Actual", "predicted": "Predicted", "times": ("Utterances", wording.count)}
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
    rows = table.assign(model=table["model"].map(wording.short_model))
    drawn = {
        wording.features(kind): charts.curves(
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


def _genders(table: pd.DataFrame) -> Figure:
    gender = table["gender"].map(wording.gender)
    return charts.intervals(table.assign(gender=gender), "level", "gender", upright=False)


def _speakers_figure(worst: pd.DataFrame) -> Figure:
    if len(worst) > charts.MOST_ON_AN_AXIS:
        bins = np.linspace(0, 1.05, 22)
        return charts.histogram(worst["utterance_accuracy"], ACCURACY, "speakers", bins)
    return charts.bars_by_gender(worst, "speaker_id", "utterance_accuracy", ACCURACY)


def _speakers(table: pd.DataFrame) -> Table:
    shares = {
        "utterance_accuracy": "Accuracy of utterances",
        "chunk_accuracy": "Accuracy of chunks",
        "true_probability": "Mean probability of the true class",
    }
    more = {name: (heading, wording.percent) for name, heading in shares.items()}
    # Which gender is predicted; of speakers, the confusions are listed.
    predicted = {"predicted": "Predicted"} if "predicted" in table else {}
    return speaker_table(table, more | predicted)


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
    if table["model"].nunique() == 1:
        # Of a single candidate there was nothing to pick.
        return None
    picked = table[table["picked"]]
    names = {"fold": picked["fold"].replace(ALL_FOLDS, "all folds, to keep")}
    rows = picked.assign(**names, model=picked["model"].map(wording.model))
    return Table(rows, {"fold": "Fold", "model": "Model", **LOSS_AND_ACCURACY})


def _tuning(table: pd.DataFrame) -> Table | None:
    chosen = table[table["chosen"].astype(bool)]
    chosen = chosen.assign(system=chosen["system"].map(wording.system))
    columns = {"system": "Model", "fold": "Fold", "settings": "Settings", **LOSS_AND_ACCURACY}
    return None if chosen.empty else Table(chosen, columns)
