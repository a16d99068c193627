"""The stage probe_layers on made-up features: its files, their columns, determinism."""

import json

import numpy as np
import pandas as pd
import pytest
from speech.training.layer_choice import with_layer

from speech.features.store import Recipe, speaker_file, write_speaker
from speech.folds import gender_folds, speaker_folds
from stages.paths import FOLDS, LAYERS, METRICS, PLOTS, UTTERANCES, WAV2VEC2
from stages.probe_layers import probe_layers

KEPT = [0, 3, 5]
FOLD_COUNTS = {"gender": 3, "speaker": 2}
VOICE_LAYER, LAYER_IN_USE = 3, 5


@pytest.fixture
def params(make_params):
    changes = {f"folds.{task}": count for task, count in FOLD_COUNTS.items()}
    changes |= {"wav2vec2.layers": KEPT, "inputs.wav2vec2.layer": LAYER_IN_USE}
    return make_params(**changes, **{"evaluate.resamples": 100, "parallel.jobs": 1})


@pytest.fixture
def inputs(tmp_path, monkeypatch, params):
    """Write features of three layers, the middle one of which knows the voices."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    rows = []
    for speaker in range(100, 112):
        voice = np.zeros((len(KEPT), 8))
        voice[KEPT.index(VOICE_LAYER)] = random.normal(scale=3, size=8)
        tensors = {}
        for chapter in range(2):
            for number in range(4):
                name = f"{speaker}-{chapter}-{number}"
                tensors[f"{name}/pooled"] = (voice + random.normal(size=(2, *voice.shape))).astype(
                    np.float32
                )
                gender = ["F", "M"][speaker % 2] if speaker < 111 else None
                rows.append((name, str(speaker), str(chapter), gender, 4.0))
        write_speaker(speaker_file(WAV2VEC2, str(speaker)), tensors, Recipe("", {}))
    columns = ["utterance_id", "speaker_id", "chapter_id", "gender", "seconds"]
    corpus = pd.DataFrame(rows, columns=columns)
    corpus.to_parquet(UTTERANCES)
    FOLDS.mkdir()
    gender_folds(corpus, FOLD_COUNTS["gender"], params.seed).to_csv(
        FOLDS / "gender.csv", index=False
    )
    speaker_folds(corpus, FOLD_COUNTS["speaker"]).to_csv(FOLDS / "speaker.csv", index=False)


def test_metrics_name_the_layer_chosen_and_compare_it_with_the_one_in_use(inputs, params):
    words = probe_layers(params)
    metrics = json.loads((METRICS / "layers.json").read_text())
    assert list(metrics) == list(FOLD_COUNTS)
    layers = pd.read_csv(PLOTS / "layers.csv").set_index(["task", "layer", "level"])["value"]
    for task, own in metrics.items():
        assert list(own) == [
            *("layer", "accuracy", "accuracy_low", "accuracy_high"),
            *("layer_in_use", "accuracy_in_use"),
        ]
        assert own["accuracy_low"] <= own["accuracy"] <= own["accuracy_high"]
        assert own["layer_in_use"] == LAYER_IN_USE
        in_use = layers[task, LAYER_IN_USE, "utterance"]
        assert own["accuracy_in_use"] == pytest.approx(in_use, rel=1e-3)
    assert metrics["speaker"]["layer"] == VOICE_LAYER
    assert metrics["speaker"]["accuracy"] > 0.9 > metrics["speaker"]["accuracy_in_use"]
    assert words.startswith("3 layers; ")
    assert f"(layer {VOICE_LAYER}; in use: {LAYER_IN_USE})" in words


def test_tables_have_every_layer_and_every_fold_of_both_tasks(inputs, params):
    probe_layers(params)
    layers = pd.read_csv(PLOTS / "layers.csv")
    assert list(layers.columns) == ["task", "layer", "level", "value", "low", "high"]
    chosen = pd.read_csv(PLOTS / "layers_chosen.csv")
    assert list(chosen.columns) == [
        *("task", "fold", "layer", "validation_accuracy", "chunk_accuracy", "utterance_accuracy")
    ]
    for task, folds in FOLD_COUNTS.items():
        own = layers[layers["task"] == task]
        for level in ("chunk", "utterance"):
            assert own[own["level"] == level]["layer"].tolist() == KEPT
        of_task = chosen[chosen["task"] == task]
        assert of_task["fold"].tolist() == [*map(str, range(folds)), "all"]
        assert set(of_task["layer"]) <= set(KEPT)


def layers_left(task):
    table = pd.read_csv(LAYERS / f"{task}.csv", dtype={"fold": str})
    assert list(table.columns) == ["fold", "layer"]
    return dict(zip(table["fold"], table["layer"], strict=True))


def test_a_layer_that_was_named_is_left_to_all_folds(inputs, params):
    probe_layers(params)
    for task, folds in FOLD_COUNTS.items():
        assert layers_left(task) == dict.fromkeys([*map(str, range(folds)), "all"], LAYER_IN_USE)


def test_auto_leaves_each_fold_what_its_training_part_chose(inputs, params):
    words = probe_layers(with_layer(params, "auto"))
    chosen = pd.read_csv(PLOTS / "layers_chosen.csv", dtype={"fold": str})
    metrics = json.loads((METRICS / "layers.json").read_text())
    for task, own in chosen.groupby("task"):
        assert layers_left(task) == dict(zip(own["fold"], own["layer"], strict=True))
        assert metrics[task]["layer_in_use"] == layers_left(task)["all"]
        # Not the best point of the curve over layers, which nobody could have known.
        assert metrics[task]["accuracy_in_use"] == metrics[task]["accuracy"]
    assert set(layers_left("speaker").values()) == {VOICE_LAYER}
    assert f"speaker {100 * metrics['speaker']['accuracy']:.1f} % (layer 3; in use: 3)" in words


def test_files_are_identical_when_run_again(inputs, params):
    written = []
    for _ in range(2):
        probe_layers(params)
        names = ("layers.csv", "layers_chosen.csv")
        files = [METRICS / "layers.json", *(PLOTS / name for name in names)]
        written.append([file.read_bytes() for file in files])
    assert written[0] == written[1]
