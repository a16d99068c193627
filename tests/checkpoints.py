"""How a wav2vec 2.0 checkpoint is changed or spoilt: functions that edit its folder."""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import Wav2Vec2Model

HIDDEN = 16
SMALL = {
    "hidden_size": HIDDEN,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "conv_dim": (HIDDEN,) * 7,
    "num_conv_pos_embedding_groups": 16,
    # Of heads.
    "codevector_dim": 16,
    "proj_codevector_dim": 16,
    "num_codevectors_per_group": 8,
    "tdnn_dim": (8, 8, 8, 8, 8),
    "xvector_output_dim": 8,
}
"""Of any architecture."""

CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
SAFE, INDEX, BIN = "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"


def config(**changes) -> Callable[[Path], None]:
    """Change values of the config."""

    def edit(folder):
        content = json.loads((folder / CONFIG).read_text())
        (folder / CONFIG).write_text(json.dumps(content | changes))

    return edit


def weights(**changes) -> Callable[[Path], None]:
    """Replace tensors of the weights, or remove them if None is given."""

    def edit(folder):
        tensors = load_file(folder / SAFE) | changes
        tensors = {name: tensor for name, tensor in tensors.items() if tensor is not None}
        save_file(tensors, folder / SAFE, metadata={"format": "pt"})

    return edit


def to_bin(folder: Path) -> None:
    """Keep the weights as torch itself does."""
    torch.save(load_file(folder / SAFE), folder / BIN)
    (folder / SAFE).unlink()


def spread(folder: Path) -> None:
    """Spread the weights over several files."""
    model = Wav2Vec2Model.from_pretrained(folder)
    (folder / SAFE).unlink()
    model.save_pretrained(folder, max_shard_size="20KB")
    assert len(list(folder.glob("*.safetensors"))) > 2
