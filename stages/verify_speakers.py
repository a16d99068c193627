"""Score speaker verification: equal error rate and DET curve of each kind of features."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from speech.evaluation.verification import counts_of, draw_trials, verify
from speech.params import FEATURES_OF, Features, Params
from speech.storage.examples import average_over_utterances, read_examples
from speech.storage.results import write_metrics, write_plot
from speech.storage.tables import read_folds, read_parquet
from stages.console import run_stage
from stages.paths import EXAMPLES, FOLDS, PLOTS, RESULTS, UTTERANCES


def verify_speakers(params: Params) -> str:
    """Score the same trials on each kind of features."""
    columns = ["speaker_id", "chapter_id", "utterance_id"]
    utterances = read_parquet(UTTERANCES).merge(read_folds(FOLDS / "gender.csv"), on="utterance_id")
    utterances = utterances.sort_values(columns, ignore_index=True)
    trials = draw_trials(utterances, most=params.verification.trials, seed=params.seed)
    verified = {
        features: verify(
            _read_vectors(features, utterances),
            utterances,
            trials,
            resamples=params.evaluate.resamples,
            seed=params.seed,
        )
        for features in FEATURES_OF["gender"]
    }
    counts = counts_of(trials, utterances)
    rates = {features: own.rates for features, own in verified.items()}
    write_metrics(RESULTS / "verification.json", rates | {"counts": counts})
    curves = [own.det.assign(features=features) for features, own in verified.items()]
    write_plot(PLOTS / "det.csv", pd.concat(curves))
    lines = [
        f"{100 * own['equal_error_rate']:.1f} % [{100 * own['equal_error_rate_low']:.1f}, "
        f"{100 * own['equal_error_rate_high']:.1f}] with {features} (impostors of the same gender: "
        f"{100 * own['same_gender_equal_error_rate']:.1f} %)"
        for features, own in rates.items()
    ]
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
