"""The sections on both tasks: all models, the headline model in full, every speaker."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from plotly import graph_objects as go

from speech.folds import ALL_FOLDS
from speech.params import Task
from speech.report import charts, wording
from speech.report.charts import ACCURACY, SHARE, Columns, Figure, Table
from speech.report.corpus import SPEAKER
from speech.report.run import Run

UTTERANCE_ACCURACY = "level == 'utterance' and score == 'accuracy'"
TABLES = ["models", "confusion", "roc", "reliability", "by_duration", "speakers"]
TABLES += ["curves", "picked", "tuning"]
MOST_PAIRS = 20
"""Of speakers confused with each other, that are listed."""

_three_digits = partial(wording.number, digits=3)
LOSS_AND_ACCURACY: Columns = {"log_loss": _three_digits, "accuracy": wording.percent}


def task_section(run: Run, task: Task, features: str, model: str) -> dict[str, Any]:
    """Make the drawings and tables of one task.

    Parameters
    ----------
    run
        The run.
    task
        Which.
    features, model
        Those of the headline.
    """
    read = {name: run.read_plot(f"{task}/{name}") for name in TABLES}
    accuracies = read["models"].query(UTTERANCE_ACCURACY)
    worst = read["speakers"].sort_values(["utterance_accuracy", "speaker_id"], kind="stable")
    classes = _by_class(read["confusion"])
    kept = read["picked"].query("picked and fold == @ALL_FOLDS")["model"].item()
    if task == "speaker":
        worst = worst.join(classes[["precision", "recall"]], on="speaker_id")
    return {
        "fold_sizes": [*run.fold_sizes(task)],
        "baseline": accuracies[accuracies["model"] == "dummy"].head(1),
        "best": _best(accuracies),
        "mfcc": _on_mfcc(accuracies, model) if features == "wav2vec2" else None,
        "models": _models(read["models"]),
        "classes": classes,
        **_confusion(read["confusion"]),
        "roc": _roc(read["roc"], wording.features(features)),
        "reliability": _reliability(read["reliability"], f"{kept} · {features}"),
        "durations": charts.intervals(read["by_duration"], "duration"),
        "worst": worst,
        "speakers": _speakers(worst),
        "learning": _learning(read["curves"]),
        "picks": _picks(read["picked"]),
        "tuning": _tuning(read["tuning"]),
    }


def _best(accuracies: pd.DataFrame) -> dict[str, Any] | None:
    """Find the most accurate model, and how many others cannot be distinguished from it."""
    rows = accuracies[accuracies["model"] != "dummy"]
    if rows.empty:
        return None
    best = rows.loc[rows["value"].idxmax()]
    reach = int((rows["high"] >= best["value"]).sum()) - 1
    return {"row": best, "others": len(rows) - 1, "reach": reach}


def _on_mfcc(accuracies: pd.DataFrame, model: str) -> pd.Series:
    """Find the headline's model on MFCC; of ``best``, the most accurate one."""
    rows = accuracies[accuracies["features"] == "mfcc"]
    rows = rows[rows["model"] == model] if model in set(rows["model"]) else rows
    return rows.loc[rows["value"].idxmax()]


def _by_class(table: pd.DataFrame) -> pd.DataFrame:
    """Compute precision and recall of each class; of one that is never predicted, 0."""
    right = table["actual"] == table["predicted"]
    shares = {"precision": "predicted", "recall": "actual"}
    return pd.DataFrame(
        {name: right.groupby(table[of]).mean() for name, of in shares.items()}
    ).fillna(0)


def _models(table: pd.DataFrame) -> Figure:
    table = wording.in_words(table)
    rows = table.query(UTTERANCE_ACCURACY)
    drawn = charts.intervals(rows, "model", "features", upright=False)
    keys = ["model", "features"]
    scores = table.pivot_table("value", ["level", *keys], "score", dropna=False)
    wide = rows.set_index(keys)[["low", "high"]].join(scores.loc["utterance"])
    wide["accuracy of chunks"] = scores.loc["chunk"]["accuracy"]
    wide = wide.rename(columns={"roc_auc": "ROC AUC"}).reset_index()
    shares = ["accuracy", "low", "high", "precision", "recall", "f1", "accuracy of chunks"]
    columns: Columns = dict.fromkeys(keys) | dict.fromkeys(shares, wording.percent)
    columns |= {"ROC AUC": _three_digits}
    return replace(drawn, numbers=Table(wide, columns))


def _confusion(table: pd.DataFrame) -> dict[str, Any]:
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
        "most_pairs": Table(pairs.head(MOST_PAIRS), columns),
    }


def _roc(table: pd.DataFrame, first: str) -> Figure:
    layout = {
        "xaxis": {**SHARE, "title": "false positive rate"},
        "yaxis": {**SHARE, "title": "true positive rate"},
        **charts.diagonal(),
    }
    x, y = "false_positive_rate", "true_positive_rate"
    rows = wording.in_words(table).assign(**(100 * table[[x, y]]))
    drawn = {
        str(kind): charts.curves(own, x, y, "model")
        for kind, own in rows.groupby("features", sort=False)
    }
    return charts.choose("Features", drawn, layout, first, square=True)


def _reliability(table: pd.DataFrame, headline: str) -> Figure:
    layout = {"xaxis": {**SHARE, "title": "confidence"}, "yaxis": ACCURACY, "showlegend": True}
    layout |= charts.diagonal()
    drawn, rows = {}, wording.in_words(table).query("level == 'utterance'")
    for system, bins in rows.groupby("system", sort=False):
        error, chance = bins.iloc[0][["expected_calibration_error", "calibration_error_by_chance"]]
        trace = go.Scatter(
            x=100 * bins["confidence"],
            y=100 * bins["value"],
            error_y=charts.error_bars(100 * bins[["value", "low", "high"]]),
            mode="markers",
            marker={"size": 4 + 20 * (bins["rows"] / bins["rows"].sum()) ** 0.5},
            text=[f"{rows:,} utterances" for rows in bins["rows"]],
            name=f"calibration error {wording.percent(error)}, by chance {wording.percent(chance)}",
        )
        drawn[str(system)] = [trace]
    return charts.choose("Model", drawn, layout, wording.system(headline), square=True)


def _speakers(worst: pd.DataFrame) -> Figure:
    # Of a speaker, recall is the accuracy of the utterances.
    scores = ["precision", "recall"] if "recall" in worst else ["utterance_accuracy"]
    shares = [*scores, "chunk_accuracy", "true_probability"]
    columns = SPEAKER | dict.fromkeys(shares, wording.percent)
    # Which gender is predicted; of speakers, the confusions are listed.
    columns |= {"predicted": None} if "predicted" in worst else {}
    return charts.speakers(worst, "utterance_accuracy", ACCURACY, columns)


def _learning(table: pd.DataFrame) -> Figure | None:
    if table.empty:
        return None
    epochs = {"title": "epoch", "dtick": max(1, round(table["epoch"].max() / 6))}
    layout = {"xaxis": epochs, "yaxis": {"title": "loss", "rangemode": "tozero"}}
    table = wording.in_words(table)
    # A row without a loss breaks the line between two folds.
    ends = table.groupby(["system", "part", "fold"], sort=False).tail(1).assign(loss=np.nan)
    rows = pd.concat([table, ends]).sort_values(["part", "fold"], kind="stable")
    drawn = {
        str(name): charts.curves(own, "epoch", "loss", "part")
        for name, own in rows.groupby("system", sort=False)
    }
    return charts.choose("Network", drawn, layout)


def _picks(table: pd.DataFrame) -> Table | None:
    if len(set(table["model"])) == 1:
        # Of a single candidate there was nothing to pick.
        return None
    picked = wording.in_words(table[table["picked"]])
    rows = picked.assign(fold=picked["fold"].replace(ALL_FOLDS, "all folds, to keep"))
    return Table(rows, {"fold": None, "model": None, **LOSS_AND_ACCURACY})


def _tuning(table: pd.DataFrame) -> Table | None:
    chosen = wording.in_words(table[table["chosen"].astype(bool)])
    columns: Columns = {"system": None, "fold": None, "settings": None, **LOSS_AND_ACCURACY}
    return None if chosen.empty else Table(chosen, columns)
