"""Checkpoints of all kinds: what the hidden states need is there, or one sentence.

Small ones stand for all: the loading code and the architecture are the same. Fine-tuned ones, which
are what people have, lack what only training uses, and bring a head.
"""

import os
import shutil
from pathlib import Path

import pytest
import torch
import transformers
from checkpoints import (
    BIN,
    CONFIG,
    HIDDEN,
    INDEX,
    PREPROCESSOR,
    SAFE,
    SMALL,
    config,
    spread,
    to_bin,
    weights,
)
from safetensors.torch import load_file
from transformers import Wav2Vec2Config, Wav2Vec2ForPreTraining

from speech.errors import UserError
from speech.features.wav2vec2 import load_encoder, make_sample_encoder

WEIGHT = "encoder.layers.0.attention.k_proj.weight"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder") / "sample"
    make_sample_encoder(folder, hidden=HIDDEN, layers=2, seed=17)
    return folder


@pytest.fixture
def spoilt(checkpoint, tmp_path):
    """Copy the checkpoint, to be spoilt."""
    return shutil.copytree(checkpoint, tmp_path / "spoilt")


def write(name, content):
    return lambda folder: (folder / name).write_bytes(content)


def remove(name):
    return lambda folder: (folder / name).unlink()


def link(name, target):
    def edit(folder):
        (folder / name).unlink()
        (folder / name).symlink_to(target)

    return edit


def torn(name, share):
    def edit(folder):
        if name == BIN:
            to_bin(folder)
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(share * len(content))])

    return edit


def without_a_shard(folder):
    spread(folder)
    sorted(folder.glob("*.safetensors"))[1].unlink()


def index(content):
    return lambda folder: [spread(folder), write(INDEX, content)(folder)]


def one_weight(tensor):
    return weights(**{WEIGHT: tensor})


def one_value(value):
    tensor = torch.ones(HIDDEN, HIDDEN)
    tensor[3, 5] = value
    return one_weight(tensor)


# --- what is taken ------------------------------------------------------------------------------

MASK = "masked_spec_embed"
FINE_TUNED = {
    "for a class of each utterance, by all layers": (
        "Wav2Vec2ForSequenceClassification",
        {"use_weighted_layer_sum": True},
        {MASK: None},
    ),
    "with an adapter above": (
        "Wav2Vec2ForCTC",
        {"add_adapter": True, "output_hidden_size": HIDDEN},
        {"adapter.layers.0.conv.weight": None},
    ),
    "masked, though nothing is to be": (
        "Wav2Vec2ForCTC",
        {"mask_time_prob": 0.0, "mask_feature_prob": 0.0},
        {MASK: torch.zeros(HIDDEN)},
    ),
    "of another shape where only training looks": (
        "Wav2Vec2ForCTC",
        {},
        {MASK: torch.zeros(HIDDEN + 1)},
    ),
    **{
        f"{family}{head}": (f"{family}{head}", {}, {MASK: None})
        for family, heads in {
            "Wav2Vec2": ["ForCTC", "ForPreTraining"],
            "Hubert": ["ForCTC", "ForSequenceClassification"],
            "WavLM": ["ForCTC", "ForSequenceClassification", "ForXVector"],
            "Data2VecAudio": ["ForCTC", "ForSequenceClassification", "ForXVector"],
            "UniSpeech": ["ForCTC", "ForPreTraining"],
            "UniSpeechSat": ["ForCTC", "ForPreTraining", "ForXVector"],
        }.items()
        for head in heads
    },
}


@pytest.mark.parametrize("form", [SAFE, BIN])
@pytest.mark.parametrize(("name", "settings", "changes"), FINE_TUNED.values(), ids=FINE_TUNED)
def test_whatever_a_head_brings_and_training_alone_uses_the_encoder_is_loaded(
    tmp_path, name, settings, changes, form
):
    kind = getattr(transformers, name)
    torch.manual_seed(17)
    trained = kind(kind.config_class(**SMALL | settings)).eval()
    trained.save_pretrained(tmp_path)
    below = {f"{trained.base_model_prefix}.{weight}": value for weight, value in changes.items()}
    # A head of somebody's own.
    weights(**below, **{"head.dense.weight": torch.zeros(3, 3), "scale": torch.ones(1)})(tmp_path)
    if form == BIN:
        to_bin(tmp_path)
    loaded = load_encoder(tmp_path)[0].encoder.state_dict()
    expected = trained.base_model.encoder.state_dict()
    assert loaded.keys() == expected.keys()
    assert all(torch.equal(loaded[name], expected[name]) for name in expected)


def test_a_pre_trained_checkpoint_with_the_names_of_2020_is_loaded(tmp_path):
    trained = Wav2Vec2ForPreTraining(Wav2Vec2Config(**SMALL)).eval()
    trained.save_pretrained(tmp_path)
    renamed = {
        name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): weight
        for name, weight in trained.state_dict().items()
    }
    assert set(renamed) != set(trained.state_dict())
    torch.save(renamed, tmp_path / BIN)
    (tmp_path / SAFE).unlink()
    loaded = {
        name.replace(".convolutions.", "."): weight
        for name, weight in load_encoder(tmp_path)[0].state_dict().items()
    }
    expected = trained.wav2vec2.state_dict()
    assert loaded.keys() == expected.keys()
    assert all(torch.equal(loaded[name], expected[name]) for name in expected)


def test_weights_spread_over_several_files_are_the_same_encoder(spoilt, checkpoint):
    spread(spoilt)
    assert len(list(spoilt.glob("*.safetensors"))) > 2
    loaded, expected = (load_encoder(one)[0].state_dict() for one in (spoilt, checkpoint))
    assert all(torch.equal(loaded[name], expected[name]) for name in expected)


# --- what is refused ----------------------------------------------------------------------------

NOT_THOSE = "has weights that are not those of its config.json"
NO_NUMBERS = "(1 hold values that are no numbers, such as {weight})"
OTHER_SHAPE = "(1 are of another shape, such as {weight})"
DEEP = 100_000 * b"["
REFUSED = {
    "no config": (remove(CONFIG), "has no config.json; set encoder in params.yaml to `sample`"),
    "half a config": (
        write(CONFIG, b'{"model_type": "wav'),
        f"{CONFIG} of {{folder}} cannot be read as JSON",
    ),
    "a config that is a list": (write(CONFIG, b"[]"), "cannot be read as JSON"),
    "a config that is no text": (write(CONFIG, b"\xff\xfe\x00"), "cannot be read as JSON"),
    "a config of brackets": (write(CONFIG, DEEP), "cannot be read as JSON"),
    "an endless config": (link(CONFIG, "/dev/zero"), "has no config.json"),
    "Whisper": (
        config(model_type="whisper"),
        "is a 'whisper' model; choose one of wav2vec2, hubert, wavlm, data2vec-audio, unispeech, "
        "unispeech-sat.",
    ),
    "no architecture": (config(model_type=None), "is a None model; choose one of wav2vec2, "),
    "an architecture that is a list": (config(model_type=["hubert"]), "is a ['hubert'] model"),
    "one of the family with the weights of another": (config(model_type="wavlm"), "are missing, "),
    "layers in words": (config(num_hidden_layers="many"), "says num_hidden_layers: 'many', but"),
    "no layers": (config(num_hidden_layers=0), "says num_hidden_layers: 0, but"),
    "a thousand million layers": (config(num_hidden_layers=10**9), "a number from 1 to 1000;"),
    "no weights": (remove(SAFE), f"has none of {SAFE}, {INDEX}, {BIN}"),
    "endless weights": (link(SAFE, "/dev/zero"), f"has none of {SAFE}, {INDEX}, {BIN}"),
    # A tensor is never made up, nor ignored.
    "a weight is missing": (one_weight(None), "(1 are missing, such as {weight})"),
    "a weight of another shape": (one_weight(torch.zeros(8, 16)), OTHER_SHAPE),
    "a weight too many": (
        weights(**{"encoder.scale": torch.zeros(2)}),
        f"{NOT_THOSE} (1 do not belong, such as encoder.scale); download the checkpoint again",
    ),
    "a weight too many below a head": (
        weights(**{"wav2vec2.extra.scale": torch.zeros(2), "lm_head.bias": torch.zeros(2)}),
        "(1 do not belong, such as wav2vec2.extra.scale)",
    ),
    "a weight that is NaN": (one_value(torch.nan), NO_NUMBERS),
    "a weight that is infinite": (one_value(-torch.inf), NO_NUMBERS),
    "one layer too few": (config(num_hidden_layers=3), "(16 are missing, "),
    "one layer too many": (config(num_hidden_layers=1), "(16 do not belong, "),
    "a width in words": (config(hidden_size="wide"), "cannot be loaded ("),
    "convolutions that do not fit": (config(conv_dim=[1, 2]), "cannot be loaded ("),
    "half a preprocessor": (write(PREPROCESSOR, b"{"), "cannot be loaded ("),
    "a preprocessor that is a list": (write(PREPROCESSOR, b"[]"), "cannot be loaded ("),
    "a preprocessor of brackets": (write(PREPROCESSOR, DEEP), "cannot be loaded ("),
    "telephone speech": (
        write(PREPROCESSOR, b'{"sampling_rate": 8000}'),
        "8000 Hz, the pipeline works at 16000 Hz",
    ),
    **{
        f"{name} cut to {share:.1%}": (torn(name, share), "cannot be loaded (")
        for name in (SAFE, BIN)
        for share in (0.0, 0.5, 0.99)
    },
    "one of several files is missing": (without_a_shard, f".safetensors, which its {INDEX} lists"),
    "half an index": (index(b"{"), f"{INDEX} of {{folder}} cannot be read as JSON"),
    "an empty index": (index(b"{}"), f"the {INDEX} of {{folder}} does not list"),
    "an index of numbers": (index(b'{"weight_map": {"w": 1}}'), "does not list safetensors files"),
    "an index that leads elsewhere": (
        index(b'{"weight_map": {"w": "../x.safetensors"}}'),
        "does not list safetensors files beside it",
    ),
}


@pytest.mark.parametrize(("damage", "problem"), REFUSED.values(), ids=REFUSED)
def test_a_damaged_or_unsuitable_checkpoint_is_refused_with_what_is_wrong(spoilt, damage, problem):
    damage(spoilt)
    with pytest.raises(UserError) as caught:
        load_encoder(spoilt)
    message = str(caught.value)
    assert problem.format(folder=spoilt, weight=WEIGHT) in message
    assert message.startswith("encoder: ")
    assert message.endswith(".")
    assert str(spoilt) in message
    assert "\n" not in message
    assert ". " not in message, "more than one sentence"


def test_not_one_weight_that_the_hidden_states_need_may_be_missing(spoilt):
    names = set(load_file(spoilt / SAFE)) - {"masked_spec_embed"}
    weights(**dict.fromkeys(names))(spoilt)
    with pytest.raises(UserError, match=rf"\({len(names)} are missing, such as "):
        load_encoder(spoilt)


class Intruder:
    """What a pickle may do to whoever reads it."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.mark),)


def test_code_in_a_checkpoint_is_not_run(spoilt, tmp_path):
    (spoilt / SAFE).unlink()
    torch.save({WEIGHT: Intruder(tmp_path / "harm done")}, spoilt / BIN)
    with pytest.raises(UserError, match="cannot be loaded"):
        load_encoder(spoilt)
    assert not (tmp_path / "harm done").exists()
