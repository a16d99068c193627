"""What was run, and where it ends: settings, versions, digest of the results, limits."""

import hashlib
import json
import platform
from collections.abc import Mapping
from html import escape
from importlib.metadata import version
from typing import Any

import pandas as pd

from speech.report.answer import Settings, corpus_name, encoder_name
from speech.report.page import Column, Html, Section, Table
from speech.report.run import Run
from speech.report.wording import UNKNOWN

PACKAGES = ("numpy", "scipy", "scikit-learn", "pandas", "torch", "transformers", "tensorflow")
PACKAGES += ("keras", "praat-parselmouth", "soundfile", "dvc", "plotly")

METRICS = ("corpus", "split", "mfcc", "clusters_mfcc", "clusters_wav2vec2", "gender", "speaker")
METRICS += ("split_audit", "layers", "learning_curve", "verification", "rejection")
"""All that the stages write."""

NO_REVISION = (
    "the commit that holds these metrics. The digest of this page is a part of that commit, so the "
    "page cannot name it; a copy made by python stages/report.py --to FILE does."
)

LIMITS = (
    "Gender here is a label: the F or M on record. It is not an identity.",
    "Scores hold for voices and rooms like those of this corpus. Other languages, accents, ages, "
    "microphones and noise were not tested.",
    "A speaker is told from the speakers of this corpus only; of a stranger the scores know "
    "nothing. predict.py asks first whether it knows the voice; how often that is wrong, the audit "
    "tells.",
    "Intervals resample whole speakers. With few speakers they are wide, and still a little too "
    "narrow.",
    "Choices such as filters and learning rates were made on real speech by cross-validation; "
    "where that speech is scored here too, its scores are slightly flattered.",
)


def limits() -> Section:
    """Say what the scores do not tell."""
    items = "".join(f"<li>{escape(limit)}</li>" for limit in LIMITS)
    return Section("Limits", [Html(f"<ul>{items}</ul>")])


def what_was_run(run: Run, settings: Settings, revision: str | None) -> Section:
    """Record the run.

    Parameters
    ----------
    run
        The run.
    settings
        Its params.
    revision
        The commit, where the page may name it.
    """
    corpus = run.metrics("corpus")
    facts = {
        "Corpus": f"{corpus_name(settings)}; {corpus['speakers']} speakers, "
        f"{corpus['minutes']:,.0f} minutes",
        "Encoder": encoder_name(settings),
        "Results": f"SHA-256 {digest(run)[:16]} over all metrics",
        "Revision": revision or NO_REVISION,
        "Python": platform.python_version(),
        "Packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
    }
    return Section(
        "What was run",
        [definitions(facts), settings_table({"Value": settings}, "Settings, as in params.yaml")],
    )


def digest(run: Run) -> str:
    """Compute a digest of all metrics, by which a run is known again."""
    everything = {name: run.metrics(name) for name in METRICS}
    return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()


def definitions(facts: Mapping[str, str]) -> Html:
    """List names and what they stand for."""
    pairs = (f"<dt>{escape(name)}</dt><dd>{escape(fact)}</dd>" for name, fact in facts.items())
    return Html(f"<dl>{''.join(pairs)}</dl>")


def settings_table(
    columns: Mapping[str, Settings], caption: str = "Settings", *, folded: bool = True
) -> Table:
    """List settings, one row per key and one column per run."""
    keys = list(dict.fromkeys(key for settings in columns.values() for key in settings))
    frame = pd.DataFrame({"key": keys})
    for name, settings in columns.items():
        frame[name] = [_shown(settings[key]) if key in settings else UNKNOWN for key in keys]
    headings = {"key": Column("Key")} | {name: Column(name) for name in columns}
    return Table(caption, frame, headings, folded=folded)


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False).strip('"')
