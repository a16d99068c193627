"""wav2vec 2.0 or its kin as a frozen feature extractor: chunks in, pooled hidden states out.

Baevski, Zhou, Mohamed & Auli (2020), "wav2vec 2.0: a framework for self-supervised learning of
speech representations". HuBERT, WavLM, data2vec, UniSpeech and UniSpeech-SAT share its shape.
"""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
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
from speech.errors import UserError
from speech.features.checkpoint import PREPROCESSOR, WEIGHTS, check_encoder_folder
from speech.features.engines import Engine, start
from speech.features.settings import REFERENCE, Mode

Utterance = tuple[NDArray[np.float32], Sequence[tuple[int, int]]]
"""A signal of shape (samples,) at 16 kHz; start and stop of its chunks, all of one length."""

_ALONE = Lock()
"""Held by the thread that loads an encoder, or uses one that serves a single thread."""

_NEEDED = ("feature_extractor.conv_layers.", "feature_projection.", "encoder.")
"""What the hidden states are computed with, and nothing else is."""

_UNUSED = ("masked_spec_embed", "adapter.")
"""Weights of training alone, and of what is above the hidden states."""


@dataclass(frozen=True)
class Embedder:
    """Embeds chunks in any process: the encoder is loaded on first use, once per process.

    Each chunk is normalised and embedded by itself; only chunks of equal length share a batch,
    without padding and without an attention mask, because the group norm of the first
    convolution normalises over time and would see the padding.

    Attributes
    ----------
    folder
        Of the checkpoint.
    layers
        Hidden states to pool; 0 is the transformer's input.
    sequence_layer
        Hidden state to keep as a sequence.
    sequence_stride
        Frames averaged into one frame of the sequence; what is left over at the end of a chunk
        is averaged too.
    batch_size
        Chunks at a time.
    mode
        How the encoder is run.
    checkpoint
        Identifies its files: a process may outlive the encoder that lies at a path.
    """

    folder: Path
    layers: tuple[int, ...]
    sequence_layer: int
    sequence_stride: int
    batch_size: int = 8
    mode: Mode = REFERENCE
    checkpoint: str = ""

    def __call__(self, utterances: Iterable[Utterance]) -> Iterator[dict[str, NDArray[Any]]]:
        """Embed the chunks of utterances, on one thread.

        On the processor each utterance by itself: larger batches gain little, and its features
        would depend on the others. A GPU wants large batches, and is given all at once.

        Yields
        ------
        dict
            ``pooled``: float32 of shape (chunks, layers, 2 * hidden), mean and standard deviation
            over frames; ``sequence``: float16 of shape (chunks, frames, hidden).
        """
        together = [list(utterances)] if self.mode.on_gpu else ([one] for one in utterances)
        for some in together:
            yield from self._embed(some)

    def _embed(self, utterances: list[Utterance]) -> list[dict[str, NDArray[Any]]]:
        """Embed the chunks of some utterances, those of one length together."""
        # Many threads on batches this small wait for each other more than they work.
        torch.set_num_threads(1)
        with _ALONE:
            extractor, run = _load_once(self)
        chunks = [signal[slice(*bound)] for signal, bounds in utterances for bound in bounds]
        embedded: list[Any] = [None] * len(chunks)
        # The reference serves the threads of predict.py at once.
        with nullcontext() if self.mode == REFERENCE else _ALONE:
            for length in dict.fromkeys(map(len, chunks)):
                alike = [place for place, chunk in enumerate(chunks) if len(chunk) == length]
                for first in range(0, len(alike), self.batch_size):
                    batch = alike[first : first + self.batch_size]
                    made = run(_normalised(extractor, [chunks[place] for place in batch]))
                    for place, *states in zip(batch, *made, strict=True):
                        embedded[place] = states
        left = iter(embedded)
        features = []
        for _, bounds in utterances:
            own = zip(*islice(left, len(bounds)), strict=True)
            pooled, sequence = (np.stack(states) for states in own)
            features.append({"pooled": pooled, "sequence": sequence.astype(np.float16)})
        return features


@lru_cache(maxsize=2)
def _load_once(embedder: Embedder) -> tuple[Wav2Vec2FeatureExtractor, Engine]:
    """Load an encoder without the layers above those asked for; their states stay the same."""
    model, extractor = load_encoder(embedder.folder)
    # Hidden state 0 is recorded where it enters the first layer.
    highest = max(1, embedder.sequence_layer, *embedder.layers)
    model.encoder.layers = model.encoder.layers[:highest]
    engine = start(
        model,
        embedder.mode,
        layers=embedder.layers,
        sequence_layer=embedder.sequence_layer,
        sequence_stride=embedder.sequence_stride,
    )
    return extractor, engine


def load_encoder(folder: Path) -> tuple[PreTrainedModel, Wav2Vec2FeatureExtractor]:
    """Load a checkpoint in Hugging Face format.

    Parameters
    ----------
    folder
        With config.json and safetensors (preferred) or pytorch_model.bin, which is read with
        ``weights_only``: nothing in it is executed.

    Returns
    -------
    model : PreTrainedModel
        Without the heads of its pre-training or fine-tuning; in evaluation mode, so that neither
        dropout nor LayerDrop is at work.
    extractor : Wav2Vec2FeatureExtractor
        Normalises the signal the way the checkpoint was trained on.

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
    return model.eval(), extractor


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


def _normalised(
    extractor: Wav2Vec2FeatureExtractor, chunks: list[NDArray[np.float32]]
) -> NDArray[np.float32]:
    values = extractor(
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
