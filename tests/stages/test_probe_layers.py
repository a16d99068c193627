"""The stage probe_layers on made-up features: its files, their columns, its closing line."""

import json

import numpy as np
import pandas as pd
import pytest
from made_corpus import chunk_table

from speech.features.store import Fingerprint, speaker_file, write_speaker
from stages.paths import FOLDS, PLOTS, RESULTS, UTTERANCES, WAV2VEC2
from stages.probe_layers import probe_layers

KEPT = [0, 3, 5]
FOLD_COUNTS = {"gender": 3, "speaker": 2}
BEST_LAYER, LAYER_IN_USE = 3, 5
FILES = [RESULTS / "layers.json", PLOTS / "layers.csv", PLOTS / "layers_nested.csv"]


@pytest.fixture
def words(tmp_path, monkeypatch, make_params):
    """Run the stage on features of three layers, the middle one of which separates speakers."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    tables = {
        task: chunk_table(task, chapters=2, chunks=1, folds=folds)
        for task, folds in FOLD_COUNTS.items()
    }
    corpus = tables["gender"]
    # The last has no gender on record.
    corpus.loc[corpus["speaker_id"] == "112", "gender"] = None
    tables["gender"] = corpus[corpus["gender"].notna()]
    for speaker, own in corpus.groupby("speaker_id"):
        place = np.zeros((len(KEPT), 8))
        place[KEPT.index(BEST_LAYER)] = random.normal(scale=3, size=8)
        pooled = (place + random.normal(size=(len(own), 2, *place.shape))).astype(np.float32)
        names = [f"{name}/pooled" for name in own["utterance_id"]]
        tensors = dict(zip(names, pooled, strict=True))
        write_speaker(speaker_file(WAV2VEC2, speaker), tensors, Fingerprint("", {}))
    corpus[["utterance_id", "speaker_id", "chapter_id", "gender"]].to_parquet(UTTERANCES)
    FOLDS.mkdir()
    for task, table in tables.items():
        table[["utterance_id", "fold"]].to_csv(FOLDS / f"{task}.csv", index=False)
    params = make_params(
        **{
            **{f"folds.{task}": count for task, count in FOLD_COUNTS.items()},
            **{"wav2vec2.layers": KEPT, "inputs.wav2vec2.layer": LAYER_IN_USE},
            **{"evaluate.resamples": 100, "compute.jobs": 1},
        }
    )
    return probe_layers(params)


def test_both_tasks_are_reported_layer_by_layer_and_fold_by_fold(words):
    metrics = json.loads((RESULTS / "layers.json").read_text())
    assert list(metrics) == list(FOLD_COUNTS)
    layers, nested = (pd.read_csv(file) for file in FILES[1:])
    assert list(layers.columns) == ["task", "layer", "level", "value", "low", "high"]
    assert list(nested.columns) == [
        *("task", "fold", "layer", "validation_accuracy", "utterance_accuracy")
    ]
    for task, own in metrics.items():
        assert list(own) == [
            *("layer_in_use", "accuracy_in_use", "chosen_layer"),
            *("nested_accuracy", "nested_accuracy_low", "nested_accuracy_high"),
        ]
        assert own["nested_accuracy_low"] <= own["nested_accuracy"] <= own["nested_accuracy_high"]
        of_task = layers[layers["task"] == task]
        for _, by_layer in of_task.groupby("level"):
            assert by_layer["layer"].tolist() == KEPT
        in_use = of_task.query("level == 'utterance' and layer == @LAYER_IN_USE")["value"].item()
        assert own["layer_in_use"] == LAYER_IN_USE
        assert own["accuracy_in_use"] == pytest.approx(in_use, abs=1e-3)
        chosen = nested[nested["task"] == task].set_index("fold")
        assert chosen.index.tolist() == [*map(str, range(FOLD_COUNTS[task])), "all"]
        assert own["chosen_layer"] == chosen.loc["all", "layer"]
        # Not the best point of the curve over layers, which nobody could have known.
        assert own["nested_accuracy"] == pytest.approx(
            chosen.loc["all", "utterance_accuracy"], abs=1e-3
        )
    speaker = metrics["speaker"]
    assert speaker["chosen_layer"] == BEST_LAYER
    assert speaker["nested_accuracy"] > 0.9 > speaker["accuracy_in_use"]
    assert words.startswith("3 layers; utterance accuracy: gender ")
    assert words.endswith(f"% with a layer chosen in training (by all data: {BEST_LAYER})")
