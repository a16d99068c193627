"""wav2vec 2.0, HuBERT, WavLM, data2vec and UniSpeech do the same, each in both its forms.

Small checkpoints with random weights stand for all: the code that loads and runs them is the same.
"""

import shutil
from dataclasses import replace
from importlib.util import find_spec
from itertools import pairwise

import numpy as np
import pytest
import torch
import transformers
from checkpoints import CONFIG, PREPROCESSOR, config, to_bin, weights
from transformers import CONFIG_MAPPING, AutoModel, Wav2Vec2FeatureExtractor

from speech.errors import UserError
from speech.features.checkpoint import FAMILY, check_encoder_folder, family_of
from speech.features.engines import REFERENCE, Mode
from speech.features.wav2vec2 import ChunkEmbedder, cut_after, embed, load_encoder

HIDDEN, LAYERS = 16, 3
SMALL = {
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "intermediate_size": 32,
    "conv_dim": (HIDDEN,) * 7,
    "num_conv_pos_embedding_groups": 4,
    # Of heads.
    "codevector_dim": 16,
    "proj_codevector_dim": 16,
    "num_codevectors_per_group": 8,
    "tdnn_dim": (8, 8, 8, 8, 8),
    "xvector_output_dim": 8,
}
LARGE = {"do_stable_layer_norm": True, "feat_extract_norm": "layer", "conv_bias": True}
FORMS = {
    **{f"{name}, base": (name, {}) for name in FAMILY},
    # data2vec has one form.
    **{f"{name}, large": (name, LARGE) for name in FAMILY if name != "data2vec-audio"},
    "hubert, with batch norm": ("hubert", {"conv_pos_batch_norm": True}),
}
HEADS = {
    "hubert": ("Hubert", ["ForCTC", "ForSequenceClassification"]),
    "wavlm": ("WavLM", ["ForCTC", "ForSequenceClassification", "ForXVector"]),
    "data2vec-audio": ("Data2VecAudio", ["ForCTC", "ForSequenceClassification", "ForXVector"]),
    "unispeech": ("UniSpeech", ["ForCTC", "ForPreTraining"]),
    "unispeech-sat": ("UniSpeechSat", ["ForCTC", "ForPreTraining", "ForXVector"]),
}
BOUNDS = [(0, 16_000), (16_000, 32_000), (10_000, 26_000)]


def settings_of(name, changes):
    return CONFIG_MAPPING[name](**SMALL | changes)


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
    stirred(AutoModel.from_config(settings_of(name, changes))).save_pretrained(folder)
    # This one was trained with a mask; where no chunk is padded, one of ones changes nothing.
    masked = request.param == ("wav2vec2", LARGE)
    extractor = Wav2Vec2FeatureExtractor(return_attention_mask=masked)
    extractor.save_pretrained(folder)
    return folder


def embedded(encoder, signal, bounds=BOUNDS, top=LAYERS, **changes):
    settings = {"layers": range(top + 1), "sequence_layer": top, "sequence_stride": 4}
    return embed(encoder, signal, bounds, **{"batch_size": 8} | settings | changes)


@pytest.mark.parametrize("stride", [1, 4, 10, 50])
def test_features_are_those_of_transformers_hidden_states(checkpoint, voice, stride):
    """Pooled are means and deviations; the sequence is of averaged frames, its tail too."""
    model = AutoModel.from_pretrained(checkpoint).eval()
    extractor = Wav2Vec2FeatureExtractor.from_pretrained(checkpoint)
    layers = range(LAYERS + 1)[::-1]
    features = embedded(load_encoder(checkpoint), voice(2.0), layers=layers, sequence_stride=stride)
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
    encoder, signal = load_encoder(checkpoint), voice(2.0)
    alone = [embedded(encoder, signal[start:stop], [(0, 16_000)]) for start, stop in BOUNDS]
    for batch_size in (1, 2, 100):
        together = embedded(encoder, signal, batch_size=batch_size)
        for part, atol in (("pooled", 2e-6), ("sequence", 2e-3)):
            expected = np.concatenate([one[part] for one in alone])
            np.testing.assert_allclose(together[part], expected, atol=atol)


@pytest.mark.parametrize("layer", range(LAYERS + 1))
def test_an_encoder_cut_after_a_layer_gives_that_layer_exactly(checkpoint, voice, layer):
    """Also where the position bias of the first layer is passed on, as WavLM does."""
    whole, cut = load_encoder(checkpoint), load_encoder(checkpoint)
    cut_after(cut, layer)
    assert len(cut.model.encoder.layers) == max(layer, 1)
    found, expected = (embedded(one, voice(2.0), top=layer) for one in (cut, whole))
    for part, array in expected.items():
        np.testing.assert_array_equal(found[part], array)


def test_without_a_preprocessor_signals_are_normalised_where_convolutions_have_layer_norm(
    checkpoint, tmp_path
):
    folder = shutil.copytree(checkpoint, tmp_path / "bare")
    (folder / PREPROCESSOR).unlink()
    encoder = load_encoder(folder)
    norm = getattr(encoder.model.config, "feat_extract_norm", "layer")
    assert encoder.extractor.do_normalize == (norm == "layer")


@pytest.mark.parametrize(
    ("name", "head"), [(name, head) for name, (_, heads) in HEADS.items() for head in heads]
)
@pytest.mark.parametrize("form", ["safetensors", "bin"])
def test_below_a_head_the_same_encoder_is_found(tmp_path, name, head, form):
    kind = getattr(transformers, HEADS[name][0] + head)
    trained = stirred(kind(settings_of(name, {})))
    trained.save_pretrained(tmp_path)
    prefix = trained.base_model_prefix
    weights(**{f"{prefix}.masked_spec_embed": None})(tmp_path)
    if form == "bin":
        to_bin(tmp_path)
    loaded = load_encoder(tmp_path).model.encoder.state_dict()
    expected = trained.base_model.encoder.state_dict()
    assert loaded.keys() == expected.keys()
    assert all(torch.equal(loaded[key], expected[key]) for key in expected)


NO_NUMBERS = torch.full((HIDDEN,), torch.nan)
ALL_NEEDED = {
    "the gate of a position bias": ("wavlm", "encoder.layers.1.attention.gru_rel_pos_const", None),
    "the position bias": ("wavlm", "encoder.layers.0.attention.rel_attn_embed.weight", None),
    "a position convolution": (
        "data2vec-audio",
        "encoder.pos_conv_embed.layers.4.conv.weight",
        None,
    ),
    "a layer norm": ("unispeech-sat", "encoder.layers.2.final_layer_norm.bias", None),
    "a projection": ("hubert", "feature_projection.projection.weight", None),
    "running statistics": ("hubert", "encoder.pos_conv_embed.batch_norm.running_var", NO_NUMBERS),
}


@pytest.mark.parametrize(("name", "weight", "value"), ALL_NEEDED.values(), ids=ALL_NEEDED)
def test_a_weight_that_hidden_states_need_may_not_be_missing_nor_be_no_number(
    tmp_path, name, weight, value
):
    settings = settings_of(name, {} if value is None else {"conv_pos_batch_norm": True})
    AutoModel.from_config(settings).save_pretrained(tmp_path)
    weights(**{weight: value})(tmp_path)
    problem = "are missing" if value is None else "hold values that are no numbers"
    with pytest.raises(UserError, match=rf"\(1 {problem}, such as {weight}\)"):
        load_encoder(tmp_path)


def test_code_that_a_checkpoint_brings_is_not_run(checkpoint, tmp_path):
    folder = shutil.copytree(checkpoint, tmp_path / "own")
    (folder / "own.py").write_text(f"open({str(tmp_path / 'harm')!r}, 'w')\nclass Own: pass\n")
    config(auto_map={"AutoModel": "own.Own", "AutoConfig": "own.Own"})(folder)
    assert load_encoder(folder).states == LAYERS + 1
    assert not (tmp_path / "harm").exists()


def test_an_encoder_is_named_as_its_authors_do(checkpoint):
    assert CONFIG in check_encoder_folder(checkpoint)
    assert family_of(checkpoint) in FAMILY.values()


def error_of(mode, checkpoint, voice):
    """Return the largest relative error of pooled features, and of the sequence, of a mode."""
    chunks = {"seconds": 1.0, "hop_seconds": 1.0, "tail": "overlap"}
    settings = {"layers": (0, 1, 3), "sequence_layer": 2, "sequence_stride": 4, "batch_size": 8}
    worst = dict.fromkeys(["pooled", "sequence"], 0.0)
    for seconds in (3.4, 0.25):
        found, expected = (
            ChunkEmbedder(checkpoint, chunks, settings, own)(voice(seconds))
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
    stirred(AutoModel.from_config(settings_of("wavlm", {}))).save_pretrained(tmp_path)
    pooled, sequence = error_of(Mode("cpu", "bfloat16", backend), tmp_path, voice)
    assert 1e-4 < pooled < 0.03
    assert sequence < 0.05


@needs_openvino
def test_openvino_is_given_nothing_that_it_gets_wrong(tmp_path, voice):
    AutoModel.from_config(settings_of("hubert", {})).save_pretrained(tmp_path)
    settings = {"layers": (0,), "sequence_layer": 0, "sequence_stride": 4, "batch_size": 8}
    encoder = replace(load_encoder(tmp_path), mode=Mode(backend="openvino"))
    with pytest.raises(ValueError, match="1599 samples are too short"):
        embed(encoder, voice(0.2), [(0, 1599)], **settings)
