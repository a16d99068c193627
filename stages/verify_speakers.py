"""Score speaker verification: equal error rate and DET curve of each kind of features."""

from stages.console import run_stage

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from speech.evaluation.roc import det_points, equal_error_rate, error_rates
from speech.evaluation.verification import (
    draw_trials,
    equal_error_interval,
    normalise_by_other_folds,
)
from speech.params import FEATURES_OF, Features, Params
from speech.storage.examples import average_over_utterances, read_examples
from speech.storage.results import write_metrics, write_plot
from speech.storage.tables import read_folds, read_parquet
from stages.paths import EXAMPLES, FOLDS, METRICS, PLOTS, UTTERANCES


def verify_speakers(params: Params) -> str:
    """Score the same trials on each kind of features."""
    columns = ["speaker_id", "chapter_id", "utterance_id"]
    utterances = read_parquet(UTTERANCES).merge(read_folds(FOLDS / "gender.csv"), on="utterance_id")
    utterances = utterances.sort_values(columns, ignore_index=True)
    speakers = utterances["speaker_id"].to_numpy(str)
    trials = draw_trials(utterances, most=params.verification.trials, seed=params.seed)
    targets = trials["target"].to_numpy()
    resampling = {"resamples": params.evaluate.resamples, "seed": params.seed}

    metrics: dict[str, Any] = {}
    curves, lines = [], []
    for features in FEATURES_OF["gender"]:
        vectors = _read_vectors(features, utterances)
        embedded = normalise_by_other_folds(vectors, utterances["fold"].to_numpy())
        first, second = (embedded[trials[side]] for side in ("first", "second"))
        scores = np.einsum("td,td->t", first, second)
        rates = error_rates(scores, targets)
        eer = equal_error_rate(rates)
        low, high = equal_error_interval(scores, trials, speakers, **resampling)
        metrics[features] = {
            "equal_error_rate": eer,
            "equal_error_rate_low": low,
            "equal_error_rate_high": high,
        }
        curves.append(det_points(rates).assign(features=features))
        lines.append(f"{100 * eer:.1f} % [{100 * low:.1f}, {100 * high:.1f}] with {features}")
    metrics["counts"] = counts = {
        "speakers": len(np.unique(speakers)),
        "speakers_with_targets": len(np.unique(speakers[trials["first"][targets]])),
        "targets": int(targets.sum()),
        "impostors": int((~targets).sum()),
    }
    write_metrics(METRICS / "verification.json", metrics)
    write_plot(PLOTS / "det.csv", pd.concat(curves))
    return (
        f"equal error rate {', '.join(lines)}; {counts['targets']:,} target trials across chapters "
        f"of {counts['speakers_with_targets']} speakers, {counts['impostors']:,} impostor trials "
        f"of {counts['speakers']}"
    )


def _read_vectors(features: Features, utterances: pd.DataFrame) -> NDArray[np.float64]:
    """Average the features of each utterance's chunks, shape (utterances, dimensions)."""
    examples = read_examples(EXAMPLES / f"gender-{features}")
    points, vectors = average_over_utterances(examples.table, examples.inputs)
    return vectors[pd.Index(points["utterance_id"]).get_indexer(utterances["utterance_id"])]


if __name__ == "__main__":
    run_stage(verify_speakers)
