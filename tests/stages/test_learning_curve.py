"""The stage learning_curve on made-up features: its files and its closing line."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from speech.features.examples import Examples
from stages import learning_curve as stage
from stages.paths import FOLDS, METRICS, PLOTS, UTTERANCES

SPEAKERS, UTTERANCES_EACH = 12, 4


@pytest.fixture
def inputs(tmp_path, monkeypatch):
    """Stand in for the features: what is tested here begins where examples are loaded."""
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
    UTTERANCES.parent.mkdir()
    pd.concat([table, nameless]).to_parquet(UTTERANCES)
    FOLDS.mkdir()
    dealt = table[["utterance_id"]].assign(fold=number // 2 % 3)
    dealt.to_csv(FOLDS / "gender.csv", index=False)

    def load(folder, features, utterances, params, form, *, copies):
        assert form == "pooled"
        random = np.random.default_rng(0)
        sign = np.where(utterances["gender"] == "F", 1.0, -1.0)[:, None]
        distance = 3.0 if "mfcc" in features else 0.0
        vectors = distance * sign + random.normal(size=(len(utterances), 4))
        columns = ["utterance_id", "speaker_id", "chapter_id"]
        return Examples(utterances[columns].assign(chunk=0), vectors.astype(np.float32))

    monkeypatch.setattr(stage, "load_examples", load)


@pytest.fixture
def small(make_params):
    return make_params(**{"learning_curve.draws": 2, "evaluate.resamples": 100, "parallel.jobs": 1})


def test_each_kind_of_features_has_a_curve_and_its_end_in_the_metrics(inputs, small):
    stage.learning_curve(small)
    curves = pd.read_csv(PLOTS / "learning_curve.csv")
    told = json.loads((METRICS / "learning_curve.json").read_text())
    assert set(curves["features"]) == set(told) == {"mfcc", "mfcc_pitch", "wav2vec2"}
    for features, curve in curves.groupby("features"):
        assert curve["speakers"].tolist() == [2, 4, 8]
        assert told[features]["speakers"] == 8
        assert told[features]["accuracy"] == curve["value"].iloc[-1]
        assert told[features]["doubling_low"] <= told[features]["doubling"]
        assert told[features]["doubling"] <= told[features]["doubling_high"]
    assert told["mfcc"]["accuracy"] > 0.9 > told["wav2vec2"]["accuracy"]


def test_the_closing_line_says_what_more_speakers_bought(inputs, small):
    points = r"[+-]\d+\.\d points \[[+-]\d+\.\d, [+-]\d+\.\d\]"
    assert re.fullmatch(
        f"up to 8 training speakers; the last doubling of them bought {points} with mfcc, "
        f"{points} with mfcc_pitch and {points} with wav2vec2",
        stage.learning_curve(small),
    )
