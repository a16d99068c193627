"""The stage learning_curve: its scores, and on made-up features its files and closing line."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from speech.storage.examples import Examples, with_labels
from stages import learning_curve as stage
from stages.paths import PLOTS, RESULTS

SPEAKERS, UTTERANCES_EACH = 12, 4
RESAMPLING = {"resamples": 200, "seed": 0}


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
        assert set(curve["draws"]) == {2}
        assert own["speakers"] == 8
        assert own["accuracy"] == pytest.approx(curve["value"].iloc[-1], rel=1e-3)
        assert own["doubling_low"] <= own["doubling"] <= own["doubling_high"]
    assert metrics["mfcc"]["accuracy"] > 0.9 > metrics["wav2vec2"]["accuracy"]


def predictions(accuracies, speakers=20, utterances=50):
    """Make predictions up of a given accuracy for each number of training speakers."""
    tables = []
    for number, accuracy in accuracies.items():
        speaker = np.repeat(np.arange(speakers), utterances)
        label = np.array(["F", "M"])[speaker % 2]
        right = np.tile(np.arange(utterances) < accuracy * utterances, speakers)
        women = np.where((label == "F") == right, 0.8, 0.2)
        table = pd.DataFrame({"speaker_id": speaker.astype(str), "label": label, "p_F": women})
        table = table.assign(p_M=1 - women, utterance_id=np.arange(len(table)).astype(str))
        tables += [table.assign(speakers=number, draw=draw) for draw in range(2)]
    return pd.concat(tables, ignore_index=True)


def test_the_curve_is_the_mean_accuracy_of_each_number_of_speakers():
    curve = stage.curve_of(predictions({2: 0.6, 4: 0.7, 8: 0.9}), **RESAMPLING)
    assert curve["speakers"].tolist() == [2, 4, 8]
    assert curve["value"].tolist() == pytest.approx([0.6, 0.7, 0.9])


@pytest.mark.parametrize(
    ("accuracies", "gain"),
    [({2: 0.1, 4: 0.7, 8: 0.9}, 0.2), ({2: 0.5, 8: 0.9}, 0.2)],
    ids=["the last doubling alone counts", "two doublings in one step are shared out"],
)
def test_the_gain_is_that_of_one_doubling(accuracies, gain):
    assert stage.last_doubling(predictions(accuracies), **RESAMPLING) == pytest.approx((gain,) * 3)


def test_the_interval_of_the_gain_resamples_speakers():
    table = predictions({4: 0.5, 8: 0.5})
    # Half of the speakers gain everything that was wrong.
    lucky = (table["speaker_id"].astype(int) < 10) & (table["speakers"] == 8)
    table["p_F"] = table["p_F"].mask(lucky, np.where(table["label"] == "F", 0.9, 0.1))
    table["p_M"] = 1 - table["p_F"]
    value, low, high = stage.last_doubling(table, **RESAMPLING)
    assert value == pytest.approx(0.25)
    assert 0.05 < low < 0.2
    assert 0.3 < high < 0.45
