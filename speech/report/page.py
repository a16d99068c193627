"""The page of one run: one HTML file that needs no network."""

import hashlib
import html
import inspect
import json
import platform
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import PurePath
from typing import Any

import numpy as np
import pandas as pd
import yaml
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
from speech.report.external import external_panel
from speech.report.features import features_section
from speech.report.run import Run
from speech.report.scores import task_section

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
    results = run.read_results()
    wording.encoder.set(results["encoder"]["family"])
    asked = [task for task in TASKS if task in params["tasks"]]
    headline, model = params["headline_features"], params["model"]
    return (
        _environment()
        .get_template("page.html")
        .render(
            **{"params": params, "results": results},
            **{"tasks": TASKS, "asked": asked, "sample": SAMPLE, "contents": []},
            corpus_name=place_name(params["corpus"], "The synthesised sample corpus"),
            external_name=place_name(params["external"] or "", ""),
            external={
                task: external_panel(results["external"][task])
                for task in asked
                if results["external"].get(task)
            },
            encoder_name=place_name(params["encoder"], "the untrained sample encoder"),
            data=corpus_section(run, params["corpus"]),
            features=features_section(run, params["inputs"]["mfcc"]["normalisation"]),
            scores={task: task_section(run, task, headline[task], model) for task in asked},
            clusters=clusters_section(run, results),
            audit=audit_section(run, results, asked),
            digest=hashlib.sha256(json.dumps(results).encode()).hexdigest(),
            python=platform.python_version(),
            packages=[f"{name} {version(name)}" for name in PACKAGES],
            settings=yaml.safe_dump(params, sort_keys=False, allow_unicode=True).splitlines(),
            plotly=Markup(get_plotlyjs()),
        )
    )


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
        return wording.name(value), None
    return show(value), "" if pd.isna(value) else f"{value:.6g}"


def figure_json(figure: Figure) -> Markup:
    """Write what the page's script draws of a figure, as JSON that cannot end its element.

    Plotly takes ``&`` and ``<`` in any text for HTML, so names are escaped for it; the keys of a
    choice are shown as they are.
    """
    drawn = _with_text(
        figure.drawing.to_dict(), lambda text: html.escape(wording.name(text), quote=False)
    )
    data = {**drawn, "choices": _with_text(dict(figure.choices), wording.name)}
    return Markup(to_json_plotly(data, engine="json").replace("<", "\\u003c"))


def _with_text(part: Any, change: Callable[[str], str]) -> Any:
    """Change every text in a part of a figure, but for templates, which are the page's own."""
    if isinstance(part, str):
        return change(part)
    if isinstance(part, dict):
        return {
            name: value if str(name).endswith("template") else _with_text(value, change)
            for name, value in part.items()
        }
    if isinstance(part, list | tuple) or (isinstance(part, np.ndarray) and part.dtype == object):
        return [_with_text(one, change) for one in part]
    return part


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("speech.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Whatever a template shows of a run; markup is the page's own.
        finalize=lambda shown: wording.name(shown) if type(shown) is str else shown,
    )
    environment.filters |= dict(inspect.getmembers(wording, inspect.isfunction))
    environment.filters |= {"rows": rows, "figure_json": figure_json, "heading": heading}
    return environment
