"""Estimate what more training speakers would add: gender accuracy by their number."""

from stages.console import bar, run_stage

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from speech.classifiers.registry import build_classifier
from speech.evaluation.scores import average_by, with_outcome
from speech.params import FEATURES_OF, Features, Params
from speech.storage.examples import read_examples
from speech.storage.results import write_metrics, write_plot
from speech.training.cross_validation import labelled
from speech.training.learning_curve import predict_with_fewer_speakers
from stages.paths import EXAMPLES, METRICS, PLOTS

MODEL = "logistic"
"""Quick to fit, and with nothing to stop early."""


def learning_curve(params: Params) -> str:
    """Compute the curve of each kind of features."""
    resampling = {"resamples": params.evaluate.resamples, "seed": params.seed}
    metrics: dict[str, Any] = {}
    curves, gains = [], []
    for features in FEATURES_OF["gender"]:
        predictions = _predict(features, params)
        curve = curve_of(predictions, **resampling)
        curves.append(curve.assign(features=features))
        gain, low, high = last_doubling(predictions, **resampling)
        metrics[features] = {
            "speakers": int(curve["speakers"].iloc[-1]),
            "accuracy": curve["value"].iloc[-1],
            "doubling": gain,
            "doubling_low": low,
            "doubling_high": high,
        }
        gains.append(
            f"{100 * gain:+.1f} points [{100 * low:+.1f}, {100 * high:+.1f}] with {features}"
        )
    write_metrics(METRICS / "learning_curve.json", metrics)
    write_plot(PLOTS / "learning_curve.csv", pd.concat(curves))
    most = curve["speakers"].iloc[-1]
    return f"up to {most} training speakers; the last doubling added {', '.join(gains)}"


def curve_of(predictions: pd.DataFrame, *, resamples: int, seed: int) -> pd.DataFrame:
    """Return the utterance accuracy, averaged over draws, for each number of speakers."""
    resampling = {"resamples": resamples, "seed": seed}
    curve = average_by(predictions, predictions["speakers"], "gender", **resampling)
    curve = curve.drop(columns="speakers").rename(columns={"group": "speakers"})
    curve["draws"] = predictions.groupby("speakers")["draw"].nunique().to_numpy()
    return curve[["speakers", "draws", "value", "low", "high"]]


def last_doubling(
    predictions: pd.DataFrame, *, resamples: int, seed: int
) -> tuple[float, float, float]:
    """Return the gain in utterance accuracy per doubling at the end of the curve, with interval.

    Gains of the same speakers are resampled, not scores.
    """
    outcome = with_outcome(predictions)
    rates = outcome.groupby(["speakers", "utterance_id"])["correct"].mean()
    # There are two numbers at least: no fold leaves fewer than two training speakers of a gender.
    *_, fewer, most = sorted(predictions["speakers"].unique())
    gains = (rates[most] - rates[fewer]) / np.log2(most / fewer)
    tested = predictions.drop_duplicates("utterance_id").set_index("utterance_id")
    all_of_them = pd.Series("all", tested.index)
    resampling = {"resamples": resamples, "seed": seed}
    gain = average_by(tested, all_of_them, "gender", values=gains, **resampling)
    value, low, high = gain.loc[0, ["value", "low", "high"]].astype(float)
    return value, low, high


def _predict(features: Features, params: Params) -> pd.DataFrame:
    examples = read_examples(EXAMPLES / f"gender-{features}", copies=True)
    examples = examples[(examples.table["fold"] >= 0).to_numpy()]
    return predict_with_fewer_speakers(
        # Not calibrated: the predicted class does not depend on the temperature.
        partial(build_classifier, MODEL, seed=params.seed, **params.hyperparameters(MODEL)),
        examples.table,
        labelled(examples),
        examples.table["fold"].to_numpy(),
        draws=params.learning_curve.draws,
        seed=params.seed,
        jobs=params.parallel.jobs,
        progress=bar("fold"),
    )


if __name__ == "__main__":
    run_stage(learning_curve)
