"""The stage extract_wav2vec2 on a few recordings: what it writes, and what later stages make of it.

The encoder is a small WavLM with random weights, to which whatever holds for wav2vec 2.0 applies.
"""

import ctypes
import errno
import json
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from checkpoints import config
from nested import with_changes
from transformers import WavLMConfig, WavLMModel

import stages.extract_wav2vec2
from speech.audio.decode import file_digest
from speech.errors import UserError
from speech.evaluation.headline import Headline, write_headline
from speech.features import engines, wav2vec2
from speech.features.settings import REFERENCE, Mode
from speech.features.store import read_speaker
from speech.inference.models import ChosenModel, find_encoder
from stages.build_examples import spec_of
from stages.extract_wav2vec2 import extract_wav2vec2
from stages.fetch_encoder import fetch_encoder
from stages.paths import CORPUS_AUDIO, ENCODER, RESULTS, UTTERANCES, WAV2VEC2

SPEAKERS = ("ann", "bob")


@pytest.fixture
def params(tmp_path, monkeypatch, voice, write_audio, make_params):
    """Lie at the root of a project with two speakers and an encoder of the user's own."""
    monkeypatch.chdir(tmp_path)
    rows = []
    # The first is shorter than a chunk.
    for number, seconds in enumerate((1.2, 3.0, 4.0, 4.0)):
        speaker, session = SPEAKERS[number // 2], "ab"[number % 2]
        place = f"{speaker}/{session}.wav"
        write_audio(CORPUS_AUDIO / place, voice(seconds, seed=number))
        rows.append((f"{speaker}-{session}", speaker, place))
    table = pd.DataFrame(rows, columns=["utterance_id", "speaker_id", "path"])
    table["digest"] = [file_digest(CORPUS_AUDIO / path) for path in table["path"]]
    table.to_parquet(UTTERANCES)
    # Encoders are kept by their path, which is the same in all tests.
    torch.manual_seed(17)
    settings = {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2}
    settings |= {"conv_dim": (16,) * 7, "num_conv_pos_embedding_groups": 4}
    WavLMModel(WavLMConfig(**settings, intermediate_size=32)).save_pretrained("mine")
    return make_params(encoder="./mine", **{"compute.jobs": 1})


def test_every_utterance_is_embedded_and_the_encoder_is_named(params):
    fetch_encoder(params)
    said = extract_wav2vec2(params)
    assert said.startswith("4 utterances of 2 speakers in data/wav2vec2 (")
    assert said.endswith(
        "0 of them kept from an earlier run, by WavLM in float32 with torch on cpu"
    )
    for speaker in SPEAKERS:
        tensors = read_speaker(WAV2VEC2, speaker)
        assert tensors[f"{speaker}-b/pooled"].shape == (2, 5, 32)
    expected = {"family": "WavLM", "mode": str(REFERENCE)}
    assert json.loads((RESULTS / "encoder.json").read_text()) == expected
    assert "4 of them kept" in extract_wav2vec2(params)


def test_predict_finds_the_encoder_of_training_and_refuses_any_other(params, tmp_path):
    fetch_encoder(params)
    extract_wav2vec2(params)
    spec = spec_of(params, "speaker", "wav2vec2")
    write_headline(Path("models"), "speaker", Headline("svm", "wav2vec2", "mine", "mine", {}))
    folder = Path("models/speaker-wav2vec2/svm")
    model = ChosenModel("speaker", "wav2vec2", "svm", None, spec, {}, folder)
    assert find_encoder(Path("models"), model, None).resolve() == ENCODER.resolve()
    other = shutil.copytree(tmp_path / "mine", tmp_path / "other")
    config(layerdrop=0.123)(other)
    with pytest.raises(UserError, match=r"other: is not the WavLM that speaker-wav2vec2-svm was"):
        find_encoder(Path("models"), model, other)
    with pytest.raises(UserError, match=r"needs the WavLM it was trained with \(mine\)"):
        find_encoder(tmp_path / "models", model, tmp_path / "nowhere")


def test_an_encoder_that_may_not_be_read_is_not_called_damaged(params, monkeypatch):
    fetch_encoder(params)
    opened = Path.open

    def refuse(path, *arguments, **options):
        if path.suffix == ".safetensors":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(PermissionError, match=r"data/encoder/model\.safetensors"):
        extract_wav2vec2(params)
    with pytest.raises(PermissionError, match=r"mine/model\.safetensors"):
        find_encoder(Path("models"), SimpleNamespace(folder=Path("models/m")), Path("mine"))


def in_mode(params, **changes):
    """Run the stage with other choices of `compute`; return its closing line and all features."""
    changes = {f"compute.{key}": value for key, value in changes.items()}
    said = extract_wav2vec2(type(params).model_validate(with_changes(params.model_dump(), changes)))
    return said, read_speaker(WAV2VEC2, "ann") | read_speaker(WAV2VEC2, "bob")


def test_another_mode_computes_all_anew_and_the_same_mode_the_same_bytes(params):
    fetch_encoder(params)
    _, exact = in_mode(params)
    said, half = in_mode(params, precision="bfloat16")
    assert "0 of them kept" in said
    assert said.endswith("by WavLM in bfloat16 with torch on cpu")
    assert "4 of them kept" in in_mode(params, precision="bfloat16")[0]
    shutil.rmtree(WAV2VEC2)
    _, again = in_mode(params, precision="bfloat16")
    for name, array in half.items():
        np.testing.assert_array_equal(array, again[name])
        assert 0 < np.linalg.norm(array - exact[name]) < 0.03 * np.linalg.norm(exact[name])


@pytest.fixture
def a_gpu(monkeypatch):
    """Have torch say that there is a GPU; what is sent there is noted, and stays where it is."""
    sent = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(engines, "move", lambda what, device: sent.append((what, device)) or what)
    yield sent
    torch.backends.cudnn.deterministic = False


@pytest.fixture
def used(monkeypatch):
    """Note how many threads use the encoder at a time."""
    using, most = [], []
    normalised = wav2vec2._normalised

    def noted(*own):
        using.append(None)
        most.append(len(using))
        time.sleep(0.05)  # for another thread to come in
        made = normalised(*own)
        using.pop()
        return made

    monkeypatch.setattr(wav2vec2, "_normalised", noted)
    return most


def test_a_gpu_is_used_by_threads_of_one_process_in_batches_over_utterances_of_one_length(
    params, a_gpu, monkeypatch, used
):
    fetch_encoder(params)
    _, expected = in_mode(params, device="cpu")
    assert {device for _, device in a_gpu} == {"cpu"}
    a_gpu.clear()
    workers = []
    extract = stages.extract_wav2vec2.extract_features
    monkeypatch.setattr(
        stages.extract_wav2vec2,
        "extract_features",
        lambda *own, **named: (
            workers.append((named["jobs"], named["prefer"])) or extract(*own, **named)
        ),
    )
    used.clear()
    said, found = in_mode(params, device="auto", jobs=2)
    assert used == [1, 1, 1]
    assert said.endswith("by WavLM in float32 with torch on cuda")
    assert workers == [(2, "threads")]
    assert {device for _, device in a_gpu} == {"cuda"}
    # The last two utterances have two chunks each, which were two batches on the processor.
    shapes = [tuple(what.shape) for what, _ in a_gpu if isinstance(what, torch.Tensor)]
    assert sorted(shapes) == [(1, 19_200), (2, 32_000), (4, 32_000)]
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, atol=2e-3 if "sequence" in name else 1e-5)


def test_on_a_gpu_the_size_of_a_batch_is_part_of_the_features_and_on_the_processor_not(
    params, a_gpu
):
    fetch_encoder(params)
    for device, kept in (("cuda", "0 of them kept"), ("cpu", "4 of them kept")):
        in_mode(params, device=device)
        changed = with_changes(params.model_dump(), {"wav2vec2.batch_size": 2})
        assert kept in in_mode(type(params).model_validate(changed), device=device)[0]


@pytest.mark.parametrize(
    ("mode", "sizes"), [(Mode("cuda"), [8, 8, 1]), (Mode("cuda", "bfloat16"), [17])]
)
def test_a_gpu_embeds_few_positions_at_a_time_in_float32(a_gpu, mode, sizes):
    seen = []
    positions = torch.nn.Identity()
    positions.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    model = torch.nn.Module()
    model.encoder = torch.nn.Module()
    model.encoder.pos_conv_embed = positions
    engines.prepare(model, mode)
    states = torch.rand(17, 3, 2)
    assert torch.equal(model.encoder.pos_conv_embed(states), states)
    assert seen == sizes


@pytest.mark.parametrize("library", ["glibc", "another"])
def test_the_c_library_is_told_to_keep_memory_where_it_listens(monkeypatch, library):
    told = {}
    found = SimpleNamespace(**({"mallopt": told.__setitem__} if library == "glibc" else {}))
    monkeypatch.setattr(ctypes, "CDLL", lambda _: found)
    model = torch.nn.Module()
    model.feature_extractor = torch.nn.Identity()
    engines.prepare(model, Mode())
    # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of `man mallopt`.
    assert told == ({-1: 2**28, -3: 2**25} if library == "glibc" else {})


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"device": "cuda"}, r"compute\.device: torch finds no cuda on this machine; set it"),
        ({"device": "mps"}, r"compute\.device: torch finds no mps on this machine; set it"),
        ({"backend": "openvino"}, r"compute\.backend: openvino is not installed; type `pip"),
    ],
)
def test_what_this_machine_lacks_is_said_before_anything_is_embedded(
    params, monkeypatch, changes, problem
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(engines, "find_spec", lambda _: None)
    fetch_encoder(params)
    with pytest.raises(UserError, match=problem):
        in_mode(params, **changes)
    assert not WAV2VEC2.exists()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"device": "cuda", "backend": "openvino"}, r"device \(cuda\) must be auto or cpu with"),
        ({"device": "mps", "precision": "bfloat16"}, r"precision \(bfloat16\) must be float32"),
    ],
)
def test_modes_that_no_machine_has_are_refused_with_params_yaml(make_params, changes, problem):
    with pytest.raises(ValueError, match=problem):
        make_params(**{f"compute.{key}": value for key, value in changes.items()})


@pytest.mark.parametrize(
    ("there", "precision", "chosen"),
    [
        ((), "float32", "cpu"),
        (("cuda", "mps"), "bfloat16", "cuda"),
        (("mps",), "float32", "mps"),
        # torch's autocast is not for it.
        (("mps",), "bfloat16", "cpu"),
    ],
)
def test_auto_takes_a_gpu_where_there_is_one(monkeypatch, there, precision, chosen):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in there)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in there)
    assert engines.choose_mode("auto", precision, "torch").device == chosen
