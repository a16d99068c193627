"""Embed every utterance's chunks with wav2vec 2.0 or its kin, one file per speaker."""

from stages.console import bar, run_stage

import json
from typing import Any

import speech.features.engines
import speech.features.wav2vec2
from speech.features.checkpoint import check_layers, checkpoint_digests, family_of
from speech.features.engines import choose_mode, libraries
from speech.features.extraction import describe_extraction, extract_features, settings_digest
from speech.features.feature_spec import ENCODER_FILE
from speech.features.wav2vec2 import ChunkEmbedder, load_encoder
from speech.params import Compute, Params
from speech.storage.files import write_json
from speech.storage.results import write_metrics
from speech.storage.tables import read_parquet
from stages.paths import CORPUS_AUDIO, ENCODER, RESULTS, UTTERANCES, WAV2VEC2

_BESIDE_A_GPU = 3
"""Threads: while one speaker is embedded, the next is decoded and the last is written."""


def extract_wav2vec2(params: Params) -> str:
    """Embed what is not there yet from an earlier run."""
    states = load_encoder(ENCODER).states
    settings = params.wav2vec2.model_dump()
    if params.wav2vec2.layers == "all":
        settings["layers"] = list(range(states))
    highest = {
        "wav2vec2.sequence_layer": settings["sequence_layer"],
        "wav2vec2.layers": max(settings["layers"]),
    }
    check_layers(highest, states)
    compute = params.compute
    mode = choose_mode(compute.device, compute.precision, compute.backend)
    checkpoint = checkpoint_digests(ENCODER)
    # The files as one text.
    files = json.dumps(checkpoint, sort_keys=True)
    embedder = ChunkEmbedder(ENCODER, params.chunks.model_dump(), settings, mode, files)
    digest = settings_digest(
        {
            "encoder": checkpoint,
            "mode": str(mode),
            "chunks": params.chunks.model_dump(),
            "layers": settings["layers"],
            "sequence": [params.wav2vec2.sequence_layer, params.wav2vec2.sequence_stride],
            # A GPU sums in another order in batches of another size.
            "batch_size": settings["batch_size"] if embedder.batches_utterances else None,
        },
        modules=[speech.features.engines, speech.features.wav2vec2],
        libraries=libraries(mode),
    )
    done = extract_features(
        read_parquet(UTTERANCES),
        CORPUS_AUDIO,
        WAV2VEC2,
        settings=digest,
        compute=embedder,
        progress=bar("speaker"),
        **_workers(compute, embedder),
    )
    # Models that learn from these features need the very same encoder wherever they are used.
    facts = {"family": family_of(ENCODER), "mode": str(mode)}
    write_json(WAV2VEC2 / ENCODER_FILE, {"files": checkpoint, "states": states, **facts})
    write_metrics(RESULTS / "encoder.json", facts)
    return f"{describe_extraction(done, WAV2VEC2)}, by {facts['family']} in {mode}"


def _workers(compute: Compute, embedder: ChunkEmbedder) -> dict[str, Any]:
    """Choose who works: one process feeds a GPU, and reads and writes other speakers meanwhile."""
    if compute.scheduler or not embedder.batches_utterances:
        return {"jobs": compute.workers}
    most = compute.jobs if compute.jobs > 0 else _BESIDE_A_GPU
    return {"jobs": min(most, _BESIDE_A_GPU), "prefer": "threads"}


if __name__ == "__main__":
    run_stage(extract_wav2vec2)
