"""Tell the run's whole story on one page that needs no network: plots/report.html."""

import argparse
from functools import partial
from pathlib import Path
from typing import Any, get_args

from speech.params import ModelName, Params
from speech.report.comparison import comparison
from speech.report.run import Places, Run
from speech.report.whole import flattened, report
from speech.storage.files import write_text
from stages.console import run_stage
from stages.paths import CORPUS_AUDIO, METRICS, PARAMS, PLOTS, REJECTED, UTTERANCES
from stages.revisions import revision_here, run_at

PLACES = Places(PARAMS, UTTERANCES, REJECTED, CORPUS_AUDIO, METRICS, PLOTS)

SETTINGS = (
    *("corpus", "gender_overrides", "subset", "sample_corpus", "index", "encoder"),
    *("sample_encoder", "model", "models", "headline_features", "seed", "chunks", "folds"),
    *("mfcc", "pitch", "inputs", "analysis", "tune", "tuning", *get_args(ModelName)),
    *("evaluate", "audit_split", "probe", "learning_curve", "verification", "rejection"),
    *("clusters", "report"),
)
"""Keys and blocks of params.yaml that the page lists."""


def write_report(params: Params, against: str | None = None, to: Path | None = None) -> str:
    """Write the page of what lies in the working tree, or one that compares it.

    Parameters
    ----------
    params
        The params.
    against
        Another revision.
    to
        Where a copy goes that is not the pipeline's own, and may say which commit it is of.
    """
    here = Run(Path.read_bytes, PLACES)
    if against:
        runs = {against: run_at(against, PLACES), f"here ({revision_here()})": here}
        path, page = to or PLOTS / "comparison.html", comparison(runs)
    elif to:
        path, page = to, report(here, _settings(params), revision_here())
    else:
        path, page = PLOTS / "report.html", report(here, _settings(params))
    write_text(path, page)
    return f"{path}, {len(page.encode()) / 1e6:.1f} MB, opens in any browser without a network"


def _settings(params: Params) -> dict[str, Any]:
    values = {name: getattr(params, name) for name in SETTINGS}
    plain = {
        name: value.model_dump() if hasattr(value, "model_dump") else value
        for name, value in values.items()
    }
    return flattened(plain)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", metavar="REVISION", help="compare with a branch or commit")
    parser.add_argument("--to", metavar="FILE", type=Path, help="a copy that names its commit")
    arguments = parser.parse_args()
    run_stage(partial(write_report, **vars(arguments)))
