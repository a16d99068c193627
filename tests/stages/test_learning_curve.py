"""The stage learning_curve on made-up features: its files and its closing line."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from made_corpus import chunk_table

from speech.storage.examples import Examples
from stages import learning_curve as stage
from stages.paths import PLOTS, RESULTS


def read_examples(folder, *, copies):
    """Stand in for the features of 12 speakers, and of one who takes no part."""
    table = chunk_table("gender", chapters=1, chunks=1, folds=3)
    nameless = table.tail(1).assign(speaker_id="99", gender=None, label=None, fold=-1)
    table = pd.concat([table, nameless], ignore_index=True)
    sign = np.where(table["gender"] == "F", 1.0, -1.0)[:, None]
    distance = 3.0 if "mfcc" in folder.name else 0.0
    vectors = distance * sign + np.random.default_rng(0).normal(size=(len(table), 4))
    return Examples(table, vectors.astype(np.float32))


def test_each_kind_of_features_has_a_curve_and_its_end_in_the_metrics(
    tmp_path, monkeypatch, make_params
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stage, "read_examples", read_examples)
    small = {"learning_curve.draws": 2, "evaluate.resamples": 100, "compute.jobs": 1}
    points = r"[+-]\d+\.\d points \[[+-]\d+\.\d, [+-]\d+\.\d\]"
    assert re.fullmatch(
        f"up to 8 training speakers; the last doubling added {points} with mfcc, "
        f"{points} with mfcc_pitch, {points} with wav2vec2",
        stage.learning_curve(make_params(**small)),
    )
    curves = pd.read_csv(PLOTS / "learning_curve.csv")
    metrics = json.loads((RESULTS / "learning_curve.json").read_text())
    assert set(curves["features"]) == set(metrics) == {"mfcc", "mfcc_pitch", "wav2vec2"}
    for features, curve in curves.groupby("features"):
        own = metrics[features]
        assert curve["speakers"].tolist() == [2, 4, 8]
        assert own["speakers"] == 8
        assert own["accuracy"] == pytest.approx(curve["value"].iloc[-1], rel=1e-3)
        assert own["doubling_low"] <= own["doubling"] <= own["doubling_high"]
    assert metrics["mfcc"]["accuracy"] > 0.9 > metrics["wav2vec2"]["accuracy"]
