"""The stage probe_layers on made-up features: its files and their columns."""

import json

import numpy as np
import pandas as pd
import pytest

from speech.features.store import Fingerprint, speaker_file, write_speaker
from speech.folds import gender_folds, speaker_folds
from stages.paths import FOLDS, PLOTS, RESULTS, UTTERANCES, WAV2VEC2
from stages.probe_layers import probe_layers

KEPT = [0, 3, 5]
FOLD_COUNTS = {"gender": 3, "speaker": 2}
BEST_LAYER, LAYER_IN_USE = 3, 5


@pytest.fixture
def words(tmp_path, monkeypatch, make_params):
    """Run the stage on features of three layers, the middle one of which separates speakers."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    rows = []
    for speaker in range(100, 112):
        place = np.zeros((len(KEPT), 8))
        place[KEPT.index(BEST_LAYER)] = random.normal(scale=3, size=8)
        names = [f"{speaker}-{chapter}-{number}" for chapter in range(2) for number in range(4)]
        pooled = place + random.normal(size=(len(names), 2, *place.shape))
        tensors = {
            f"{name}/pooled": own.astype(np.float32)
            for name, own in zip(names, pooled, strict=True)
        }
        gender = ["F", "M"][speaker % 2] if speaker < 111 else None
        rows += [(name, str(speaker), name.split("-")[1], gender, 4.0) for name in names]
        write_speaker(speaker_file(WAV2VEC2, str(speaker)), tensors, Fingerprint("", {}))
    columns = ["utterance_id", "speaker_id", "chapter_id", "gender", "seconds"]
    corpus = pd.DataFrame(rows, columns=columns)
    corpus.to_parquet(UTTERANCES)
    FOLDS.mkdir()
    for task, folds in (
        ("gender", gender_folds(corpus, FOLD_COUNTS["gender"], 17)),
        ("speaker", speaker_folds(corpus, FOLD_COUNTS["speaker"])),
    ):
        folds.to_csv(FOLDS / f"{task}.csv", index=False)
    params = make_params(
        **{
            **{f"folds.{task}": count for task, count in FOLD_COUNTS.items()},
            **{"wav2vec2.layers": KEPT, "inputs.wav2vec2.layer": LAYER_IN_USE},
            **{"evaluate.resamples": 100, "parallel.jobs": 1},
        }
    )
    return probe_layers(params)


def test_both_tasks_are_reported_layer_by_layer_and_fold_by_fold(words):
    metrics = json.loads((RESULTS / "layers.json").read_text())
    assert list(metrics) == list(FOLD_COUNTS)
    layers, nested = (pd.read_csv(PLOTS / f"{name}.csv") for name in ("layers", "layers_nested"))
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
