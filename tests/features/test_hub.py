"""From the hub comes one commit of a wav2vec 2.0, whole and verified, once; or one sentence.

The hub is one on this machine that answers as the real one does, plain downloads by HTTP.
"""

import hashlib
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import huggingface_hub
import pytest
import torch
from checkpoints import BIN, CONFIG, INDEX, PREPROCESSOR, SAFE, config, spread
from huggingface_hub import constants
from local_hub import COMMIT as A
from safetensors.torch import load_file

from speech.errors import UserError
from speech.features import hub as hub_module
from speech.features.hub import HubModel, fetch_hub_model, parse_hub_model
from speech.features.wav2vec2 import load_encoder, make_sample_encoder

MODEL = HubModel("some/encoder", A)
OTHERS = {"README.md", "tf_model.h5", "vocab.json"}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Make a small checkpoint with all the files a model on the hub may have."""
    folder = tmp_path_factory.mktemp("checkpoint") / "all"
    make_sample_encoder(folder, hidden=16, layers=2, seed=17)
    torch.save(load_file(folder / SAFE), folder / BIN)
    for name in OTHERS:
        (folder / name).write_text("not for us")
    return folder


@pytest.fixture
def published(checkpoint, hub, tmp_path):
    """Publish the checkpoint without some of its files; give their folder."""

    def make(*without):
        folder = tmp_path / "published"
        shutil.copytree(checkpoint, folder, ignore=shutil.ignore_patterns(*without))
        hub.models[MODEL.id] = folder
        return folder

    return make


@pytest.fixture(autouse=True)
def at_this_machine(hub, tmp_path, monkeypatch):
    """Have HF_ENDPOINT and HF_HOME, as if they were set before the library was imported."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(time, "sleep", lambda _: None)
    huggingface_hub.close_session()
    yield
    huggingface_hub.close_session()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data" / "hub_encoder"


def names(folder):
    return {path.name for path in folder.iterdir()}


@contextmanager
def refused(*parts):
    """Check that what is done is refused in one sentence that holds these parts."""
    with pytest.raises(UserError, match=r"^encoder: .*\.$") as caught:
        yield
    message = str(caught.value)
    assert "\n" not in message
    assert ". " not in message, "more than one sentence"
    for part in parts:
        assert part in message


# --- what is asked for ------------------------------------------------------------------------


def test_a_known_model_has_its_commit_by_default(hub):
    model = parse_hub_model("facebook/wav2vec2-base")
    assert model.commit == "0b5b8e868dd84f03fd87d01f9c4ff0f080fecfe8"
    assert set(hub_module.WEIGHTS_OF[model]) == {BIN}
    assert parse_hub_model(f"facebook/wav2vec2-base@{model.commit}") == model
    assert parse_hub_model(f"facebook/wav2vec2-base@{A}") == HubModel("facebook/wav2vec2-base", A)
    assert parse_hub_model(f"some/encoder@{A}") == MODEL
    assert hub.requests == []


@pytest.mark.parametrize("revision", [None, "", "main", "v1.0", A[:39], A.upper()])
def test_any_other_model_needs_a_commit_and_the_one_of_today_is_given(hub, published, revision):
    published()
    asked = "some/encoder" if revision is None else f"some/encoder@{revision}"
    with refused(f"{asked} is no folder", f"set encoder in params.yaml to some/encoder@{A} "):
        parse_hub_model(asked)
    hub.status["some/encoder"] = (503, "")
    with refused(f"some/encoder@<commit> (see {hub.url}/some/encoder/commits/main)"):
        parse_hub_model(asked)


@pytest.mark.parametrize("name", ["wav2vec2", "a/b/c", "https://hub/a/b", "a b/c", "a/", "@main"])
def test_what_is_neither_a_folder_nor_an_id_is_refused(hub, name):
    with refused(f"{name} is neither a folder nor a model of the Hugging Face hub"):
        parse_hub_model(name)
    assert hub.requests == []


# --- what is downloaded -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("without", "edit", "unwanted"),
    [
        ([], None, {BIN}),
        ([SAFE], None, set()),
        ([PREPROCESSOR], None, {BIN}),
        ([], spread, {BIN}),
    ],
    ids=["both forms", "bin", "no preprocessor", "spread over several files"],
)
def test_exactly_the_needed_files_come_and_safetensors_before_pickles_and_only_once(
    hub, published, folder, without, edit, unwanted
):
    source = published(*without)
    if edit:
        edit(source)
    fetch_hub_model(MODEL, folder)
    fetched = names(source) - OTHERS - unwanted
    assert names(folder) == fetched
    assert sorted(hub.downloaded) == sorted(fetched)
    assert all((folder / name).read_bytes() == (source / name).read_bytes() for name in fetched)
    load_encoder(folder)
    (folder / "left over").touch()
    hub.stop()  # what was fetched serves without it
    fetch_hub_model(MODEL, folder)
    assert names(folder) == fetched


@pytest.mark.parametrize(
    ("without", "edit", "message"),
    [
        ([], config(model_type="whisper"), "is a 'whisper' model; choose one of wav2vec2, hubert,"),
        ([CONFIG], None, f"has no {CONFIG}"),
        ([SAFE, BIN], None, f"has none of {SAFE}, {INDEX}, {BIN}"),
    ],
)
def test_what_is_no_encoder_is_refused_before_its_weights_come(
    hub, published, folder, without, edit, message
):
    source = published(*without)
    if edit:
        edit(source)
    with refused(MODEL.id, message):
        fetch_hub_model(MODEL, folder)
    assert set(hub.downloaded) <= {CONFIG, PREPROCESSOR}
    assert not folder.exists()


# --- what is verified -------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["on the way", "in the cache"])
def test_altered_weights_are_refused_removed_and_fetched_anew(
    hub, published, checkpoint, folder, where
):
    published()
    if where == "on the way":
        hub.altered.add(SAFE)
    else:
        fetch_hub_model(MODEL, folder)
        weights = folder / SAFE  # the same file, by another name
        weights.write_bytes(weights.read_bytes()[:-1] + b"#")
    with refused(f"{SAFE} of some/encoder@{A} is not the file that was published"):
        fetch_hub_model(MODEL, folder)
    hub.altered.clear()
    fetch_hub_model(MODEL, folder)
    assert (folder / SAFE).read_bytes() == (checkpoint / SAFE).read_bytes()


def test_of_a_known_model_only_the_known_weights_are_taken_whoever_serves_them(
    published, checkpoint, folder, monkeypatch
):
    published()
    digest = hashlib.sha256((checkpoint / BIN).read_bytes()).hexdigest()
    monkeypatch.setitem(hub_module.WEIGHTS_OF, MODEL, {BIN: digest})
    fetch_hub_model(MODEL, folder)
    assert names(folder) == {CONFIG, PREPROCESSOR, BIN}
    monkeypatch.setitem(hub_module.WEIGHTS_OF, MODEL, {BIN: 64 * "0"})
    with refused(f"its SHA-256 is {digest}, not {64 * '0'}", "another HF_ENDPOINT"):
        fetch_hub_model(MODEL, folder)


# --- the network ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (401, "RepoNotFound", "is not at {hub}, or it is private"),
        (403, "GatedRepo", "is only for users who accepted its terms"),
        (404, "RevisionNotFound", f"has no revision {A}"),
        (503, "", "cannot be downloaded from {hub} (Server error '503"),
        (None, "", "cannot be downloaded from {hub} ("),  # no server at all
    ],
)
def test_what_the_hub_refuses_is_passed_on_in_one_sentence(
    hub, published, folder, status, code, message
):
    published()
    if status is None:
        hub.stop()
    else:
        hub.status[MODEL.id] = (status, code)
    with refused(message.format(hub=hub.url)):
        fetch_hub_model(MODEL, folder)
    assert not folder.exists()


FETCH = f"""
import sys
from pathlib import Path
from speech.features.hub import HubModel, fetch_hub_model
fetch_hub_model({MODEL!r}, Path(sys.argv[1]))
"""


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("hf_secret", ""),
        ("hf_other", "some/encoder is not at http://hub.invalid, or it is private"),
    ],
)
def test_the_cache_the_token_and_the_proxy_of_the_environment_are_used(
    hub, published, folder, tmp_path, token, said
):
    published()
    hub.token = "hf_secret"
    environment = {"HF_HOME": str(tmp_path / "mine"), "HF_ENDPOINT": "http://hub.invalid"}
    done = subprocess.run(
        [sys.executable, "-c", FETCH, str(folder)],
        cwd=Path(__file__).parents[2],
        env=environment | {"HTTP_PROXY": hub.url, "HF_TOKEN": token},
        capture_output=True,
        text=True,
        check=False,
    )
    assert token not in done.stderr
    assert folder.exists() == (said == "")
    # Nor is there a progress bar in a log.
    assert said in done.stderr if said else done.stdout + done.stderr == ""
    if not said:
        blobs = (tmp_path / "mine/hub").glob("*/blobs/*")
        assert any((folder / SAFE).samefile(blob) for blob in blobs)


# --- without it -------------------------------------------------------------------------------


def test_offline_the_cache_serves_and_the_fetched_files_outlive_it(
    hub, published, checkpoint, folder, monkeypatch
):
    published(SAFE)
    fetch_hub_model(MODEL, folder)
    shutil.rmtree(folder)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    hub.stop()
    fetch_hub_model(MODEL, folder)
    assert names(folder) == {CONFIG, PREPROCESSOR, BIN}
    shutil.rmtree(constants.HF_HUB_CACHE)
    assert (folder / BIN).read_bytes() == (checkpoint / BIN).read_bytes()
    assert not any(path.is_symlink() for path in folder.iterdir())


@pytest.mark.parametrize("cached", [[], [CONFIG, SAFE]], ids=["nothing", "no preprocessor"])
def test_offline_what_was_not_fetched_is_not_made_up(hub, published, folder, monkeypatch, cached):
    published()
    for name in cached:
        huggingface_hub.hf_hub_download(MODEL.id, name, revision=A)
    hub.requests.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with refused("HF_HUB_OFFLINE forbids its download", constants.HF_HUB_CACHE):
        fetch_hub_model(MODEL, folder)
    assert hub.requests == []
