"""wav2vec 2.0 as a frozen extractor: what transformers computes, chunk by chunk, and no surprises.

A sample encoder of 16 channels and two layers stands for any checkpoint: the loading code and the
architecture are the same.
"""

import numpy as np
import pytest
import torch
from checkpoints import CONFIG, PREPROCESSOR, SAFE
from transformers.models.wav2vec2.modeling_wav2vec2 import Wav2Vec2Attention

from speech.audio.chunks import chunk_bounds
from speech.features.engines import prepare
from speech.features.wav2vec2 import ChunkEmbedder, embed, load_encoder, make_sample_encoder

HIDDEN, LAYERS = 16, 2


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Work as the pipeline does, and quietly beside others."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder") / "sample"
    make_sample_encoder(folder, hidden=HIDDEN, layers=LAYERS, seed=17)
    return folder


@pytest.fixture(scope="module")
def encoder(checkpoint):
    """Load an encoder and prepare it, as extraction and predict.py do."""
    loaded = load_encoder(checkpoint)
    prepare(loaded.model, loaded.mode)
    return loaded


def embedded(encoder, signal, bounds, **changes):
    settings = {"layers": [0, 1, 2], "sequence_layer": 1, "sequence_stride": 4, "batch_size": 8}
    return embed(encoder, signal, bounds, **settings | changes)


def test_the_same_call_gives_the_same_bits(encoder, voice):
    """Neither dropout nor LayerDrop nor masking is at work."""
    config = encoder.model.config
    assert min(config.layerdrop, config.hidden_dropout, config.mask_time_prob) > 0
    assert not encoder.model.training
    bounds = [(0, 32_000), (32_000, 64_000), (64_000, 96_000)]
    first, second = (embedded(encoder, voice(6.0), bounds) for _ in range(2))
    for part in ("pooled", "sequence"):
        np.testing.assert_array_equal(first[part], second[part])


def test_the_embedder_runs_no_layer_above_those_asked_for(checkpoint, voice, monkeypatch):
    run = []
    attention = Wav2Vec2Attention.forward
    monkeypatch.setattr(
        Wav2Vec2Attention, "forward", lambda *a, **k: run.append(1) or attention(*a, **k)
    )
    chunks = {"seconds": 1.0, "hop_seconds": 1.0, "tail": "drop"}
    settings = {"layers": (0,), "sequence_layer": 1, "sequence_stride": 4, "batch_size": 8}
    ChunkEmbedder(checkpoint, chunks, settings)(voice(1.0))
    assert len(run) == 1


def test_the_shortest_signal_gives_one_frame_and_one_sample_less_none(encoder, voice):
    features = embedded(encoder, voice(1.0), [(0, 400)], sequence_stride=1)
    assert features["sequence"].shape == (1, 1, 16)
    assert np.isfinite(features["pooled"]).all()
    with pytest.raises(RuntimeError, match="Kernel size"):
        embedded(encoder, voice(1.0), [(0, 399)])


def test_the_embedder_embeds_the_grid_of_chunks(checkpoint, encoder, voice):
    chunks = {"seconds": 0.5, "hop_seconds": 0.5, "tail": "drop"}
    signal = voice(1.8)
    settings = {"layers": (0, 2), "sequence_layer": 2, "sequence_stride": 5, "batch_size": 2}
    features = ChunkEmbedder(checkpoint, chunks, settings)(signal)
    expected = embed(encoder, signal, chunk_bounds(len(signal), **chunks), **settings)
    assert len(features["pooled"]) == 3
    assert features.keys() == expected.keys() == {"pooled", "sequence"}
    for part, array in expected.items():
        np.testing.assert_array_equal(features[part], array)


def test_a_sample_encoder_has_the_size_asked_for_and_the_same_bytes_for_the_same_seed(tmp_path):
    for name, seed in (("first", 17), ("again", 17), ("other", 18)):
        make_sample_encoder(tmp_path / name, hidden=64, layers=3, seed=seed)
    encoder = load_encoder(tmp_path / "first")
    assert (encoder.states, encoder.model.config.hidden_size) == (4, 64)
    first, again, other = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("first", "again", "other")
    )
    assert set(first) == {CONFIG, SAFE, PREPROCESSOR}
    assert first == again
    assert first[SAFE] != other[SAFE]
