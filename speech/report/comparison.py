"""Two revisions side by side: scores, models, settings."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from speech.errors import UserError
from speech.report import wording
from speech.report.page import Block, Column, Section, Table, page
from speech.report.record import METRICS, settings_table
from speech.report.run import Run
from speech.report.scores import TITLES, models_figure
from speech.report.whole import flattened


def comparison(runs: Mapping[str, Run]) -> str:
    """Write a page that compares two runs.

    Parameters
    ----------
    runs
        Two of them by their revisions' names, the older first.

    Returns
    -------
    str
        HTML.
    """
    old, new = runs
    return page(
        f"{new} against {old}",
        [_headline(runs, task) for task in TITLES]
        + ["Intervals are those of each score over speakers, not of the difference."],
        [
            Section("Models", [_models(runs, task) for task in TITLES]),
            Section("Metrics", _metrics(runs)),
            Section("Settings", _settings(runs)),
        ],
    )


def _headline(runs: Mapping[str, Run], task: str) -> str:
    scores = [run.metrics(task)["utterance"] for run in runs.values()]
    told = [f"{name} {wording.accuracy(own)}" for name, own in zip(runs, scores, strict=True)]
    change = 100 * (scores[1]["accuracy"] - scores[0]["accuracy"])
    return (
        f"{TITLES[task]}, utterances right: {told[0]}, {told[1]}: "
        f"{wording.signed(change, 1)} points."
    )


def _models(runs: Mapping[str, Run], task: str) -> Block:
    try:
        tables = {name: run.plot(f"{task}/models") for name, run in runs.items()}
    except UserError as error:
        # Metrics are in git, tables only where DVC has them.
        return f"{TITLES[task]}: no picture, for want of a table. {error}"
    return models_figure(tables, task)


def _metrics(runs: Mapping[str, Run]) -> list[Block]:
    flat: dict[str, dict[str, Any]] = {name: {} for name in runs}
    missing = []
    for name, run in runs.items():
        for metric in METRICS:
            try:
                flat[name] |= flattened(run.metrics(metric), f"{metric}.")
            except UserError as error:
                # An older revision may not have had the stage.
                missing.append(f"Dashes, for want of metrics, in {name}. {error}")
    old, new = runs
    keys = list(dict.fromkeys([*flat[old], *flat[new]]))
    rows = [
        {"key": key, old: flat[old].get(key), new: flat[new].get(key)}
        for key in keys
        if flat[old].get(key) != flat[new].get(key)
    ]
    if not rows:
        return [*missing, "All metrics are the same."]
    frame = pd.DataFrame(rows)
    frame["change"] = [_difference(row[old], row[new]) for row in rows]
    columns = {"key": Column("Metric"), old: Column(old, _shown), new: Column(new, _shown)}
    columns["change"] = Column("Change", lambda value: wording.signed(value, 4), numeric=True)
    differ = Table(f"Metrics that differ: {len(rows)} of {len(keys)}", frame, columns)
    return [*missing, differ]


def _settings(runs: Mapping[str, Run]) -> list[Block]:
    both = {name: flattened(run.settings()) for name, run in runs.items()}
    keys = list(dict.fromkeys(key for settings in both.values() for key in settings))
    old, new = both.values()
    changed = [key for key in keys if old.get(key) != new.get(key) or (key in old) != (key in new)]
    if not changed:
        return ["All settings are the same."]
    shown = {
        name: {key: settings[key] for key in changed if key in settings}
        for name, settings in both.items()
    }
    return [settings_table(shown, "Settings that differ", folded=False)]


def _difference(old: Any, new: Any) -> float | None:
    numbers = all(isinstance(one, int | float) for one in (old, new))
    return new - old if numbers else None


def _shown(value: Any) -> str:
    if value is None or value != value:
        return wording.UNKNOWN
    return f"{value:.4g}" if isinstance(value, float) else str(value)
