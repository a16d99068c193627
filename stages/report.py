"""Tell the run's whole story on one page that needs no network: plots/report.html."""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from speech.files import write_text
from speech.params import Block, Params
from speech.report.run import Run
from speech.report.whole import flattened, report
from stages.console import run_stage
from stages.paths import METRICS, PLOTS, REJECTED, UTTERANCES

SETTINGS = (
    *("corpus", "subset", "encoder", "model", "models", "headline_features", "seed"),
    *("chunks", "folds", "mfcc", "pitch", "inputs", "analysis", "evaluate"),
    *("dummy", "logistic", "svm", "mlp", "cnn"),
    *("audit_split", "probe", "learning_curve", "verification", "clusters"),
)
"""Keys and blocks of params.yaml that the page lists."""


def write_report(params: Params) -> str:
    """Write the page of what lies in the working tree."""
    page = report(Run(_read), _settings(params))
    path = PLOTS / "report.html"
    write_text(path, page)
    return f"{path}, {len(page.encode()) / 1e6:.1f} MB, opens in any browser without a network"


def _read(path: str) -> bytes:
    return Path(path).read_bytes()


def _settings(params: Params) -> dict[str, Any]:
    values = {name: getattr(params, name) for name in SETTINGS}
    plain = {
        name: value.model_dump() if hasattr(value, "model_dump") else value
        for name, value in values.items()
    }
    return flattened(plain)


if __name__ == "__main__":
    run_stage(write_report)
