"""From the hub comes one commit of a wav2vec 2.0, whole and verified, once; or one sentence.

The hub is one on this machine that answers as the real one does, plain downloads by HTTP.
"""

import errno
import hashlib
import json
import os
import shutil
import time

import huggingface_hub
import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file
from transformers import Wav2Vec2Model

import speech.features.hub
from speech.errors import UserError
from speech.features.checkpoint import check_encoder_folder
from speech.features.hub import HubModel, fetch_hub_model, parse_hub_model
from speech.features.wav2vec2 import load_encoder, make_sample_encoder
from speech.params import SampleEncoder

A, B = 40 * "a", 40 * "b"
MODEL = HubModel("some/encoder", A)
CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
SAFE, INDEX, BIN = "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Make a small checkpoint with all the files a model on the hub may have."""
    folder = tmp_path_factory.mktemp("checkpoint") / "all"
    make_sample_encoder(folder, SampleEncoder(hidden=16, layers=2), seed=17)
    torch.save(load_file(folder / SAFE), folder / BIN)
    for name in ("README.md", "tf_model.h5", "vocab.json"):
        (folder / name).write_text("not for us")
    return folder


@pytest.fixture
def published(checkpoint, tmp_path):
    """Copy the checkpoint without some of its files, to be published."""

    def make(*without):
        return shutil.copytree(
            checkpoint, tmp_path / "published", ignore=shutil.ignore_patterns(*without)
        )

    return make


@pytest.fixture(autouse=True)
def at_this_machine(hub, tmp_path, monkeypatch):
    """Have HF_ENDPOINT and HF_HOME, as if they were set before the library was imported."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    point_to(monkeypatch, hub.url)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(time, "sleep", lambda _: None)
    huggingface_hub.close_session()
    yield
    huggingface_hub.close_session()


def point_to(monkeypatch, url):
    template = url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data" / "hub_encoder"


@pytest.fixture
def offline(monkeypatch):
    return lambda: monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def names(folder):
    return {path.name for path in folder.iterdir()}


def refusal(function, *arguments):
    """Return the one sentence with which a call is refused."""
    with pytest.raises(UserError) as caught:
        function(*arguments)
    message = str(caught.value)
    assert message.startswith("encoder: ")
    assert message.endswith(".")
    assert "\n" not in message
    assert ". " not in message, "more than one sentence"
    return message


# --- what is asked for ------------------------------------------------------------------------


def test_a_known_model_has_its_commit_by_default(hub):
    model = parse_hub_model("facebook/wav2vec2-base")
    assert model.commit == "0b5b8e868dd84f03fd87d01f9c4ff0f080fecfe8"
    assert set(model.sha256) == {BIN}
    assert parse_hub_model(f"facebook/wav2vec2-base@{model.commit}") == model
    assert parse_hub_model(f"facebook/wav2vec2-base@{A}") == HubModel("facebook/wav2vec2-base", A)
    assert hub.requests == []


@pytest.mark.parametrize("asked", ["some/encoder", "some/encoder@"])
def test_any_other_model_needs_a_commit_and_is_told_todays(hub, checkpoint, asked):
    hub.publish("some/encoder", checkpoint, A)
    assert parse_hub_model(f"some/encoder@{A}") == MODEL
    said = refusal(parse_hub_model, asked)
    assert "there is no folder some/encoder" in said
    assert f"set encoder in params.yaml to some/encoder@{A}," in said


@pytest.mark.parametrize("revision", ["main", "v1.0", A[:39], A.upper()])
def test_a_branch_or_tag_is_refused_with_the_commit_it_is_today(hub, checkpoint, revision):
    hub.publish("some/encoder", checkpoint, A)
    hub.branches["some/encoder", revision] = A
    said = refusal(parse_hub_model, f"some/encoder@{revision}")
    assert f"{revision!r} is no commit" in said
    assert f"set encoder in params.yaml to some/encoder@{A}," in said


@pytest.mark.parametrize("asked", ["some/encoder", "some/encoder@main"])
def test_where_the_hub_does_not_answer_the_page_with_the_commits_is_named(hub, asked):
    hub.status["some/encoder"] = (503, "")
    said = refusal(parse_hub_model, asked)
    assert "some/encoder@<commit>" in said
    assert f"{hub.url}/some/encoder/commits/main" in said


def test_a_model_that_is_not_there_is_not_given_a_commit(hub):
    assert f"{hub.url} has no model some/typo" in refusal(parse_hub_model, "some/typo")


@pytest.mark.parametrize("name", ["wav2vec2", "a/b/c", "https://hub/a/b", "a b/c", "a/", "@main"])
def test_what_is_neither_a_folder_nor_an_id_is_refused(hub, name):
    said = refusal(parse_hub_model, name)
    assert f"{name} is neither a folder nor a model of the Hugging Face hub" in said
    assert hub.requests == []


# --- what is downloaded -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("without", "weights"),
    [([], SAFE), ([BIN], SAFE), ([SAFE], BIN)],
    ids=["both forms", "safetensors", "bin"],
)
def test_exactly_the_needed_files_come_and_safetensors_before_pickles(
    hub, published, folder, without, weights
):
    hub.publish(MODEL.id, published(*without))
    fetch_hub_model(MODEL, folder)
    assert names(folder) == {CONFIG, PREPROCESSOR, weights}
    assert sorted(hub.downloaded) == sorted([CONFIG, PREPROCESSOR, weights])
    assert load_encoder(folder).states == 3


def test_weights_spread_over_several_files_come_with_all_of_them(hub, checkpoint, tmp_path, folder):
    spread = tmp_path / "spread"
    model = Wav2Vec2Model.from_pretrained(checkpoint)
    model.save_pretrained(spread, max_shard_size="20KB")
    shutil.copy(checkpoint / PREPROCESSOR, spread)
    shards = {path.name for path in spread.glob("model-*.safetensors")}
    assert len(shards) > 2
    hub.publish(MODEL.id, spread)
    fetch_hub_model(MODEL, folder)
    check_encoder_folder(folder)
    assert names(folder) == {CONFIG, PREPROCESSOR, INDEX, *shards}
    loaded = load_encoder(folder).model.encoder.state_dict()
    assert all(
        torch.equal(loaded[name], weight) for name, weight in model.encoder.state_dict().items()
    )


def test_a_model_without_preprocessor_is_complete(hub, published, folder):
    hub.publish(MODEL.id, published(PREPROCESSOR))
    fetch_hub_model(MODEL, folder)
    assert names(folder) == {CONFIG, SAFE}


def test_a_second_time_nothing_is_asked_for(hub, published, folder):
    """Nor for what the model does not have."""
    hub.publish(MODEL.id, published(SAFE, PREPROCESSOR))
    fetch_hub_model(MODEL, folder)
    hub.requests.clear()
    (folder / "left over").touch()
    fetch_hub_model(MODEL, folder)
    assert hub.requests == []
    assert names(folder) == {CONFIG, BIN}


def test_an_emptied_cache_leaves_the_fetched_files(hub, checkpoint, folder):
    hub.publish(MODEL.id, checkpoint)
    fetch_hub_model(MODEL, folder)
    shutil.rmtree(constants.HF_HUB_CACHE)
    assert (folder / SAFE).read_bytes() == (checkpoint / SAFE).read_bytes()
    assert load_encoder(folder).states == 3


def test_a_cache_on_another_file_system_is_copied_from(hub, checkpoint, folder, monkeypatch):
    def other_device(*_):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", other_device)
    hub.publish(MODEL.id, checkpoint)
    fetch_hub_model(MODEL, folder)
    assert (folder / SAFE).read_bytes() == (checkpoint / SAFE).read_bytes()


def test_an_encoder_that_finds_no_room_leaves_the_earlier_one_whole(
    hub, checkpoint, folder, monkeypatch
):
    def no_room(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    hub.publish(MODEL.id, checkpoint)
    fetch_hub_model(MODEL, folder)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    monkeypatch.setattr(os, "link", no_room)
    monkeypatch.setattr(shutil, "copyfile", no_room)
    with pytest.raises(UserError, match=r"cannot be written \(No space left on device\)"):
        fetch_hub_model(MODEL, folder)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_each_commit_has_its_own_files(hub, checkpoint, published, folder):
    other = published()
    (other / SAFE).write_bytes(b"other weights")
    hub.publish(MODEL.id, checkpoint, A)
    hub.publish(MODEL.id, other, B)
    fetch_hub_model(HubModel(MODEL.id, B), folder)
    assert (folder / SAFE).read_bytes() == b"other weights"
    fetch_hub_model(HubModel(MODEL.id, A), folder)
    assert (folder / SAFE).read_bytes() == (checkpoint / SAFE).read_bytes()


@pytest.mark.parametrize("architecture", ["hubert", "wavlm", "data2vec-audio", "wav2vec2-bert"])
def test_another_architecture_is_refused_by_name_before_its_weights_come(
    hub, published, folder, architecture
):
    other = published()
    (other / CONFIG).write_text(json.dumps({"model_type": architecture}))
    hub.publish(MODEL.id, other)
    said = refusal(fetch_hub_model, MODEL, folder)
    assert f"some/encoder is a {architecture!r} model, not 'wav2vec2'" in said
    assert hub.downloaded == [CONFIG]
    assert not folder.exists()


def test_a_model_without_usable_weights_is_told_what_they_would_be(hub, published, folder):
    hub.publish(MODEL.id, published(SAFE, BIN))
    assert f"has none of {SAFE}, {INDEX}, {BIN}" in refusal(fetch_hub_model, MODEL, folder)


def test_an_index_that_names_files_elsewhere_is_refused(hub, published, folder):
    hostile = published(SAFE)
    index = {"weight_map": {"weight": "../../../somewhere.safetensors"}}
    (hostile / INDEX).write_text(json.dumps(index))
    hub.publish(MODEL.id, hostile)
    assert "does not list safetensors files beside it" in refusal(fetch_hub_model, MODEL, folder)


# --- what is verified -------------------------------------------------------------------------


@pytest.mark.parametrize("name", [CONFIG, SAFE])
def test_a_file_altered_on_the_way_is_refused_removed_and_fetched_anew(
    hub, checkpoint, folder, name
):
    hub.publish(MODEL.id, checkpoint)
    hub.altered.add(name)
    said = refusal(fetch_hub_model, MODEL, folder)
    assert f"{name} of some/encoder@{A} is not the file that was published" in said
    assert not folder.exists()
    hub.altered.clear()
    fetch_hub_model(MODEL, folder)
    assert (folder / name).read_bytes() == (checkpoint / name).read_bytes()


def test_a_file_that_rots_in_the_cache_is_noticed(hub, checkpoint, folder):
    hub.publish(MODEL.id, checkpoint)
    fetch_hub_model(MODEL, folder)
    weights = folder / SAFE  # the same file, by another name
    weights.write_bytes(weights.read_bytes()[:-1] + b"#")
    assert f"{SAFE} of" in refusal(fetch_hub_model, MODEL, folder)
    fetch_hub_model(MODEL, folder)
    assert (folder / SAFE).read_bytes() == (checkpoint / SAFE).read_bytes()


def test_of_a_known_model_only_the_known_weights_are_taken_whoever_serves_them(
    hub, checkpoint, folder, monkeypatch
):
    digest = hashlib.sha256((checkpoint / BIN).read_bytes()).hexdigest()
    hub.publish("some/known", checkpoint)
    fetch_hub_model(HubModel("some/known", A, {BIN: digest}), folder)
    assert names(folder) == {CONFIG, PREPROCESSOR, BIN}
    said = refusal(fetch_hub_model, HubModel("some/known", A, {BIN: 64 * "0"}), folder)
    assert f"its digest is {digest}, not {64 * '0'}" in said
    assert "another HF_ENDPOINT" in said


# --- the network ------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [0, 1, 2000, -1])
def test_a_cut_connection_is_taken_up_where_it_broke(hub, checkpoint, folder, place):
    hub.publish(MODEL.id, checkpoint)
    size = (checkpoint / SAFE).stat().st_size
    hub.cut_after[SAFE] = (place % size, 2)
    fetch_hub_model(MODEL, folder)
    assert (folder / SAFE).read_bytes() == (checkpoint / SAFE).read_bytes()
    assert hub.downloaded.count(SAFE) == 3


def test_a_connection_that_stays_cut_leaves_nothing_half_and_the_next_run_completes(
    hub, checkpoint, folder, tmp_path
):
    hub.publish(MODEL.id, checkpoint)
    hub.cut_after[SAFE] = (2000, float("inf"))
    said = refusal(fetch_hub_model, MODEL, folder)
    assert f"{SAFE} of some/encoder cannot be downloaded from {hub.url}" in said
    assert not folder.exists()
    assert [*tmp_path.glob("cache/**/*.incomplete")] == []
    hub.cut_after.clear()
    hub.requests.clear()
    fetch_hub_model(MODEL, folder)
    assert hub.downloaded == [SAFE, PREPROCESSOR]


def test_a_hub_that_is_not_there_is_named_with_the_way_around_it(hub, folder, monkeypatch):
    point_to(monkeypatch, "http://127.0.0.1:9")
    said = refusal(fetch_hub_model, MODEL, folder)
    assert "cannot be downloaded from http://127.0.0.1:9 (" in said
    assert "HF_ENDPOINT" in said


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (401, "RepoNotFound", "has no model some/encoder, or it is private"),
        (404, "RepoNotFound", "has no model some/encoder, or it is private"),
        (401, "GatedRepo", "only for users who accepted its terms"),
        (403, "GatedRepo", "only for users who accepted its terms"),
        (404, "RevisionNotFound", f"has no revision {A}"),
        (403, "", "answers 403 to the request for config.json"),
        (503, "", "answers 503 to the request for config.json"),
    ],
)
def test_what_the_hub_refuses_is_passed_on_in_one_sentence(
    hub, checkpoint, folder, status, code, told
):
    hub.publish(MODEL.id, checkpoint)
    hub.status[MODEL.id] = (status, code)
    assert told in refusal(fetch_hub_model, MODEL, folder)
    assert not folder.exists()


def test_a_commit_that_the_model_does_not_have_is_named(hub, checkpoint, folder):
    hub.publish(MODEL.id, checkpoint, A)
    said = refusal(fetch_hub_model, HubModel(MODEL.id, B), folder)
    assert f"some/encoder has no revision {B}" in said


def test_a_full_disk_is_told_with_the_folder(hub, checkpoint, folder, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    hub.publish(MODEL.id, checkpoint)
    monkeypatch.setattr(speech.features.hub, "hf_hub_download", full)
    said = refusal(fetch_hub_model, MODEL, folder)
    assert f"cannot be written to {constants.HF_HUB_CACHE} (No space left on device)" in said


# --- without it -------------------------------------------------------------------------------


def test_offline_what_was_fetched_before_serves(hub, published, folder, offline):
    hub.publish(MODEL.id, published(SAFE))
    fetch_hub_model(MODEL, folder)
    offline()
    hub.stop()
    fetch_hub_model(MODEL, folder)
    assert names(folder) == {CONFIG, PREPROCESSOR, BIN}


def test_offline_what_was_never_fetched_is_named(hub, checkpoint, folder, offline):
    hub.publish(MODEL.id, checkpoint)
    offline()
    said = refusal(fetch_hub_model, MODEL, folder)
    assert "HF_HUB_OFFLINE forbids its download" in said
    assert constants.HF_HUB_CACHE in said
    assert hub.requests == []


@pytest.mark.parametrize("weights", [SAFE, BIN])
def test_offline_what_others_left_in_the_cache_serves(hub, checkpoint, folder, offline, weights):
    """Others do not note in the cache which files a model has not."""
    hub.publish(MODEL.id, checkpoint)
    for name in (CONFIG, PREPROCESSOR, weights):
        huggingface_hub.hf_hub_download(MODEL.id, name, revision=A)
    offline()
    fetch_hub_model(MODEL, folder)
    assert names(folder) == {CONFIG, PREPROCESSOR, weights}


def test_offline_a_preprocessor_that_may_exist_is_not_made_up(hub, checkpoint, folder, offline):
    hub.publish(MODEL.id, checkpoint)
    for name in (CONFIG, SAFE):
        huggingface_hub.hf_hub_download(MODEL.id, name, revision=A)
    offline()
    assert f"{PREPROCESSOR} of" in refusal(fetch_hub_model, MODEL, folder)
