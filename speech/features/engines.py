"""What runs an encoder, and in which precision: torch on a processor or a GPU, or OpenVINO."""

import ctypes
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations

from speech.errors import UserError
from speech.features.settings import Backend, Device, Mode, Precision

Statistics = tuple[NDArray[np.float32], NDArray[np.float32]]
Engine = Callable[[NDArray[np.float32]], Statistics]
"""From signals of one length, (batch, samples), to pooled hidden states, (batch, layers,
2 * hidden), and the sequence, (batch, frames, hidden)."""

_SHORTEST = 1600
"""Samples; of less than four frames OpenVINO 2026.4 makes something else, and no chunk is so short
(chunks.seconds and index.min_seconds are 0.1 at least)."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Options of glibc's mallopt, as malloc.h numbers them; their values are bytes."""

_POSITIONS_AT_A_TIME = 8
"""Batch size of the positional convolution on a GPU in float32."""


def choose_mode(device: Device, precision: Precision, backend: Backend) -> Mode:
    """Choose how to run an encoder on this machine.

    Parameters
    ----------
    device
        ``auto`` takes a graphics card through torch where there is one, and the processor else.
    precision, backend
        As in params.yaml.

    Raises
    ------
    UserError
        If this machine has no such device or library.
    """
    if backend == "openvino":
        if find_spec("openvino") is None:
            raise UserError(
                "compute.backend: openvino is not installed; type `pip install -e '.[openvino]'`, "
                "or set it to torch."
            )
        return Mode("cpu", precision, backend)
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        # torch's autocast is for the others.
        usable = there | {"mps": there["mps"] and precision == "float32"}
        device = "cuda" if usable["cuda"] else "mps" if usable["mps"] else "cpu"
    if not there.get(device, True):
        raise UserError(
            f"compute.device: torch finds no {device} on this machine; set it to auto or cpu."
        )
    return Mode(device, precision, backend)


def libraries(mode: Mode) -> list[str]:
    """Name the distributions whose versions count for a mode's features."""
    return ["torch", "transformers", *([] if mode.backend == "torch" else [mode.backend])]


def prepare(model: Any, mode: Mode) -> None:
    """Bring a loaded model to its device, in place.

    Parameters
    ----------
    model
        Of transformers, in evaluation mode.
    mode
        As `choose_mode` gives it.
    """
    if mode.backend == "openvino":
        return
    if mode.device == "cpu":
        _keep_freed_memory()
        # A batch of the convolutions' frames overflows the cache. The transformer above has a
        # hundredth of them, and is faster in batches.
        model.feature_extractor = _InParts(model.feature_extractor, 1)
    if mode.device == "cuda":
        # Ten bits of a float32 are none, and an algorithm chosen by stopwatch is another each time.
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True
        if mode.precision == "float32":
            # cuDNN's grouped convolution takes ten times as long for a chunk in a batch of 64 as in
            # one of 8 (H200, torch 2.11).
            positions = model.encoder.pos_conv_embed
            model.encoder.pos_conv_embed = _InParts(positions, _POSITIONS_AT_A_TIME)
    for module in model.modules():
        if is_parametrized(module, "weight"):
            # It would be computed anew for every batch.
            remove_parametrizations(module, "weight")
    if mode.precision == "bfloat16":
        # Autocast would round the same weights anew for every batch.
        for module in model.modules():
            if isinstance(module, torch.nn.Linear | torch.nn.Conv1d):
                module.to(torch.bfloat16)
    move(model, mode.device)


def _keep_freed_memory() -> None:
    """Have the C library keep what tensors of a few megabytes leave, where it can be told to.

    glibc gives it back to the system each time, and to have it again takes a third of the time of
    a small encoder.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(_MMAP_THRESHOLD, 2**25)
        library.mallopt(_TRIM_THRESHOLD, 2**28)


def move(what: Any, device: str) -> Any:
    """Put a model or a tensor on a device."""
    return what.to(device)


def start(
    model: Any, mode: Mode, *, layers: Sequence[int], sequence_layer: int, sequence_stride: int
) -> Engine:
    """Make what computes the statistics of a batch.

    Parameters
    ----------
    model
        Of transformers, in evaluation mode; changed by `prepare`.
    mode
        How to run it.
    layers
        Hidden states to pool.
    sequence_layer, sequence_stride
        Hidden state to keep as a sequence, and frames averaged into one of it.
    """
    prepare(model, mode)
    statistics = _Statistics(model, layers, sequence_layer, sequence_stride).eval()
    return (_with_torch if mode.backend == "torch" else _with_openvino)(statistics, mode)


class _InParts(torch.nn.Module):
    """Runs a module on a part of a batch at a time."""

    def __init__(self, module: torch.nn.Module, chunks: int) -> None:
        super().__init__()
        self.module, self.chunks = module, chunks

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.module(part) for part in batch.split(self.chunks)])


class _Statistics(torch.nn.Module):
    """Of the hidden states of a batch what is kept: pooled ones, and one at a reduced rate."""

    def __init__(
        self, model: torch.nn.Module, layers: Sequence[int], sequence_layer: int, stride: int
    ) -> None:
        super().__init__()
        self.model = model
        self.layers, self.sequence_layer, self.stride = layers, sequence_layer, stride

    def forward(self, signals: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        states = self.model(signals, output_hidden_states=True).hidden_states
        pooled = torch.stack([_mean_and_std(states[layer].float()) for layer in self.layers], dim=1)
        return pooled, _at_reduced_rate(states[self.sequence_layer].float(), self.stride)


def _mean_and_std(states: torch.Tensor) -> torch.Tensor:
    return torch.cat([states.mean(dim=1), states.std(dim=1, correction=0)], dim=1)


def _at_reduced_rate(states: torch.Tensor, stride: int) -> torch.Tensor:
    reduced = torch.nn.functional.avg_pool1d(
        states.transpose(1, 2), stride, ceil_mode=True, count_include_pad=False
    )
    return reduced.transpose(1, 2)


def _with_torch(statistics: _Statistics, mode: Mode) -> Engine:
    half = mode.precision == "bfloat16"

    @torch.inference_mode()
    def run(signals: NDArray[np.float32]) -> Statistics:
        batch = move(torch.from_numpy(signals), mode.device)
        with torch.autocast(batch.device.type, torch.bfloat16, enabled=half):
            pooled, sequence = statistics(batch)
        return pooled.cpu().numpy(), sequence.cpu().numpy()

    return run


def _with_openvino(statistics: _Statistics, mode: Mode) -> Engine:
    import openvino
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    # What `openvino.convert_model` does, which also sends statistics of its use over the network.
    frontend = FrontEndManager().load_by_framework("pytorch")
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # of what a trace cannot follow, which is not used
        traced = TorchScriptPythonDecoder(statistics, example_input=torch.zeros(2, 16_000))
        graph = frontend.convert(frontend.load(traced))
    compiled = openvino.Core().compile_model(
        graph,
        "CPU",
        {
            "INFERENCE_NUM_THREADS": 1,
            "NUM_STREAMS": 1,
            # All workers would be pinned to the same core.
            "ENABLE_CPU_PINNING": False,
            "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[mode.precision],
        },
    )
    request = compiled.create_infer_request()

    def run(signals: NDArray[np.float32]) -> Statistics:
        if signals.shape[1] < _SHORTEST:
            raise ValueError(f"{signals.shape[1]} samples are too short for OpenVINO")
        # One by one: a batch of another size would be prepared anew, and gains little.
        made = [request.infer([signal[None]], share_inputs=True) for signal in signals]
        pooled, sequence = ([np.array(one[part]) for one in made] for part in (0, 1))
        return np.concatenate(pooled), np.concatenate(sequence)

    return run
