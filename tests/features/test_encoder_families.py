"""wav2vec 2.0, HuBERT, WavLM, data2vec and UniSpeech do the same, each in both its forms.

Small checkpoints with random weights stand for all: the code that loads and runs them is the same.
"""

import shutil
from importlib.util import find_spec
from itertools import pairwise

import numpy as np
import pytest
import torch
from checkpoints import CONFIG, HIDDEN, PREPROCESSOR, SAFE, SMALL, config, weights
from safetensors.torch import load_file
from transformers import CONFIG_MAPPING, AutoModel, Wav2Vec2FeatureExtractor
from transformers.models.wav2vec2.modeling_wav2vec2 import Wav2Vec2Attention

from speech.audio.chunks import chunk_bounds
from speech.errors import UserError
from speech.features.checkpoint import FAMILY, architecture_of, check_encoder_folder
from speech.features.settings import REFERENCE, Mode
from speech.features.wav2vec2 import Embedder, load_encoder, make_sample_encoder

LAYERS = 3
LARGE = {"do_stable_layer_norm": True, "feat_extract_norm": "layer", "conv_bias": True}
FORMS = {
    **{f"{name}, base": (name, {}) for name in FAMILY},
    # data2vec has one form.
    **{f"{name}, large": (name, LARGE) for name in FAMILY if name != "data2vec-audio"},
    "hubert, with batch norm": ("hubert", {"conv_pos_batch_norm": True}),
}
BOUNDS = [(0, 16_000), (16_000, 32_000), (10_000, 26_000)]


def settings_of(name, **changes):
    return CONFIG_MAPPING[name](**SMALL | {"num_hidden_layers": LAYERS} | changes)


def stirred(model):
    """Move every weight: many start as zero or one, and a layer left out would not be noticed."""
    torch.manual_seed(17)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return model.eval()


@pytest.fixture(scope="module", params=FORMS.values(), ids=FORMS)
def checkpoint(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder") / "small"
    name, changes = request.param
    stirred(AutoModel.from_config(settings_of(name, **changes))).save_pretrained(folder)
    # This one was trained with a mask; where no chunk is padded, one of ones changes nothing.
    masked = request.param == ("wav2vec2", LARGE)
    extractor = Wav2Vec2FeatureExtractor(return_attention_mask=masked)
    extractor.save_pretrained(folder)
    return folder


def embedded(folder, signal, bounds=BOUNDS, top=LAYERS, **changes):
    settings = {"layers": (*range(top + 1),), "sequence_layer": top, "sequence_stride": 4}
    (features,) = Embedder(folder, **settings | changes)([(signal, bounds)])
    return features


@pytest.mark.parametrize("stride", [1, 4, 10, 50])
def test_features_are_those_of_transformers_hidden_states(checkpoint, voice, stride):
    """Pooled are means and deviations; the sequence is of averaged frames, its tail too."""
    model = AutoModel.from_pretrained(checkpoint).eval()
    extractor = Wav2Vec2FeatureExtractor.from_pretrained(checkpoint)
    layers = (3, 2, 1, 0)
    features = embedded(checkpoint, voice(2.0), layers=layers, sequence_stride=stride)
    assert (features["pooled"].dtype, features["sequence"].dtype) == (np.float32, np.float16)
    for chunk, (start, stop) in enumerate(BOUNDS):
        inputs = extractor(voice(2.0)[start:stop], sampling_rate=16_000, return_tensors="pt")
        with torch.no_grad():
            states = [s[0].numpy() for s in model(**inputs, output_hidden_states=True)[-1]]
        assert len(states) == LAYERS + 1
        expected = [np.append(states[k].mean(axis=0), states[k].std(axis=0)) for k in layers]
        np.testing.assert_allclose(features["pooled"][chunk], expected, atol=2e-5)
        last = [states[-1][at : at + stride].mean(axis=0) for at in range(0, 49, stride)]
        np.testing.assert_allclose(features["sequence"][chunk], last, atol=5e-3)
    assert not any(np.allclose(*two) for two in pairwise(expected))


def test_a_batch_gives_what_its_chunks_give_one_by_one(checkpoint, voice):
    """Bit-identical it is not: sums over a batch of another size are rounded another way."""
    signal = voice(2.0)
    alone = [embedded(checkpoint, signal[start:stop], [(0, 16_000)]) for start, stop in BOUNDS]
    for batch_size in (1, 2, 100):
        together = embedded(checkpoint, signal, batch_size=batch_size)
        for part, atol in (("pooled", 2e-6), ("sequence", 2e-3)):
            expected = np.concatenate([one[part] for one in alone])
            np.testing.assert_allclose(together[part], expected, atol=atol)


@pytest.mark.parametrize("layer", range(LAYERS + 1))
def test_an_encoder_cut_after_a_layer_gives_that_layer_exactly(checkpoint, voice, layer):
    """Also where the position bias of the first layer is passed on, as WavLM does.

    So neither dropout nor LayerDrop nor masking is at work, which the checkpoints have.
    """
    cut = embedded(checkpoint, voice(2.0), top=layer)
    whole = embedded(checkpoint, voice(2.0), sequence_layer=layer)
    np.testing.assert_array_equal(cut["pooled"], whole["pooled"][:, : layer + 1])
    np.testing.assert_array_equal(cut["sequence"], whole["sequence"])


def test_no_layer_above_those_asked_for_is_run(tmp_path, voice, monkeypatch):
    make_sample_encoder(tmp_path, hidden=HIDDEN, layers=2)
    run, attention = [], Wav2Vec2Attention.forward
    monkeypatch.setattr(
        Wav2Vec2Attention, "forward", lambda *a, **k: run.append(1) or attention(*a, **k)
    )
    embedded(tmp_path, voice(2.0), top=1)
    assert len(run) == 1, "of one batch"


def test_the_shortest_signal_gives_one_frame_and_one_sample_less_none(checkpoint, voice):
    features = embedded(checkpoint, voice(1.0), [(0, 400)])
    assert features["sequence"].shape == (1, 1, HIDDEN)
    assert np.isfinite(features["pooled"]).all()
    with pytest.raises(RuntimeError, match="Kernel size"):
        embedded(checkpoint, voice(1.0), [(0, 399)])


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


def test_without_a_preprocessor_signals_are_normalised_where_convolutions_have_layer_norm(
    checkpoint, tmp_path
):
    folder = shutil.copytree(checkpoint, tmp_path / "bare")
    (folder / PREPROCESSOR).unlink()
    model, extractor = load_encoder(folder)
    norm = getattr(model.config, "feat_extract_norm", "layer")
    assert extractor.do_normalize == (norm == "layer")


def test_not_one_weight_that_the_hidden_states_need_may_be_missing(checkpoint, tmp_path):
    folder = shutil.copytree(checkpoint, tmp_path / "bare")
    needed = {
        name
        for name in load_file(folder / SAFE)
        if name != "masked_spec_embed" and not name.endswith("num_batches_tracked")
    }
    weights(**dict.fromkeys(needed))(folder)
    with pytest.raises(UserError, match=rf"\({len(needed)} are missing, such as "):
        load_encoder(folder)


def test_running_statistics_may_not_be_no_number(tmp_path):
    settings = settings_of("hubert", conv_pos_batch_norm=True)
    AutoModel.from_config(settings).save_pretrained(tmp_path)
    variance = "encoder.pos_conv_embed.batch_norm.running_var"
    weights(**{variance: torch.full((HIDDEN,), torch.nan)})(tmp_path)
    said = rf"\(1 hold values that are no numbers, such as {variance}\)"
    with pytest.raises(UserError, match=said):
        load_encoder(tmp_path)


def test_code_that_a_checkpoint_brings_is_not_run(checkpoint, tmp_path):
    folder = shutil.copytree(checkpoint, tmp_path / "own")
    (folder / "own.py").write_text(f"open({str(tmp_path / 'harm')!r}, 'w')\nclass Own: pass\n")
    config(auto_map={"AutoModel": "own.Own", "AutoConfig": "own.Own"})(folder)
    load_encoder(folder)
    assert not (tmp_path / "harm").exists()


def test_an_encoder_is_named_as_its_authors_do(checkpoint):
    assert CONFIG in check_encoder_folder(checkpoint)
    family, states = architecture_of(checkpoint)
    assert family in FAMILY.values()
    assert states == LAYERS + 1


def error_of(mode, checkpoint, voice):
    """Return the largest relative error of pooled features, and of the sequence, of a mode."""
    worst = dict.fromkeys(["pooled", "sequence"], 0.0)
    for seconds in (3.4, 0.25):
        utterance = (
            voice(seconds),
            chunk_bounds(int(seconds * 16_000), seconds=1.0, hop_seconds=1.0),
        )
        found, expected = (
            next(Embedder(checkpoint, (0, 1, 3), 2, 4, mode=own)([utterance]))
            for own in (mode, REFERENCE)
        )
        for part, before in worst.items():
            own, other = (one[part].astype(np.float64) for one in (found, expected))
            assert own.shape == other.shape
            worst[part] = max(before, np.linalg.norm(own - other) / np.linalg.norm(other))
    return worst["pooled"], worst["sequence"]


needs_openvino = pytest.mark.skipif(
    find_spec("openvino") is None, reason="no openvino: pip install -e '.[openvino]'"
)


@needs_openvino
def test_openvino_computes_the_same(checkpoint, voice):
    pooled, sequence = error_of(Mode(backend="openvino"), checkpoint, voice)
    assert pooled < 1e-5
    assert sequence < 1e-3  # of float16


@pytest.mark.parametrize("backend", ["torch", pytest.param("openvino", marks=needs_openvino)])
def test_bfloat16_is_near(tmp_path, voice, backend):
    stirred(AutoModel.from_config(settings_of("wavlm"))).save_pretrained(tmp_path)
    pooled, sequence = error_of(Mode("cpu", "bfloat16", backend), tmp_path, voice)
    assert 1e-4 < pooled < 0.03
    assert sequence < 0.05


@needs_openvino
def test_openvino_is_given_nothing_that_it_gets_wrong(tmp_path, voice):
    AutoModel.from_config(settings_of("hubert")).save_pretrained(tmp_path)
    embedder = Embedder(tmp_path, (0,), 0, 4, mode=Mode(backend="openvino"))
    with pytest.raises(ValueError, match="1599 samples are too short"):
        list(embedder([(voice(0.2), [(0, 1599)])]))
