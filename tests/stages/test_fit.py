"""The stage fit on made-up wav2vec 2.0: each fold is given the layer that was chosen for it."""

import json

import numpy as np
import pandas as pd
import pytest

from speech.errors import UserError
from speech.features.feature_spec import ENCODER_FILE
from speech.features.store import Recipe, speaker_file, write_speaker
from speech.folds import gender_folds
from stages.fit import fit
from stages.paths import FOLDS, LAYERS, MODELS, PREDICTIONS, UTTERANCES, WAV2VEC2

KEPT, SEQUENCE = [0, 3, 5], 5
FOLD_COUNT = 3
CHOSEN = {"0": 3, "1": 0, "2": 3, "all": 5}
COLUMNS = ["utterance_id", "speaker_id", "chapter_id", "gender", "seconds", "samples"]


@pytest.fixture
def params(make_params):
    layers = {"wav2vec2.layers": KEPT, "wav2vec2.sequence_layer": SEQUENCE}
    quick = {"parallel.jobs": 1, "cnn.epochs": 1, "cnn.channels": [4]}
    search = {"tuning.budget": 2, "tuning.inner_folds": 2}
    return make_params(**layers, **quick, **search, **{"folds.gender": FOLD_COUNT})


@pytest.fixture(autouse=True)
def inputs(tmp_path, monkeypatch, params):
    """Write features of which every layer knows the gender a little, each in its own way."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    rows = []
    for speaker in range(100, 112):
        tensors = {}
        for number in range(4):
            name = f"{speaker}-0-{number}"
            shape = (2, len(KEPT), 8)
            pooled = random.normal(speaker % 2, size=shape).astype(np.float32)
            sequence = random.normal(speaker % 2, size=(2, 6, 4)).astype(np.float16)
            tensors |= {f"{name}/pooled": pooled, f"{name}/sequence": sequence}
            tensors |= {
                f"{name}/half/pooled": pooled[:1],
                f"{name}/half/sequence": sequence[:1, 3:],
            }
            rows.append((name, str(speaker), "0", "FM"[speaker % 2], 4.0, 64_000))
        write_speaker(speaker_file(WAV2VEC2, str(speaker)), tensors, Recipe("", {}))
    (WAV2VEC2 / ENCODER_FILE).write_text("{}")
    corpus = pd.DataFrame(rows, columns=COLUMNS)
    corpus.to_parquet(UTTERANCES)
    FOLDS.mkdir()
    LAYERS.mkdir()
    gender_folds(corpus, FOLD_COUNT, params.seed).to_csv(FOLDS / "gender.csv", index=False)


def choose(layers):
    table = pd.DataFrame({"fold": list(layers), "layer": list(layers.values())})
    table.to_csv(LAYERS / "gender.csv", index=False)


def predictions(model, name="chunks"):
    return pd.read_parquet(PREDICTIONS / "gender" / f"wav2vec2-{model}" / f"{name}.parquet")


def layer_in_card(model):
    card = json.loads((MODELS / f"gender-wav2vec2-{model}" / "model.json").read_text())
    recipe = card["recipe"]
    assert recipe["wav2vec2"]["layers"] == [recipe["inputs"]["wav2vec2"]["layer"]]
    return recipe["inputs"]["wav2vec2"]["layer"]


@pytest.mark.parametrize("tuned", [False, True])
def test_each_fold_is_judged_on_its_own_layer(params, tuned):
    params = params.model_copy(update={"tune": tuned})
    expected = {}
    for layer in set(CHOSEN.values()):
        choose(dict.fromkeys(CHOSEN, layer))
        fit(params, "gender", "wav2vec2", "logistic")
        expected[layer] = {name: predictions("logistic", name) for name in ("chunks", "halves")}
    choose(CHOSEN)
    words = fit(params, "gender", "wav2vec2", "logistic")
    for name in ("chunks", "halves"):
        joined = predictions("logistic", name)
        assert joined["utterance_id"].tolist() == expected[3][name]["utterance_id"].tolist()
        for fold in range(FOLD_COUNT):
            of_layer = expected[CHOSEN[str(fold)]][name]
            own, same = (table[table["fold"] == fold] for table in (joined, of_layer))
            pd.testing.assert_frame_equal(own, same)
    assert not expected[0]["chunks"].equals(expected[3]["chunks"])
    assert "(layers 0, 3; the final model: 5)" in words
    assert layer_in_card("logistic") == CHOSEN["all"]


def test_a_search_is_kept_for_every_fold_and_for_the_final_model(params):
    choose(CHOSEN)
    words = fit(params.model_copy(update={"tune": True}), "gender", "wav2vec2", "logistic")
    tried = pd.read_csv(PREDICTIONS / "gender" / "wav2vec2-logistic" / "tuning.csv")
    assert tried.groupby("fold")["chosen"].sum().to_dict() == dict.fromkeys(CHOSEN, 1)
    assert "; tuned: -S logistic.C=" in words


def test_the_cnn_is_given_the_layer_of_the_sequence_whatever_was_chosen(params):
    choose(CHOSEN)
    words = fit(params, "gender", "wav2vec2", "cnn")
    assert f"(layer {SEQUENCE})" in words
    assert layer_in_card("cnn") == SEQUENCE


def test_layers_that_were_chosen_for_other_folds_are_refused(params):
    choose({"0": 3, "1": 3, "all": 3})
    with pytest.raises(UserError, match=r"^data/layers/gender.csv: .*of other folds"):
        fit(params, "gender", "wav2vec2", "logistic")


def test_a_missing_name_of_the_encoder_is_told_before_the_work(params):
    choose(CHOSEN)
    (WAV2VEC2 / ENCODER_FILE).unlink()
    with pytest.raises(UserError, match=ENCODER_FILE):
        fit(params, "gender", "wav2vec2", "logistic")
    assert not PREDICTIONS.exists()
