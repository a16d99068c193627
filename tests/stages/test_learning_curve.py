"""The stage learning_curve on made-up features: its files and its closing line."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from speech.storage.examples import Examples, with_labels
from stages import learning_curve as stage
from stages.paths import PLOTS, RESULTS

SPEAKERS, UTTERANCES_EACH = 12, 4


@pytest.fixture
def inputs(tmp_path, monkeypatch):
    """Replace the features: what is tested here begins where examples are loaded."""
    monkeypatch.chdir(tmp_path)
    number = np.repeat(np.arange(SPEAKERS), UTTERANCES_EACH)
    table = pd.DataFrame(
        {
            "utterance_id": [f"u{k:03d}" for k in range(len(number))],
            "speaker_id": number.astype(str),
            "chapter_id": "1",
            "gender": np.array(["F", "M"])[number % 2],
        }
    )
    nameless = table.tail(1).assign(utterance_id="no gender", speaker_id="99", gender=None)
    folds = table[["utterance_id"]].assign(fold=number // 2 % 3)

    def read_examples(folder, *, copies):
        corpus = pd.concat([table, nameless], ignore_index=True)
        random = np.random.default_rng(0)
        sign = np.where(corpus["gender"] == "F", 1.0, -1.0)[:, None]
        distance = 3.0 if "mfcc" in folder.name else 0.0
        vectors = distance * sign + random.normal(size=(len(corpus), 4))
        examples = Examples(corpus.assign(chunk=0), vectors.astype(np.float32))
        return with_labels(examples, folds, "gender")

    monkeypatch.setattr(stage, "read_examples", read_examples)


@pytest.fixture
def small(make_params):
    return make_params(**{"learning_curve.draws": 2, "evaluate.resamples": 100, "parallel.jobs": 1})


def test_each_kind_of_features_has_a_curve_and_its_end_in_the_metrics(inputs, small):
    points = r"[+-]\d+\.\d points \[[+-]\d+\.\d, [+-]\d+\.\d\]"
    assert re.fullmatch(
        f"up to 8 training speakers; the last doubling added {points} with mfcc, "
        f"{points} with mfcc_pitch, {points} with wav2vec2",
        stage.learning_curve(small),
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
