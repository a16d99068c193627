"""The stage verify_speakers on made-up features: its files and its closing line."""

import json
import re

import numpy as np
import pandas as pd
from made_corpus import chunk_table

from speech.storage.examples import Examples
from stages import verify_speakers as stage
from stages.paths import PLOTS, RESULTS, UTTERANCES

FEATURES = ("mfcc", "wav2vec2")


def test_each_kind_of_features_has_its_equal_error_rates_and_curve(
    tmp_path, monkeypatch, make_params
):
    monkeypatch.chdir(tmp_path)
    table = chunk_table("gender", chapters=2, utterances=3, chunks=1)
    # The first speaker has one chapter, the others two.
    table.loc[table["speaker_id"] == "101", "chapter_id"] = "1010"
    UTTERANCES.parent.mkdir()
    table.drop(columns=["chunk", "label", "session", "fold"]).to_parquet(UTTERANCES)
    means = np.random.default_rng(0).normal(size=(12, 8))

    def read_examples(folder):
        own = means[table["speaker_id"].astype(int) - 101]
        distance = 4.0 if "mfcc" in folder.name else 0.0
        vectors = distance * own + np.random.default_rng(1).normal(size=own.shape)
        # In another order than asked for: utterances are found by name.
        return Examples(table[::-1].reset_index(drop=True), vectors[::-1].astype(np.float32))

    monkeypatch.setattr(stage, "read_examples", read_examples)
    rate = r"\d+\.\d % \[\d+\.\d, \d+\.\d\]"
    rates = [
        f"{rate} with {features} \\(impostors of the same gender: \\d+\\.\\d %\\)"
        for features in FEATURES
    ]
    assert re.fullmatch(
        f"equal error rate {', '.join(rates)}; "
        r"99 target trials across chapters of 11 speakers, \d+ impostor trials of 12",
        stage.verify_speakers(make_params(**{"verification.trials": 9, "evaluate.resamples": 100})),
    )
    metrics = json.loads((RESULTS / "verification.json").read_text())
    assert list(metrics) == [*FEATURES, "counts"]
    # The one distinguishes speakers, the other is noise.
    assert metrics["mfcc"]["equal_error_rate"] < 0.1
    assert 0.3 < metrics["wav2vec2"]["equal_error_rate"] < 0.7
    own = {"speakers": 12, "speakers_with_targets": 11, "targets": 99}
    assert own.items() <= metrics["counts"].items()
    curve = pd.read_csv(PLOTS / "det.csv")
    assert set(curve["features"]) == set(FEATURES)
    assert list(curve) == stage.DET
