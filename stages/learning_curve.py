"""See what more training speakers would buy: gender accuracy by the number of voices heard."""

import pandas as pd

from speech.features.examples import load_examples
from speech.params import Features, Params
from speech.storage.results import write_metrics, write_plot
from speech.storage.tables import read_folds, read_parquet
from speech.training.cross_validation import folds_of, label_examples
from speech.training.layer_choice import with_unchosen_layer
from speech.training.learning_curve import (
    last_doubling,
    predict_with_fewer_speakers,
    score_speaker_counts,
)
from stages.console import bar, run_stage
from stages.paths import FEATURES, FOLDS, METRICS, PLOTS, UTTERANCES


def learning_curve(params: Params) -> str:
    """Compute the curve of each kind of features."""
    # A layer chosen by all training speakers would flatter the curve where there are few.
    params = with_unchosen_layer(params)
    utterances = read_parquet(UTTERANCES).merge(read_folds(FOLDS / "gender.csv"), on="utterance_id")
    resampling = {"resamples": params.evaluate.resamples, "seed": params.seed}
    metrics, curves = {}, []
    for features in FEATURES:
        predictions = _predict(features, utterances, params)
        curve = score_speaker_counts(predictions, **resampling)
        gain, low, high = last_doubling(predictions, **resampling)
        most = curve.iloc[-1]
        metrics[features] = {
            "speakers": int(most["speakers"]),
            "accuracy": most["value"],
            "doubling": gain,
            "doubling_low": low,
            "doubling_high": high,
        }
        curves.append(curve.assign(features=features))
    write_metrics(METRICS / "learning_curve.json", metrics)
    write_plot(PLOTS / "learning_curve.csv", pd.concat(curves))
    bought = [
        f"{100 * told['doubling']:+.1f} points "
        f"[{100 * told['doubling_low']:+.1f}, {100 * told['doubling_high']:+.1f}] with {features}"
        for features, told in metrics.items()
    ]
    return (
        f"up to {most['speakers']:.0f} training speakers; the last doubling of them bought "
        f"{', '.join(bought[:-1])} and {bought[-1]}"
    )


def _predict(features: Features, utterances: pd.DataFrame, params: Params) -> pd.DataFrame:
    examples = load_examples(
        FEATURES[features], features, utterances, params, "pooled", copies=True
    )
    return predict_with_fewer_speakers(
        examples.table,
        label_examples(examples, utterances, "gender"),
        folds_of(examples, utterances),
        params,
        bar("fold"),
    )


if __name__ == "__main__":
    run_stage(learning_curve)
