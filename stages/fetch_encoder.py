"""Have an encoder's checkpoint at hand: make the sample, fetch one, or point to a folder."""

from stages.console import run_stage

from pathlib import Path

from speech.errors import UserError
from speech.features.checkpoint import CHOICES, architecture_of, check_encoder_folder, check_layers
from speech.features.hub import fetch_hub_model, parse_hub_model
from speech.features.wav2vec2 import make_sample_encoder
from speech.params import SAMPLE, Params
from speech.storage.files import point, replacing_folder
from stages.paths import ENCODER, HUB_ENCODER, SAMPLE_ENCODER


def fetch_encoder(params: Params) -> str:
    """Point data/encoder at the checkpoint; DVC notices when it changes."""
    name = params.encoder
    if name == SAMPLE:
        folder, origin = SAMPLE_ENCODER, str(SAMPLE_ENCODER)
        with replacing_folder(folder) as unfinished:
            make_sample_encoder(unfinished, **params.sample_encoder.model_dump(), seed=params.seed)
    # A folder, which may not exist, or what may be an id of the hub.
    elif name.startswith((".", "/", "~")) or Path(name).exists():
        folder, origin = Path(name), name
        if not folder.is_dir():
            raise UserError(f"encoder: there is no folder {name}; {CHOICES}.")
    else:
        model = parse_hub_model(name)
        fetch_hub_model(model, HUB_ENCODER)
        folder, origin = HUB_ENCODER, str(model)
    check_encoder_folder(folder)
    _, states = architecture_of(folder)
    check_layers({"inputs.wav2vec2.layer": params.inputs.wav2vec2.layer}, states)
    point(ENCODER, folder)
    return f"{ENCODER} is {origin}"


if __name__ == "__main__":
    run_stage(fetch_encoder)
