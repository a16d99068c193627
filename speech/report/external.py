"""Accuracy out of fold, and on a corpus that took no part."""

from dataclasses import replace
from typing import Any

import pandas as pd

from speech.report import charts, wording
from speech.report.charts import Columns, Figure, Table

OUT_OF_FOLD, OTHER = "out of fold", "other corpus"


def external_panel(results: dict[str, Any]) -> dict[str, Any]:
    """Draw the headline's features, and list all models.

    Parameters
    ----------
    results
        Of one task, as `evaluate` leaves them.
    """
    systems = pd.DataFrame(results["systems"])
    (headline,) = systems[systems["headline"]].to_dict("records")
    return {"headline": headline, "figure": _figure(systems, headline["features"])}


def _figure(systems: pd.DataFrame, features: str) -> Figure:
    systems = wording.in_words(systems)
    drawn = systems[systems["features"] == wording.features(features)]
    columns = {
        OUT_OF_FOLD: ["printed", "printed_low", "printed_high"],
        OTHER: ["accuracy", "low", "high"],
    }
    ends = ["value", "low", "high"]
    dots = [
        drawn[own].set_axis(ends, axis=1).assign(model=drawn["model"], where=where)
        for where, own in columns.items()
    ]
    figure = charts.intervals(pd.concat(dots), "model", "where", upright=False)
    for where, own in columns.items():
        of_where = systems[own].set_axis(["it", "it_low", "it_high"], axis=1).to_dict("records")
        systems[where] = [wording.interval(one, "it") for one in of_where]
    systems["difference"] = systems["accuracy"] - systems["printed"]
    systems = systems.rename(
        columns={
            **{"accuracy_F": "women", "accuracy_M": "men"},
            "expected_calibration_error": "calibration error",
        }
    )
    shown: Columns = dict.fromkeys(["model", "features", OUT_OF_FOLD, OTHER])
    shown |= {"difference": wording.points}
    shown |= dict.fromkeys(["women", "men", "calibration error"], wording.percent)
    return replace(figure, numbers=Table(systems, shown))
