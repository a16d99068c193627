"""Feature specs: what features are made of goes into a card and comes out of it, or is refused."""

import json
from pathlib import Path

import pytest

from speech.errors import UserError
from speech.features.examples import MfccInputs, Wav2vec2Inputs
from speech.features.feature_spec import ENCODER_FILE, read_spec, spec_of
from speech.params import FEATURES_OF

DIGESTS = {"config.json": "0" * 64, "model.safetensors": "f" * 64}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / ENCODER_FILE).write_text(json.dumps({"files": DIGESTS, "states": 7}))
    return tmp_path


def through_a_file(params, features, folder):
    return json.loads(spec_of(params, features, [folder]).model_dump_json(exclude_none=True))


@pytest.mark.parametrize("features", FEATURES_OF["gender"])
def test_what_was_written_down_is_read_back(params, folder, features):
    spec = read_spec(through_a_file(params, features, folder), Path("model.json"))
    assert spec.chunks == params.chunks
    if features == "wav2vec2":
        assert spec.mfcc is spec.pitch is None
        assert spec.wav2vec2.layers == list(range(7))
        assert spec.encoder == DIGESTS
    else:
        assert spec.mfcc == params.mfcc
        assert spec.inputs.mfcc == params.inputs.mfcc
        assert spec.pitch == (params.pitch if features == "mfcc_pitch" else None)
        assert spec.encoder is None


@pytest.mark.parametrize(
    ("layers", "layer", "position"), [("all", 3, 3), ([0, 2, 5], 5, 2), ([5, 2, 0], 5, 0)]
)
def test_the_layer_in_use_is_found_among_those_kept(make_params, folder, layers, layer, position):
    params = make_params(**{"wav2vec2.layers": layers, "inputs.wav2vec2.layer": layer})
    assert spec_of(params, "wav2vec2", [folder]).chunk_inputs() == Wav2vec2Inputs(position)


def test_mfcc_are_cut_as_they_were_computed_and_as_classifiers_are_to_be_given_them(make_params):
    changes = {"mfcc.coefficients": 13, "inputs.mfcc.frame_stride": 3, "mfcc.hop_seconds": 0.02}
    params = make_params(**changes)
    expected = {"coefficients": 13, "frame_stride": 3, "hop_seconds": 0.02}
    expected["statistics"] = params.inputs.mfcc.statistics
    for features, pitch in (("mfcc", False), ("mfcc_pitch", True)):
        inputs = spec_of(params, features, []).chunk_inputs()
        assert inputs == MfccInputs(**expected, pitch=pitch)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"chunks": None}, "chunks"),
        ({"magic": 1}, "magic"),
        ({"mfcc": {"coefficients": 13}}, "mfcc"),
        ({"inputs": {"mfcc": {"normalisation": "loud"}}}, "inputs.mfcc"),
    ],
)
def test_a_spec_that_is_none_is_refused_by_its_key(params, folder, changes, key):
    content = through_a_file(params, "mfcc", folder) | changes
    with pytest.raises(UserError, match=key) as error:
        read_spec(content, Path("models/gender-mfcc-svm"))
    assert str(error.value).startswith("models/gender-mfcc-svm: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [None, "{}", "[]", '{"files": {}, "states": null}'])
def test_features_of_no_known_encoder_are_refused(params, tmp_path, content):
    if content is not None:
        (tmp_path / ENCODER_FILE).write_text(content)
    with pytest.raises(UserError, match=f"{ENCODER_FILE}: .*dvc repro"):
        spec_of(params, "wav2vec2", [tmp_path])


def test_a_layer_that_the_encoder_does_not_have_is_refused(make_params, folder):
    params = make_params(**{"encoder": "mine", "inputs.wav2vec2.layer": 7})
    with pytest.raises(
        UserError, match=r"inputs\.wav2vec2\.layer asks for hidden state 7, but 0, "
    ):
        spec_of(params, "wav2vec2", [folder])
