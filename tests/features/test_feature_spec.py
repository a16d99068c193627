"""What features are made of goes into a model's card and comes out of it, or is refused."""

import json
from pathlib import Path

import pytest

from speech.errors import UserError
from speech.features.examples import MfccInputs, Wav2vec2Inputs
from speech.features.feature_spec import (
    ENCODER_FILE,
    REFERENCE_MODE,
    FeatureSpec,
    SpecInputs,
    read_spec,
    spec_of_wav2vec2,
)
from speech.params import FEATURES_OF

FILES = {"config.json": "0" * 64, "model.safetensors": "f" * 64}


@pytest.fixture
def folder(tmp_path):
    encoder = {"files": FILES, "states": 7, "family": "WavLM", "mode": REFERENCE_MODE}
    (tmp_path / ENCODER_FILE).write_text(json.dumps(encoder))
    return tmp_path


def spec_of(params, features, folder):
    chunks, inputs = params.chunks, params.inputs
    if features == "wav2vec2":
        return spec_of_wav2vec2(
            folder, chunks=chunks, wav2vec2=params.wav2vec2, inputs=inputs.wav2vec2
        )
    pitch = params.pitch if features == "mfcc_pitch" else None
    inputs = SpecInputs(mfcc=inputs.mfcc.of("gender"))
    return FeatureSpec(chunks=chunks, inputs=inputs, mfcc=params.mfcc, pitch=pitch)


def through_a_file(params, features, folder):
    return json.loads(spec_of(params, features, folder).model_dump_json(exclude_none=True))


@pytest.mark.parametrize("features", FEATURES_OF["gender"])
def test_what_was_written_is_read_back(params, folder, features):
    spec = read_spec(through_a_file(params, features, folder), Path("model.json"))
    assert spec == spec_of(params, features, folder)
    assert spec.encoder == (FILES if features == "wav2vec2" else None)


@pytest.mark.parametrize("layers", ["all", [0, 2, 4]])
def test_the_layer_in_use_is_found_among_those_that_are_kept(make_params, folder, layers):
    params = make_params(**{"wav2vec2.layers": layers, "inputs.wav2vec2.layer": 4})
    inputs = spec_of(params, "wav2vec2", folder).chunk_inputs()
    assert inputs == Wav2vec2Inputs(position=4 if layers == "all" else 2)


@pytest.mark.parametrize("pitch", [False, True])
def test_the_inputs_of_mfcc_are_those_of_params(make_params, folder, pitch):
    params = make_params(**{"mfcc.coefficients": 20, "inputs.mfcc.normalisation": "none"})
    inputs = spec_of(params, "mfcc_pitch" if pitch else "mfcc", folder).chunk_inputs()
    assert inputs == MfccInputs(
        coefficients=20,
        normalisation="none",
        pitch=pitch,
        statistics=["mean", "std", "correlation", "delta_correlation"],
        correlated=30,
    )


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"chunks": None}, "chunks"),
        ({"magic": 1}, "magic"),
        ({"mfcc": {"coefficients": 13}}, "mfcc"),
        ({"inputs": {"mfcc": {"normalisation": "loud"}}}, "inputs.mfcc"),
    ],
)
def test_a_damaged_specification_is_refused_by_its_key(params, folder, changes, key):
    content = through_a_file(params, "mfcc", folder) | changes
    with pytest.raises(UserError, match=key) as error:
        read_spec(content, Path("models/gender-mfcc-svm"))
    assert str(error.value).startswith("models/gender-mfcc-svm: ")
    assert "\n" not in str(error.value)


def test_features_of_an_unnamed_encoder_are_refused(params, tmp_path):
    with pytest.raises(UserError, match=f"{ENCODER_FILE}: no such file; run `dvc repro`"):
        spec_of(params, "wav2vec2", tmp_path)
