"""Embed every utterance's chunks with wav2vec 2.0 or its kin, one file per speaker."""

from stages.console import bar, run_stage

from typing import Any

from speech.audio.chunks import chunk_bounds
from speech.features import engines, wav2vec2
from speech.features.checkpoint import architecture_of, check_layers, checkpoint_digests
from speech.features.extraction import describe_extraction, extract_features
from speech.params import Compute, Params
from speech.storage.files import write_json
from speech.storage.results import write_metrics
from speech.storage.tables import read_parquet
from stages.paths import CORPUS_AUDIO, ENCODER, ENCODER_FACTS, RESULTS, UTTERANCES, WAV2VEC2

_BESIDE_A_GPU = 3
"""Threads: while one speaker is embedded, the next is decoded and the last is written."""


def extract_wav2vec2(params: Params) -> str:
    """Embed what is not there yet from an earlier run."""
    checkpoint = checkpoint_digests(ENCODER)
    family, states = architecture_of(ENCODER)
    kept, chunks, compute = params.wav2vec2, params.chunks.model_dump(), params.compute
    layers = list(range(states)) if kept.layers == "all" else kept.layers
    highest = {"wav2vec2.sequence_layer": kept.sequence_layer, "wav2vec2.layers": max(layers)}
    check_layers(highest, states)
    mode = engines.choose_mode(compute.device, compute.precision, compute.backend)
    embedder = wav2vec2.Embedder(
        ENCODER,
        layers=tuple(layers),
        sequence_layer=kept.sequence_layer,
        sequence_stride=kept.sequence_stride,
        batch_size=kept.batch_size,
        mode=mode,
        checkpoint=str(checkpoint),
    )
    done = extract_features(
        read_parquet(UTTERANCES),
        CORPUS_AUDIO,
        WAV2VEC2,
        compute=lambda signals: embedder(
            (signal, chunk_bounds(len(signal), **chunks)) for _, signal in signals
        ),
        settings={
            "encoder": checkpoint,
            "mode": str(mode),
            "chunks": chunks,
            "layers": layers,
            "sequence": [kept.sequence_layer, kept.sequence_stride],
            # A GPU sums in another order in batches of another size.
            "batch_size": kept.batch_size if mode.on_gpu else None,
        },
        code=[__file__, engines.__file__, wav2vec2.__file__],
        libraries=engines.libraries(mode),
        progress=bar("speaker"),
        **_workers(compute, mode.on_gpu),
    )
    # Models that learn from these features need the very same encoder wherever they are used.
    facts = {"family": family, "mode": str(mode)}
    write_json(ENCODER_FACTS, {"files": checkpoint, "states": states, **facts})
    write_metrics(RESULTS / "encoder.json", facts)
    return f"{describe_extraction(done, WAV2VEC2)}, by {family} in {mode}"


def _workers(compute: Compute, on_gpu: bool) -> dict[str, Any]:
    """Choose who works: one process feeds a GPU, and reads and writes other speakers meanwhile."""
    if compute.scheduler or not on_gpu:
        return {"jobs": compute.workers}
    most = compute.jobs if compute.jobs > 0 else _BESIDE_A_GPU
    return {"jobs": min(most, _BESIDE_A_GPU), "prefer": "threads"}


if __name__ == "__main__":
    run_stage(extract_wav2vec2)
