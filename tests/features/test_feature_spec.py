"""What features are made of goes into a model's card and comes out of it, or is refused."""

import json
from pathlib import Path

import pytest

from speech.errors import UserError
from speech.features.feature_spec import read_spec
from speech.features.settings import REFERENCE
from speech.params import FEATURES_OF
from stages.build_examples import spec_of
from stages.paths import ENCODER_FACTS

FILES = {"config.json": "0" * 64, "model.safetensors": "f" * 64}


@pytest.fixture
def encoder(tmp_path, monkeypatch):
    """Lie where features of an encoder with seven hidden states were extracted."""
    monkeypatch.chdir(tmp_path)
    ENCODER_FACTS.parent.mkdir(parents=True)
    facts = {"files": FILES, "states": 7, "family": "WavLM", "mode": str(REFERENCE)}
    ENCODER_FACTS.write_text(json.dumps(facts))


@pytest.mark.parametrize("features", FEATURES_OF["gender"])
def test_what_was_written_is_read_back(params, encoder, features):
    spec = spec_of(params, "gender", features)
    content = json.loads(spec.model_dump_json(exclude_none=True))
    assert read_spec(content, Path("model.json")) == spec
    assert spec.encoder == (FILES if features == "wav2vec2" else None)
    assert (spec.pitch is not None) == (features == "mfcc_pitch")


@pytest.mark.parametrize(
    ("layers", "kept"), [("all", [0, 1, 2, 3, 4, 5, 6]), ([0, 2, 4], [0, 2, 4])]
)
def test_the_hidden_states_that_were_kept_are_named(make_params, encoder, layers, kept):
    params = make_params(**{"wav2vec2.layers": layers, "inputs.wav2vec2.layer": 4})
    assert spec_of(params, "speaker", "wav2vec2").wav2vec2.layers == kept


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"magic": 1}, "magic"),
        ({"inputs": {"mfcc": {"normalisation": "loud"}}}, "inputs.mfcc"),
    ],
)
def test_a_damaged_specification_is_refused_by_its_key(params, changes, key):
    content = spec_of(params, "gender", "mfcc").model_dump(exclude_none=True) | changes
    with pytest.raises(UserError, match=key) as error:
        read_spec(content, Path("models/gender-mfcc-svm"))
    assert str(error.value).startswith("models/gender-mfcc-svm: ")
    assert "\n" not in str(error.value)


def test_features_of_an_unnamed_encoder_are_refused(params, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=f"{ENCODER_FACTS}: no such file; run `dvc repro`"):
        spec_of(params, "gender", "wav2vec2")
