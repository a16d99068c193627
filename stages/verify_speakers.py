"""Tell whether two utterances are of one voice: equal error rate and DET curve of each feature."""

from typing import Any

import numpy as np
import pandas as pd
from speech.training.layer_choice import with_unchosen_layer

from speech.evaluation.verification import (
    det_curve,
    draw_trials,
    equal_error_interval,
    equal_error_rate,
    error_rates,
    normalise_by_other_folds,
)
from speech.features.examples import average_over_utterances, load_examples
from speech.params import Features, Params
from speech.storage.results import write_metrics, write_plot
from speech.storage.tables import read_folds, read_parquet
from stages.console import run_stage
from stages.paths import FEATURES, FOLDS, METRICS, PLOTS, UTTERANCES


def verify_speakers(params: Params) -> str:
    """Score the same trials of unheard voices on each kind of features."""
    params = with_unchosen_layer(params)
    columns = ["speaker_id", "chapter_id", "utterance_id"]
    folds = read_folds(FOLDS / "gender.csv")
    utterances = read_parquet(UTTERANCES).merge(folds, on="utterance_id")
    utterances = utterances.sort_values(columns, ignore_index=True)
    trials = draw_trials(utterances, params.verification.trials, params.seed)

    metrics: dict[str, Any] = {}
    curves = []
    for features in FEATURES:
        metrics[features], curve = _verify(features, utterances, trials, params)
        curves.append(curve.assign(features=features))
    of_targets = utterances["speaker_id"].iloc[trials.loc[trials["target"], "first"]]
    counts = {
        "speakers": utterances["speaker_id"].nunique(),
        "speakers_with_targets": of_targets.nunique(),
        "targets": int(trials["target"].sum()),
        "impostors": int((~trials["target"]).sum()),
    }
    write_metrics(METRICS / "verification.json", metrics | {"counts": counts})
    write_plot(PLOTS / "det.csv", pd.concat(curves))
    rates = [
        f"{100 * told['eer']:.1f} % [{100 * told['eer_low']:.1f}, {100 * told['eer_high']:.1f}] "
        f"with {features}"
        for features, told in metrics.items()
    ]
    return (
        f"equal error rate {', '.join(rates)}; {counts['targets']:,} target trials across chapters "
        f"of {counts['speakers_with_targets']} unheard voices, {counts['impostors']:,} impostor "
        f"trials of {counts['speakers']}"
    )


def _verify(
    features: Features, utterances: pd.DataFrame, trials: pd.DataFrame, params: Params
) -> tuple[dict[str, float], pd.DataFrame]:
    examples = load_examples(FEATURES[features], features, utterances, params, "pooled")
    points, vectors = average_over_utterances(examples.table, examples.inputs)
    place = pd.Index(points["utterance_id"]).get_indexer(pd.Index(utterances["utterance_id"]))
    embedded = normalise_by_other_folds(vectors[place], utterances["fold"].to_numpy())
    first, second = (embedded[trials[side]] for side in ("first", "second"))
    scores = np.einsum("td,td->t", first, second)

    rates = error_rates(scores, trials["target"].to_numpy())
    low, high = equal_error_interval(
        scores,
        trials,
        utterances["speaker_id"].to_numpy(str),
        resamples=params.evaluate.resamples,
        seed=params.seed,
    )
    return {"eer": equal_error_rate(rates), "eer_low": low, "eer_high": high}, det_curve(rates)


if __name__ == "__main__":
    run_stage(verify_speakers)
