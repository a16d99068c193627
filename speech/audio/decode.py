"""Recordings as mono float32 at 16 kHz, whatever they were."""

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from speech.audio import stream
from speech.audio.stream import AudioError, open_stream

_blake2b = partial(hashlib.blake2b, digest_size=16)


@dataclass(frozen=True)
class AudioFacts:
    """What is known of a recording from its content alone.

    Attributes
    ----------
    digest
        BLAKE2b of the file's bytes, 32 hexadecimal digits: the same bytes, the same digest.
    content
        The same of the decoded samples, so that FLAC and WAV of one recording have the same; empty
        if there is a problem.
    samples
        Length at 16 kHz, as `load_audio` gives it; 0 if there is a problem.
    seconds
        Duration; 0 if there is a problem.
    sample_rate
        Hz, as recorded; 0 if there is a problem.
    channels_cancel
        Whether the average of its channels is silent, so that the loudest of them is used.
    problem
        Why it cannot be used, or an empty string.
    """

    digest: str
    content: str = ""
    samples: int = 0
    seconds: float = 0.0
    sample_rate: int = 0
    channels_cancel: bool = False
    problem: str = ""


def digest_of(content: bytes) -> str:
    """Return the digest by which a file's content is known."""
    return _blake2b(content).hexdigest()


def file_digest(path: Path) -> str:
    """Return the same of a file, which may be larger than memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, _blake2b).hexdigest()


def decoder_digest() -> str:
    """Return a digest of all that decodes: other code or libraries may find other facts."""
    code = [Path(file).read_bytes() for file in (__file__, stream.__file__)]
    libraries = f"{soundfile.__libsndfile_version__} {soxr.__version__}"
    return digest_of(b"".join([*code, libraries.encode()]))


def load_audio(source: Path | BinaryIO) -> NDArray[np.float32]:
    """Decode a recording to mono at 16 kHz, as `speech.audio.stream` does.

    Parameters
    ----------
    source
        A file that libsndfile decodes, or one that was opened.

    Returns
    -------
    ndarray of shape (samples,)
        The signal; full scale is ±1.

    Raises
    ------
    AudioError
        If it cannot be decoded, is empty, silent or holds values that are no samples.
    """
    samples = bytearray()  # grows in place: an hour is never in memory twice
    with open_stream(source) as recording:
        for block in recording:
            samples += block.signal.tobytes()
        if recording.silent:
            raise AudioError("digital silence")
    return np.frombuffer(samples, np.float32)


def inspect_audio(path: Path) -> AudioFacts:
    """Decode a recording once and describe it; a broken one is described too, not raised.

    Parameters
    ----------
    path
        Any file, of any length.
    """
    digest, samples, content = "", 0, _blake2b()
    try:
        digest = file_digest(path)
        with open_stream(path) as recording:
            for block in recording:
                samples += len(block.signal)
                content.update(block.signal.tobytes())
            if recording.silent:
                raise AudioError("digital silence")
    except OSError as error:
        return AudioFacts("", problem=f"unreadable ({error.strerror})")
    except AudioError as error:
        return AudioFacts(digest, problem=str(error))
    return AudioFacts(
        digest,
        content.hexdigest(),
        samples,
        recording.frames / recording.sample_rate,
        recording.sample_rate,
        recording.cancelled,
    )
