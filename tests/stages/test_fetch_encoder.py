"""What encoder in params.yaml means: the sample, a folder, or a model of the hub."""

import pytest

import stages.fetch_encoder
from speech.errors import UserError
from speech.features.hub import HubModel
from speech.features.wav2vec2 import make_sample_encoder
from speech.storage.files import point
from stages.extract_wav2vec2 import extract_wav2vec2
from stages.fetch_encoder import fetch_encoder
from stages.paths import ENCODER, HUB_ENCODER, WAV2VEC2

SIZE = {"hidden": 16, "layers": 4}


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    """Work at the root of an empty project of a user with an empty home."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.fixture(autouse=True)
def asked_of_hub(monkeypatch):
    """List what the hub is asked for, in place of asking."""
    asked = []

    def fetch(model, folder):
        asked.append(model)
        make_sample_encoder(folder, **SIZE, seed=1)

    monkeypatch.setattr(stages.fetch_encoder, "fetch_hub_model", fetch)
    return asked


def test_an_id_of_the_hub_is_fetched(make_params, asked_of_hub):
    model = HubModel("some/encoder", 40 * "a")
    said = fetch_encoder(make_params(encoder=str(model)))
    assert asked_of_hub == [model]
    assert ENCODER.resolve() == HUB_ENCODER.resolve()
    assert said == f"data/encoder is {model}"


@pytest.mark.parametrize("name", ["some/encoder", "./some/encoder", "~/encoder"])
def test_a_folder_that_exists_is_used_where_it_lies(make_params, root, asked_of_hub, name):
    folder = root / ("home/encoder" if "~" in name else "some/encoder")
    make_sample_encoder(folder, **SIZE, seed=1)
    fetch_encoder(make_params(encoder=name))
    assert ENCODER.resolve() == folder
    assert asked_of_hub == []


@pytest.mark.parametrize("name", ["./some/encoder", "../encoder", "~/encoder", "/no/encoder"])
def test_what_is_written_as_a_folder_is_never_looked_for_on_the_hub(
    make_params, asked_of_hub, name
):
    with pytest.raises(UserError, match=r"^encoder: there is no folder [^~]*encoder; set encoder"):
        fetch_encoder(make_params(encoder=name))
    assert asked_of_hub == []
    assert not ENCODER.exists()


def test_the_sample_is_made(make_params, asked_of_hub):
    fetch_encoder(make_params(**{f"sample_encoder.{key}": value for key, value in SIZE.items()}))
    assert (ENCODER / "model.safetensors").is_file()
    assert asked_of_hub == []


@pytest.mark.parametrize(
    ("key", "stage"),
    [("inputs.wav2vec2.layer", fetch_encoder), ("wav2vec2.sequence_layer", extract_wav2vec2)],
)
def test_a_layer_that_the_encoder_does_not_have_is_refused_before_anything_is_embedded(
    make_params, root, key, stage
):
    make_sample_encoder(root / "mine", **SIZE, seed=1)
    point(ENCODER, root / "mine")
    layers = {"inputs.wav2vec2.layer": 2, "wav2vec2.sequence_layer": 2, "wav2vec2.layers": "all"}
    params = make_params(encoder=str(root / "mine"), **layers | {key: 9})
    with pytest.raises(UserError, match=rf"{key} asks for hidden state 9, .* 0 to 4; choose"):
        stage(params)
    assert not WAV2VEC2.exists()


def test_a_folder_that_is_no_checkpoint_is_refused(make_params, root):
    make_sample_encoder(root / "mine", **SIZE, seed=1)
    (root / "mine/model.safetensors").unlink()
    with pytest.raises(UserError, match=r"^encoder: .*mine has none of model\.safetensors"):
        fetch_encoder(make_params(encoder="./mine"))
    assert not ENCODER.exists()


def test_all_files_of_the_sample_encoder_have_the_rights_that_the_umask_leaves(make_params):
    fetch_encoder(make_params(encoder="sample", **{"sample_encoder.hidden": 32}))
    assert len({file.stat().st_mode for file in ENCODER.iterdir()}) == 1
