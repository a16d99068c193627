"""Have a wav2vec 2.0 checkpoint at hand: make the sample, or point to the user's folder."""

import shutil
from pathlib import Path

from speech.errors import UserError
from speech.features.wav2vec2 import check_encoder_folder, make_sample_encoder
from speech.links import point
from speech.params import SAMPLE, Params
from stages.console import run_stage
from stages.paths import ENCODER, SAMPLE_ENCODER


def fetch_encoder(params: Params) -> str:
    """Point data/encoder at the checkpoint; DVC notices when it changes."""
    folder = _sample(params) if params.encoder == SAMPLE else _folder(params.encoder)
    check_encoder_folder(folder)
    point(ENCODER, folder)
    return f"{ENCODER} is {folder}"


def _sample(params: Params) -> Path:
    shutil.rmtree(SAMPLE_ENCODER, ignore_errors=True)
    make_sample_encoder(SAMPLE_ENCODER, params.sample_encoder, params.seed)
    return SAMPLE_ENCODER


def _folder(name: str) -> Path:
    folder = Path(name)
    if not folder.is_dir():
        raise UserError(
            f"encoder: the folder {folder} does not exist; set encoder in params.yaml to `sample` "
            "or to a folder with a wav2vec 2.0 checkpoint in Hugging Face format."
        )
    return folder


if __name__ == "__main__":
    run_stage(fetch_encoder)
