"""Score speaker verification: equal error rate and DET curve of each kind of features."""

from stages.console import run_stage

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from speech.evaluation.verification import counts_of, draw_trials, verify
from speech.folds import deal_speakers
from speech.params import FEATURES_OF, Params
from speech.storage.examples import average_over_utterances, read_examples
from speech.storage.results import percent, percent_with_ends, write_metrics, write_plot
from speech.storage.tables import read_parquet
from stages.paths import EXAMPLES, PLOTS, RESULTS, UTTERANCES
from stages.tasks import leave_out

VERIFICATION = RESULTS / "verification.json"

DET = ["threshold", "false_alarm", "miss", "false_alarm_probit", "miss_probit", "features"]
"""The columns of the curve."""


def verify_speakers(params: Params) -> str:
    """Score the same trials on each kind of features."""
    empty: dict[str, Any] = {"documents": [VERIFICATION], "tables": {PLOTS / "det.csv": DET}}
    if "speaker" not in params.tasks:
        return leave_out("speaker", **empty)
    columns = ["speaker_id", "chapter_id", "utterance_id"]
    utterances = read_parquet(UTTERANCES).sort_values(columns, ignore_index=True)
    utterances["fold"] = deal_speakers(utterances, params.folds.gender, params.seed)
    if utterances["fold"].nunique() < 2:
        return leave_out("speaker", why="has fewer than four speakers to verify", **empty)
    trials = draw_trials(utterances, most=params.verification.trials, seed=params.seed)
    verified = {
        features: verify(
            _read_vectors(EXAMPLES / f"speaker-{features}", utterances),
            utterances,
            trials,
            resamples=params.evaluate.resamples,
            seed=params.seed,
        )
        for features in FEATURES_OF["speaker"]
    }
    counts = counts_of(trials, utterances)
    rates = {features: own.rates for features, own in verified.items()}
    write_metrics(VERIFICATION, rates | {"counts": counts})
    curves = [own.det.assign(features=features) for features, own in verified.items()]
    write_plot(PLOTS / "det.csv", pd.concat(curves))
    lines = [
        f"{percent_with_ends(own, 'equal_error_rate')} with {features}" + _same_gender(own)
        for features, own in rates.items()
    ]
    return (
        f"equal error rate {', '.join(lines)}; {counts['targets']:,} target trials across chapters "
        f"of {counts['speakers_with_targets']} speakers, {counts['impostors']:,} impostor trials "
        f"of {counts['speakers']}"
    )


def _same_gender(rates: dict[str, float]) -> str:
    rate = rates["same_gender_equal_error_rate"]
    return "" if np.isnan(rate) else f" (impostors of the same gender: {percent(rate)})"


def _read_vectors(folder: Path, utterances: pd.DataFrame) -> NDArray[np.float64]:
    """Average the features of each utterance's chunks, shape (utterances, dimensions)."""
    examples = read_examples(folder)
    points, vectors = average_over_utterances(examples.table, examples.inputs)
    return vectors[pd.Index(points["utterance_id"]).get_indexer(utterances["utterance_id"])]


if __name__ == "__main__":
    run_stage(verify_speakers)
