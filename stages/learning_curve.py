"""Estimate what more training speakers would add: gender accuracy by their number."""

from stages.console import bar, run_stage

from typing import Any

import pandas as pd

from speech.classifiers.registry import CLASSIFIERS
from speech.evaluation.by_training_speakers import (
    CURVE,
    accuracy_by_training_speakers,
    last_doubling,
)
from speech.params import FEATURES_OF, Features, Params
from speech.storage.examples import read_examples
from speech.storage.results import named_with_ends, write_metrics, write_plot
from speech.training.cross_validation import taking_part
from speech.training.learning_curve import predict_with_fewer_speakers
from stages.paths import EXAMPLES, PLOTS, RESULTS
from stages.tasks import leave_out

MODEL = "logistic"
"""Quick to fit, and in need of no speakers held out."""


def learning_curve(params: Params) -> str:
    """Compute the curve of each kind of features."""
    if "gender" not in params.tasks:
        tables = {PLOTS / "learning_curve.csv": [*CURVE, "features"]}
        return leave_out("gender", documents=[RESULTS / "learning_curve.json"], tables=tables)
    resampling = {"resamples": params.evaluate.resamples, "seed": params.seed}
    metrics: dict[str, Any] = {}
    curves, gains = [], []
    for features in FEATURES_OF["gender"]:
        predictions = _predict(features, params)
        curve = accuracy_by_training_speakers(predictions, **resampling)
        curves.append(curve.assign(features=features))
        gain, low, high = last_doubling(predictions, **resampling)
        metrics[features] = {
            "speakers": int(curve["speakers"].iloc[-1]),
            "accuracy": curve["value"].iloc[-1],
            **named_with_ends("doubling", (gain, low, high)),
        }
        gains.append(
            f"{100 * gain:+.1f} points [{100 * low:+.1f}, {100 * high:+.1f}] with {features}"
        )
    write_metrics(RESULTS / "learning_curve.json", metrics)
    write_plot(PLOTS / "learning_curve.csv", pd.concat(curves))
    most = curve["speakers"].iloc[-1]
    return f"up to {most} training speakers; the last doubling added {', '.join(gains)}"


def _predict(features: Features, params: Params) -> pd.DataFrame:
    examples = taking_part(read_examples(EXAMPLES / f"gender-{features}", copies=True), "gender")
    return predict_with_fewer_speakers(
        # Not calibrated: the predicted class does not depend on the temperature.
        lambda: CLASSIFIERS[MODEL](seed=params.seed, **params.hyperparameters(MODEL)),
        examples,
        draws=params.learning_curve.draws,
        seed=params.seed,
        jobs=params.compute.workers,
        progress=bar("fold"),
    )


if __name__ == "__main__":
    run_stage(learning_curve)
