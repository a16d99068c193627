"""The stage extract_wav2vec2 on a few recordings: what it writes, and what later stages make of it.

The encoder is a small WavLM with random weights, to which whatever holds for wav2vec 2.0 applies.
"""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from checkpoints import config
from transformers import WavLMConfig, WavLMModel

from speech.audio.decode import file_digest
from speech.errors import UserError
from speech.features.feature_spec import spec_of_wav2vec2
from speech.features.store import read_speaker, speaker_file
from speech.inference.models import ChosenModel, find_encoder
from stages.extract_wav2vec2 import extract_wav2vec2
from stages.fetch_encoder import fetch_encoder
from stages.paths import CORPUS_AUDIO, ENCODER, RESULTS, UTTERANCES, WAV2VEC2

SPEAKERS = ("ann", "bob")


@pytest.fixture
def params(tmp_path, monkeypatch, voice, write_audio, make_params):
    """Lie at the root of a project with two speakers and an encoder of the user's own."""
    monkeypatch.chdir(tmp_path)
    rows = []
    for number, speaker in enumerate(SPEAKERS):
        for session in "ab":
            file = write_audio(
                CORPUS_AUDIO / speaker / f"{session}.wav", voice(3.0 + number, seed=number)
            )
            rows.append((f"{speaker}-{session}", speaker, f"{speaker}/{file.name}"))
    table = pd.DataFrame(rows, columns=["utterance_id", "speaker_id", "path"])
    table["digest"] = [file_digest(CORPUS_AUDIO / path) for path in table["path"]]
    table.to_parquet(UTTERANCES)
    settings = {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2}
    settings |= {"conv_dim": (16,) * 7, "num_conv_pos_embedding_groups": 4}
    WavLMModel(WavLMConfig(**settings, intermediate_size=32)).save_pretrained("mine")
    return make_params(encoder="./mine", **{"compute.jobs": 1})


def test_every_utterance_is_embedded_and_the_encoder_is_named(params):
    fetch_encoder(params)
    said = extract_wav2vec2(params)
    assert said.startswith("4 utterances of 2 speakers in data/wav2vec2 (")
    assert said.endswith("0 of them kept from an earlier run, by WavLM")
    for speaker in SPEAKERS:
        tensors = read_speaker(speaker_file(WAV2VEC2, speaker))
        assert tensors[f"{speaker}-a/pooled"].shape == (2, 5, 32)
    assert json.loads((RESULTS / "encoder.json").read_text())["family"] == "WavLM"
    assert "4 of them kept" in extract_wav2vec2(params)


def test_predict_finds_the_encoder_of_training_and_refuses_any_other(params, tmp_path):
    fetch_encoder(params)
    extract_wav2vec2(params)
    spec = spec_of_wav2vec2(
        WAV2VEC2,
        chunks=params.chunks,
        wav2vec2=params.wav2vec2,
        inputs=params.inputs.wav2vec2,
    )
    Path("models").mkdir()
    headline = SimpleNamespace(encoder="mine")
    model = ChosenModel(
        "speaker", "wav2vec2", "svm", None, spec, {}, Path("speaker-wav2vec2-svm"), headline
    )
    assert find_encoder(Path("models"), model, None).resolve() == ENCODER.resolve()
    other = shutil.copytree(tmp_path / "mine", tmp_path / "other")
    config(layerdrop=0.123)(other)
    with pytest.raises(UserError, match=r"other: is not the WavLM that speaker-wav2vec2-svm was"):
        find_encoder(Path("models"), model, other)
    with pytest.raises(UserError, match=r"needs the WavLM it was trained with \(mine\)"):
        find_encoder(tmp_path / "models", model, tmp_path / "nowhere")
