"""The page of one run, from the answer to the limits."""

from typing import Any

from speech.report import answer, audit, clusters, data, features, record, scores
from speech.report.answer import Settings
from speech.report.page import page
from speech.report.run import Run


def report(run: Run, settings: Settings, revision: str | None = None) -> str:
    """Write the page that tells what a run found.

    Parameters
    ----------
    run
        What the stages left.
    settings
        The params to be shown, by key, nested keys joined by dots.
    revision
        The commit, if the page shall name it.

    Returns
    -------
    str
        HTML.
    """
    return page(
        "Gender and speaker from speech",
        answer.lead(run, settings),
        [
            data.section(run),
            features.section(run),
            scores.section(run, "gender", settings),
            scores.section(run, "speaker", settings),
            clusters.section(run),
            audit.section(run, audio=settings["report.audio"]),
            record.limits(),
            record.what_was_run(run, settings, revision),
        ],
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
