"""wav2vec 2.0 as a frozen extractor: what transformers computes, chunk by chunk, and no surprises.

A sample encoder of 16 channels and two layers stands for any checkpoint: the loading code and the
architecture are the same.
"""

import numpy as np
import pytest
from checkpoints import CONFIG, PREPROCESSOR, SAFE
from transformers.models.wav2vec2.modeling_wav2vec2 import Wav2Vec2Attention

from speech.features.checkpoint import architecture_of
from speech.features.wav2vec2 import Embedder, load_encoder, make_sample_encoder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder") / "sample"
    make_sample_encoder(folder, hidden=16, layers=2, seed=17)
    return folder


def test_no_layer_above_those_asked_for_is_run(checkpoint, voice, monkeypatch):
    run = []
    attention = Wav2Vec2Attention.forward
    monkeypatch.setattr(
        Wav2Vec2Attention, "forward", lambda *a, **k: run.append(1) or attention(*a, **k)
    )
    list(Embedder(checkpoint, (0,), 1, 4)([(voice(1.0), [(0, 16_000)])]))
    assert len(run) == 1


def test_the_shortest_signal_gives_one_frame_and_one_sample_less_none(checkpoint, voice):
    embedder = Embedder(checkpoint, (0, 1, 2), 1, 1)
    (features,) = embedder([(voice(1.0), [(0, 400)])])
    assert features["sequence"].shape == (1, 1, 16)
    assert np.isfinite(features["pooled"]).all()
    with pytest.raises(RuntimeError, match="Kernel size"):
        list(embedder([(voice(1.0), [(0, 399)])]))


def test_a_sample_encoder_has_the_size_asked_for_and_the_same_bytes_for_the_same_seed(tmp_path):
    for name, seed in (("first", 17), ("again", 17), ("other", 18)):
        make_sample_encoder(tmp_path / name, hidden=64, layers=3, seed=seed)
    assert architecture_of(tmp_path / "first") == ("wav2vec 2.0", 4)
    assert load_encoder(tmp_path / "first")[0].config.hidden_size == 64
    first, again, other = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("first", "again", "other")
    )
    assert set(first) == {CONFIG, SAFE, PREPROCESSOR}
    assert first == again
    assert first[SAFE] != other[SAFE]
