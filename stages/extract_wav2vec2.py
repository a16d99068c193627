"""Embed every utterance's chunks with wav2vec 2.0, one file per speaker."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import speech.audio.chunks
import speech.audio.decode
import speech.features.wav2vec2
from speech.errors import UserError
from speech.features.checkpoint import checkpoint_digests
from speech.features.extraction import (
    describe_extraction,
    extract_speaker,
    settings_digest,
    speaker_jobs,
)
from speech.features.feature_spec import ENCODER_FILE
from speech.features.wav2vec2 import ChunkEmbedder, load_encoder
from speech.parallel import spread
from speech.params import Params
from speech.storage.files import write_json
from speech.storage.tables import read_parquet
from stages.console import bar, run_stage
from stages.paths import CORPUS_AUDIO, ENCODER, UTTERANCES, WAV2VEC2


def extract_wav2vec2(params: Params) -> str:
    """Embed what is not there yet from an earlier run."""
    embedder = ChunkEmbedder(
        ENCODER,
        params.chunks,
        _layers(params, load_encoder(ENCODER).states),
        params.wav2vec2.sequence_layer,
        params.wav2vec2.sequence_stride,
        params.wav2vec2.batch_size,
    )
    checkpoint = checkpoint_digests(ENCODER)
    settings = _digest(embedder, checkpoint)
    jobs = speaker_jobs(read_parquet(UTTERANCES), CORPUS_AUDIO, WAV2VEC2, settings)
    extract = partial(extract_speaker, compute=embedder)
    done = spread(extract, jobs, params.parallel.jobs, bar("speaker"))
    # Models that learn from these features will need the very same encoder wherever they are used.
    write_json(WAV2VEC2 / ENCODER_FILE, checkpoint)
    return describe_extraction(done, WAV2VEC2)


def _layers(params: Params, states: int) -> tuple[int, ...]:
    """Return the hidden states to pool, if the encoder has them all."""
    kept = params.wav2vec2.layers
    layers = tuple(range(states)) if kept == "all" else tuple(kept)
    for key, layer in (
        ("wav2vec2.sequence_layer", params.wav2vec2.sequence_layer),
        ("wav2vec2.layers", max(layers)),
    ):
        if layer >= states:
            raise UserError(
                f"params.yaml: {key} asks for hidden state {layer}, but the encoder has 0 to "
                f"{states - 1}; choose among those."
            )
    return layers


def _digest(embedder: ChunkEmbedder, checkpoint: Mapping[str, str]) -> str:
    """Return the digest of all that the features depend on besides the recordings."""
    settings = {
        "encoder": dict(checkpoint),
        "chunks": embedder.chunks.model_dump(),
        "layers": embedder.layers,
        "sequence": [embedder.sequence_layer, embedder.sequence_stride],
    }
    modules = (speech.audio.decode, speech.audio.chunks, speech.features.wav2vec2)
    return settings_digest(settings, *(Path(str(module.__file__)) for module in modules))


if __name__ == "__main__":
    run_stage(extract_wav2vec2)
