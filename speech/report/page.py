"""The page of one run: one HTML file that needs no network."""

import json
import platform
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import PurePath
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.io.json import to_json_plotly
from plotly.offline import get_plotlyjs

from speech.params import SAMPLE, Task
from speech.report import wording
from speech.report.audit import audit_section
from speech.report.charts import Figure, Show, Table
from speech.report.clusters import clusters_section
from speech.report.corpus import corpus_section
from speech.report.features import features_section
from speech.report.run import Run
from speech.report.scores import task_section

Settings = dict[str, Any]
"""Values of params.yaml by key, nested keys joined by dots."""

TASKS: dict[Task, str] = {"gender": "Gender", "speaker": "Speakers"}
PACKAGES = ["numpy", "scipy", "scikit-learn", "pandas", "torch", "transformers", "tensorflow"]
PACKAGES += ["keras", "praat-parselmouth", "soundfile", "dvc", "plotly"]


def report_page(run: Run, params: dict[str, Any]) -> str:
    """Write the page that reports what a run found.

    Parameters
    ----------
    run
        What the stages left.
    params
        The params to be shown, nested as in params.yaml.

    Returns
    -------
    str
        HTML that holds its script, style and data, and forbids itself any request.

    Raises
    ------
    UserError
        If a file of the run is not there.
    """
    settings, metrics = flattened(params), run.read_metrics()
    asked = [task for task in TASKS if task in settings["tasks"]]
    return (
        _environment()
        .get_template("page.html")
        .render(
            **{"settings": settings, "metrics": metrics, "tasks": TASKS, "sample": SAMPLE},
            corpus_name=place_name(settings["corpus"], "The synthesised sample corpus"),
            encoder_name=place_name(settings["encoder"], "the untrained sample encoder"),
            data=corpus_section(run),
            features=features_section(run),
            scores={t: task_section(run, t, settings[f"headline_features.{t}"]) for t in asked},
            clusters=clusters_section(run),
            audit=audit_section(run, metrics, audio=settings["report.audio"]),
            digest=run.digest(),
            python=platform.python_version(),
            packages=[f"{name} {version(name)}" for name in PACKAGES],
            settings_table=Table(
                pd.DataFrame({"key": settings.keys(), "value": map(_shown, settings.values())}),
                {"key": None, "value": None},
            ),
            plotly=Markup(get_plotlyjs()),
        )
    )


def flattened(tree: dict[str, Any], prefix: str = "") -> Settings:
    """Join the keys of nested params by dots; a list is a value, and so is nothing."""
    flat: Settings = {}
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            flat |= flattened(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def place_name(place: str | list[str], sample: str) -> str:
    """Name a corpus or encoder as a reader would: of a path, the last part."""
    if place == SAMPLE:
        return sample
    if isinstance(place, list):
        return wording.listed(place)
    return PurePath(place).name if PurePath(place).is_absolute() else place


def rows(table: Table) -> Iterator[list[tuple[str, str | None]]]:
    """Give the cells of each row: the text, and of a number the plain value for sorting."""
    for row in zip(*(table.frame[name] for name in table.columns), strict=True):
        yield [_cell(*cell) for cell in zip(row, table.columns.values(), strict=True)]


def heading(name: str) -> str:
    """Write a column's name as a heading."""
    return name[0].upper() + name[1:].replace("_", " ")


def _cell(value: Any, show: Show | None) -> tuple[str, str | None]:
    if show is None:
        return value if isinstance(value, Markup) else wording.name(value), None
    return show(value), "" if pd.isna(value) else f"{value:.6g}"


def figure_json(figure: Figure) -> Markup:
    """Write what the page's script draws of a figure, as JSON that cannot end its element."""
    data = {**figure.drawing.to_dict(), "choices": figure.choices}
    return Markup(to_json_plotly(data, engine="json").replace("<", "\\u003c"))


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False).strip('"')


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("speech.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = ("model", "features", "number", "count", "percent", "points", "interval", "plural")
    environment.filters |= {name: getattr(wording, name) for name in (*shown, "listed")}
    environment.filters |= {"rows": rows, "figure_json": figure_json, "heading": heading}
    return environment
