"""An encoder from the hub, as a user has it: by params.yaml, DVC and the environment."""

from dataclasses import replace

import pytest

from speech.features.wav2vec2 import make_sample_encoder

WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint") / "small"
    make_sample_encoder(folder, hidden=16, layers=4, seed=17)
    return folder


@pytest.fixture
def connected(bare, hub):
    """Check the project out where HF_ENDPOINT is the hub on this machine."""
    environment = {
        key: value
        for key, value in bare.environment.items()
        if not key.startswith(("HF_", "XDG_CACHE_")) and not key.lower().endswith("_proxy")
    }
    return replace(
        bare, environment=environment | {"HF_ENDPOINT": hub.url, "NO_PROXY": "127.0.0.1"}
    )


def within(project, **variables):
    return replace(project, environment=project.environment | variables)


def test_dvc_fetches_once_and_a_forced_run_asks_for_nothing(connected, hub, checkpoint, tmp_path):
    home = tmp_path / "my hub"
    project = within(connected, HF_HOME=str(home))
    name = hub.publish("some/encoder", checkpoint)
    result = project.dvc("exp", "run", "-S", f"encoder={name}", "fetch_encoder")
    assert f"data/encoder is {name}" in result.closing_line("fetch_encoder")
    assert "\r" not in result.out + result.err
    assert sorted(hub.downloaded) == sorted(["config.json", "preprocessor_config.json", WEIGHTS])
    blobs = [blob.resolve() for blob in (home / "hub").glob("*/blobs/*")]
    for file in (project.root / "data/encoder").iterdir():
        assert any(file.samefile(blob) for blob in blobs), "copied, or not from HF_HOME"

    hub.requests.clear()
    assert project.dvc("repro", "fetch_encoder").stages_run == []
    lock = (project.root / "dvc.lock").read_bytes()
    project.dvc("repro", "--force", "--single-item", "fetch_encoder")
    assert (project.root / "dvc.lock").read_bytes() == lock
    assert hub.requests == []


def test_a_token_is_shown_and_a_proxy_is_gone_through(connected, hub, checkpoint):
    hub.token = "hf_secret"
    connected.set(encoder=hub.publish("some/encoder", checkpoint))
    proxied = {"HF_ENDPOINT": "http://hub.invalid", "HTTP_PROXY": hub.url, "NO_PROXY": ""}
    stage = ("python", "stages/fetch_encoder.py")
    result = within(connected, **proxied, HF_TOKEN="hf_another").run(*stage)
    assert (result.status, result.out, result.err.count("\n")) == (1, "", 1)
    said = "fetch_encoder: encoder: some/encoder is not at http://hub.invalid, or it is private"
    assert result.err.startswith(said)
    assert "hf_another" not in result.err
    assert not (connected.root / "data/encoder").exists()
    result = within(connected, **proxied, HF_TOKEN="hf_secret").run(*stage)
    assert (result.status, result.out.count("\n"), result.err) == (0, 1, "")
    assert (connected.root / "data/encoder" / WEIGHTS).is_file()
