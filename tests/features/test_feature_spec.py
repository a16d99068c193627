"""Recipes: what features are made of goes into a card and comes out of it, or is refused."""

import json
from pathlib import Path

import pytest

from speech.errors import UserError
from speech.features.feature_spec import ENCODER_FILE, read_recipe, recipe_of
from speech.params import FEATURES_OF
from speech.training.layer_choice import with_layer

DIGESTS = {"config.json": "0" * 64, "model.safetensors": "f" * 64}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / ENCODER_FILE).write_text(json.dumps(DIGESTS))
    return tmp_path


def through_a_file(params, features, folder):
    return json.loads(json.dumps(recipe_of(with_layer(params, 3), features, [folder])))


@pytest.mark.parametrize("features", FEATURES_OF["gender"])
def test_what_was_written_down_is_read_back(params, folder, features):
    recipe = read_recipe(through_a_file(params, features, folder), Path("model.json"))
    assert recipe.chunks == params.chunks
    if features == "wav2vec2":
        assert recipe.mfcc is recipe.pitch is None
        assert recipe.wav2vec2.layers == [3]
        assert recipe.encoder == DIGESTS
    else:
        assert recipe.mfcc == params.mfcc
        assert recipe.inputs.mfcc == params.inputs.mfcc
        assert recipe.pitch == (params.pitch if features == "mfcc_pitch" else None)
        assert recipe.encoder is None


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"chunks": None}, "chunks"),
        ({"magic": 1}, "magic"),
        ({"mfcc": {"coefficients": 13}}, "mfcc"),
        ({"inputs": {"mfcc": {"normalisation": "loud"}}}, "inputs.mfcc"),
    ],
)
def test_a_recipe_that_is_none_is_refused_by_its_key(params, folder, changes, key):
    content = through_a_file(params, "mfcc", folder) | changes
    with pytest.raises(UserError, match=key) as error:
        read_recipe(content, Path("models/gender-mfcc-svm"))
    assert str(error.value).startswith("models/gender-mfcc-svm: ")
    assert "\n" not in str(error.value)


def test_features_of_no_known_encoder_are_refused(params, tmp_path):
    with pytest.raises(UserError, match=ENCODER_FILE):
        recipe_of(params, "wav2vec2", [tmp_path])
