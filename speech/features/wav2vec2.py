"""wav2vec 2.0 or its kin as a frozen feature extractor: chunks in, pooled hidden states out.

Baevski, Zhou, Mohamed & Auli (2020), "wav2vec 2.0: a framework for self-supervised learning of
speech representations". HuBERT, WavLM, data2vec, UniSpeech and UniSpeech-SAT share its shape.
"""

import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import (
    AutoModel,
    PreTrainedConfig,
    PreTrainedModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
)
from transformers.utils import logging as transformers_logging

from speech.audio import SAMPLE_RATE
from speech.audio.chunks import chunk_bounds
from speech.errors import UserError
from speech.features.checkpoint import PREPROCESSOR, WEIGHTS, check_encoder_folder
from speech.features.engines import REFERENCE, Mode, prepare, start

_ENCODING = Lock()
"""Held by the thread that uses the encoder."""

_POOLED, _SEQUENCE = "pooled", "sequence"

_NEEDED = ("feature_extractor.conv_layers.", "feature_projection.", "encoder.")
"""What the hidden states are computed with, and nothing else is."""

_UNUSED = ("masked_spec_embed", "adapter.")
"""Weights of training alone, and of what is above the hidden states."""


@dataclass(frozen=True)
class Encoder:
    """A loaded checkpoint, ready to embed.

    Attributes
    ----------
    model
        In evaluation mode, so that neither dropout nor LayerDrop is at work.
    extractor
        Normalises the signal the way the checkpoint was trained on.
    mode
        How it is run.
    """

    model: PreTrainedModel
    extractor: Wav2Vec2FeatureExtractor
    mode: Mode = REFERENCE

    @property
    def states(self) -> int:
        """Number of hidden states: the transformer's input and the output of each layer."""
        return self.model.config.num_hidden_layers + 1


def load_encoder(folder: Path) -> Encoder:
    """Load a checkpoint in Hugging Face format.

    Parameters
    ----------
    folder
        With config.json and safetensors (preferred) or pytorch_model.bin, which is read with
        ``weights_only``: nothing in it is executed.

    Returns
    -------
    Encoder
        The model without the heads of its pre-training or fine-tuning.

    Raises
    ------
    UserError
        If it is no encoder that works, or weights that the hidden states need are missing, of the
        wrong shape, left over or no numbers.
    """
    check_encoder_folder(folder)
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        model, report = AutoModel.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,  # a config.json may ask for code of its own
            use_safetensors=any((folder / name).is_file() for name in WEIGHTS[:2]),
            weights_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # reported, and refused below in our own words
            dtype=torch.float32,
        )
        extractor = _load_extractor(folder, model.config)
    except Exception as error:  # the library raises many kinds for a damaged checkpoint
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        reason = reason.split(". ")[0].rstrip(".:")
        raise UserError(
            f"encoder: {folder} cannot be loaded ({reason}); download the checkpoint again."
        ) from None
    _check_weights(folder, model, report)
    if extractor.sampling_rate != SAMPLE_RATE:
        raise UserError(
            f"encoder: {folder} expects {extractor.sampling_rate} Hz, the pipeline works at "
            f"{SAMPLE_RATE} Hz; choose another checkpoint."
        )
    return Encoder(model.eval(), extractor)


def cut_after(encoder: Encoder, layer: int) -> None:
    """Take off the layers above one; its hidden state and those below stay exactly the same.

    Parameters
    ----------
    encoder
        As `load_encoder` gives it; changed in place.
    layer
        The highest hidden state needed.
    """
    transformer = encoder.model.encoder
    layer = max(layer, 1)  # hidden state 0 is recorded where it enters the first layer
    if layer < len(transformer.layers):
        transformer.layers = transformer.layers[:layer]


def embed(
    encoder: Encoder,
    signal: NDArray[np.float32],
    bounds: Sequence[tuple[int, int]],
    *,
    layers: Sequence[int],
    sequence_layer: int,
    sequence_stride: int,
    batch_size: int,
) -> dict[str, NDArray[Any]]:
    """Embed the chunks of one utterance.

    Each chunk is normalised and embedded by itself; only chunks of equal length share a batch,
    without padding and without an attention mask, because the group norm of the first
    convolution normalises over time and would see the padding.

    Parameters
    ----------
    encoder
        As `load_encoder` gives it.
    signal
        Shape (samples,), at 16 kHz.
    bounds
        Start and stop of each chunk, all of one length.
    layers
        Hidden states to pool; 0 is the transformer's input.
    sequence_layer
        Hidden state to keep as a sequence.
    sequence_stride
        Frames averaged into one frame of the sequence; what is left over at the end of a chunk
        is averaged too.
    batch_size
        Chunks at a time.

    Returns
    -------
    dict
        ``pooled``: float32 of shape (chunks, layers, 2 * hidden), mean and standard deviation
        over frames; ``sequence``: float16 of shape (chunks, frames, hidden).
    """
    (features,) = _embed_together(
        encoder,
        [(signal, bounds)],
        layers=layers,
        sequence_layer=sequence_layer,
        sequence_stride=sequence_stride,
        batch_size=batch_size,
    )
    return features


@dataclass(frozen=True)
class ChunkEmbedder:
    """Embeds signals in any process: the encoder is loaded on first use, once per process.

    Attributes
    ----------
    encoder
        Folder of the checkpoint.
    chunks
        Keyword arguments of `speech.audio.chunks.chunk_bounds`.
    settings
        Keyword arguments of `embed`.
    mode
        How the encoder is run.
    checkpoint
        Digest of its files: a worker of a cluster outlives the encoder that lies at a path.
    """

    encoder: Path
    chunks: Mapping[str, Any]
    settings: Mapping[str, Any]
    mode: Mode = REFERENCE
    checkpoint: str = ""

    @property
    def batches_utterances(self) -> bool:
        """Whether it is to be given all utterances of a speaker at once: a GPU wants large batches.

        On the processor it gains little, and an utterance's features would depend on the others'.
        """
        return self.mode.device != "cpu"

    def __call__(self, signal: NDArray[np.float32], utterance: str = "") -> dict[str, NDArray[Any]]:  # noqa: ARG002
        """Embed the chunks of one utterance."""
        (features,) = self.together([signal])
        return features

    def together(self, signals: Sequence[NDArray[np.float32]]) -> list[dict[str, NDArray[Any]]]:
        """Embed the chunks of some utterances on one thread, those of one length together.

        Many threads on batches this small wait for each other more than they work.
        """
        utterances = [(signal, chunk_bounds(len(signal), **self.chunks)) for signal in signals]
        highest = max(self.settings["sequence_layer"], *self.settings["layers"])
        # Threads that share a GPU have the encoder in turn.
        with _ENCODING:
            torch.set_num_threads(1)
            encoder = _load_once(self.encoder, highest, self.mode, self.checkpoint)
            return _embed_together(encoder, utterances, **self.settings)


def make_sample_encoder(
    folder: Path, *, hidden: int = 128, layers: int = 6, seed: int = 17
) -> None:
    """Save a small, randomly initialised wav2vec 2.0 in Hugging Face format.

    Its architecture is that of the base model, narrower and shallower. It is untrained:
    it exists so that the pipeline runs without a download through the very code that a
    pre-trained checkpoint runs through.

    Parameters
    ----------
    folder
        Where to save; replaced file by file.
    hidden, layers
        Width and depth.
    seed
        Of the initialisation.
    """
    transformers_logging.disable_progress_bar()
    torch.manual_seed(seed)
    config = Wav2Vec2Config(
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=4 * hidden,
        conv_dim=(hidden,) * 7,
        num_conv_pos_embedding_groups=16,
    )
    Wav2Vec2Model(config).eval().save_pretrained(folder)
    Wav2Vec2FeatureExtractor(
        feature_size=1, sampling_rate=SAMPLE_RATE, do_normalize=True, return_attention_mask=False
    ).save_pretrained(folder)
    # safetensors lets nobody but the owner read what it writes.
    shutil.copymode(folder / "config.json", folder / WEIGHTS[0])


@lru_cache(maxsize=1)
def _load_once(folder: Path, highest: int, mode: Mode, checkpoint: str) -> Encoder:  # noqa: ARG001
    encoder = load_encoder(folder)
    cut_after(encoder, highest)
    prepare(encoder.model, mode)
    return replace(encoder, mode=mode)


def _embed_together(
    encoder: Encoder,
    utterances: Sequence[tuple[NDArray[np.float32], Sequence[tuple[int, int]]]],
    *,
    layers: Sequence[int],
    sequence_layer: int,
    sequence_stride: int,
    batch_size: int,
) -> list[dict[str, NDArray[Any]]]:
    """Embed the chunks of each utterance, which are of one length, as `embed` does."""
    run = start(
        encoder.model,
        encoder.mode,
        layers=tuple(layers),
        sequence_layer=sequence_layer,
        sequence_stride=sequence_stride,
    )
    chunks = [[signal[start:stop] for start, stop in bounds] for signal, bounds in utterances]
    of_length = defaultdict(list)
    for number, own in enumerate(chunks):
        of_length[len(own[0])].append(number)
    features: dict[int, dict[str, NDArray[Any]]] = {}
    for numbers in of_length.values():
        queue = [chunk for number in numbers for chunk in chunks[number]]
        batches = [queue[at : at + batch_size] for at in range(0, len(queue), batch_size)]
        made = [run(_normalised(encoder, batch)) for batch in batches]
        pooled, sequence = (np.concatenate(part) for part in zip(*made, strict=True))
        ends = np.cumsum([len(chunks[number]) for number in numbers])[:-1]
        parts = zip(np.split(pooled, ends), np.split(sequence, ends), strict=True)
        for number, (own_pooled, own_sequence) in zip(numbers, parts, strict=True):
            kept = own_sequence.astype(np.float16)
            features[number] = {_POOLED: own_pooled, _SEQUENCE: kept}
    return [features[number] for number in range(len(utterances))]


def _normalised(encoder: Encoder, chunks: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    values = encoder.extractor(
        chunks, sampling_rate=SAMPLE_RATE, padding=False, return_tensors="np"
    ).input_values
    return np.asarray(values, dtype=np.float32)


def _check_weights(folder: Path, model: PreTrainedModel, report: dict[str, Any]) -> None:
    damaged = [name for name, own in model.state_dict().items() if not own.isfinite().all()]
    for problem, names in (
        ("are missing", report["missing_keys"]),
        ("are of another shape", [name for name, *_ in report["mismatched_keys"]]),
        ("do not belong", report["unexpected_keys"]),
        ("hold values that are no numbers", damaged),
    ):
        found = sorted(name for name in names if _is_of_encoder(name, model.base_model_prefix))
        if found:
            raise UserError(
                f"encoder: {folder} has weights that are not those of its config.json "
                f"({len(found)} {problem}, such as {found[0]}); download the checkpoint again, or "
                "choose another."
            )


def _is_of_encoder(name: str, prefix: str) -> bool:
    """Tell what hidden states need, or what is unknown beside it, from what a head brings.

    Below a head the names of the encoder's weights have a prefix, which differs by architecture.
    """
    own = name.removeprefix(f"{prefix}.")
    return not own.startswith(_UNUSED) and (own != name or own.startswith(_NEEDED))


def _load_extractor(folder: Path, config: PreTrainedConfig) -> Wav2Vec2FeatureExtractor:
    if (folder / PREPROCESSOR).is_file():
        return Wav2Vec2FeatureExtractor.from_pretrained(folder, local_files_only=True)
    # What the checkpoints were trained on when the file is absent: fairseq normalised the
    # signal exactly for models with layer norm in the convolutions, which data2vec always has.
    norm = getattr(config, "feat_extract_norm", "layer")
    return Wav2Vec2FeatureExtractor(do_normalize=norm == "layer")
