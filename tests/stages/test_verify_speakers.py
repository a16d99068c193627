"""The stage verify_speakers on made-up features: its files and its closing line."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from speech.storage.examples import Examples
from stages import verify_speakers as stage
from stages.paths import FOLDS, PLOTS, RESULTS, UTTERANCES

SPEAKERS, EACH = 12, 6


@pytest.fixture
def inputs(tmp_path, monkeypatch):
    """Replace the features: what is tested here begins where examples are loaded."""
    monkeypatch.chdir(tmp_path)
    number = np.repeat(np.arange(SPEAKERS), EACH)
    # The first speaker has one chapter, the others two.
    chapter = np.where(number == 0, 0, np.arange(len(number)) % 2)
    table = pd.DataFrame(
        {
            "utterance_id": [f"u{k:03d}" for k in range(len(number))],
            "speaker_id": number.astype(str),
            "chapter_id": [f"{n}-{c}" for n, c in zip(number, chapter, strict=True)],
            "gender": np.array(["F", "M"])[number % 2],
        }
    )
    UTTERANCES.parent.mkdir()
    table.to_parquet(UTTERANCES)
    FOLDS.mkdir()
    dealt = table[["utterance_id"]].assign(fold=number // 2 % 3)
    dealt.to_csv(FOLDS / "gender.csv", index=False)
    means = np.random.default_rng(0).normal(size=(SPEAKERS, 8))

    def read_examples(folder):
        random = np.random.default_rng(1)
        own = means[table["speaker_id"].astype(int)]
        distance = 4.0 if "mfcc" in folder.name else 0.0
        vectors = (distance * own + random.normal(size=own.shape)).astype(np.float32)
        # In another order than asked for: utterances are found by name.
        backwards = table.assign(chunk=0)[::-1].reset_index(drop=True)
        return Examples(backwards, vectors[::-1])

    monkeypatch.setattr(stage, "read_examples", read_examples)


@pytest.fixture
def small(make_params):
    return make_params(**{"verification.trials": 9, "evaluate.resamples": 100})


def test_each_kind_of_features_has_its_equal_error_rates_and_curve(inputs, small):
    rate = r"\d+\.\d % \[\d+\.\d, \d+\.\d\]"
    rates = [
        f"{rate} with {features} \\(impostors of the same gender: \\d+\\.\\d %\\)"
        for features in ("mfcc", "mfcc_pitch", "wav2vec2")
    ]
    line = stage.verify_speakers(small)
    assert re.fullmatch(
        f"equal error rate {', '.join(rates)}; "
        r"99 target trials across chapters of 11 speakers, \d+ impostor trials of 12",
        line,
    )
    metrics = json.loads((RESULTS / "verification.json").read_text())
    assert list(metrics) == ["mfcc", "mfcc_pitch", "wav2vec2", "counts"]
    for features in ("mfcc", "mfcc_pitch", "wav2vec2"):
        for name in ("equal_error_rate", "same_gender_equal_error_rate"):
            low, value, high = (metrics[features][f"{name}{end}"] for end in ("_low", "", "_high"))
            assert 0 <= low <= value <= high <= 1
    # The one distinguishes speakers, the other is noise.
    assert metrics["mfcc"]["equal_error_rate"] < 0.1
    assert 0.3 < metrics["wav2vec2"]["equal_error_rate"] < 0.7
    assert metrics["counts"]["speakers"] == SPEAKERS
    assert metrics["counts"]["speakers_with_targets"] == SPEAKERS - 1
    assert metrics["counts"]["targets"] == 9 * (SPEAKERS - 1)
    curve = pd.read_csv(PLOTS / "det.csv")
    assert list(curve) == [
        *("threshold", "false_alarm", "miss", "false_alarm_probit", "miss_probit", "features")
    ]
    assert "wav2vec2" in set(curve["features"])
