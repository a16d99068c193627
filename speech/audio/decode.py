"""Recordings as mono float32 at 16 kHz, whatever they were."""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE

EXTENSIONS = (".flac", ".wav", ".mp3", ".ogg")
"""What libsndfile decodes and corpora come in."""


class AudioError(Exception):
    """A recording that cannot be used; the text is the reason, without the file's name."""


@dataclass(frozen=True)
class AudioFacts:
    """What is known of a recording from its content alone.

    Attributes
    ----------
    digest
        BLAKE2b of the file's bytes, 32 hexadecimal digits: the same content, the same digest.
    samples
        Length at 16 kHz, as `load_audio` gives it; 0 if there is a problem.
    seconds
        Duration; 0 if there is a problem.
    sample_rate
        Hz, as recorded; 0 if there is a problem.
    problem
        Why it cannot be used, or an empty string.
    """

    digest: str
    samples: int
    seconds: float
    sample_rate: int
    problem: str


def digest_of(content: bytes) -> str:
    """Return the digest by which a file's content is known."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def decoder_digest() -> str:
    """Return a digest of all that decodes: other code or libraries may find other facts."""
    libraries = f"{soundfile.__libsndfile_version__} {soxr.__version__}"
    return digest_of(Path(__file__).read_bytes() + libraries.encode())


def load_audio(path: Path) -> NDArray[np.float32]:
    """Decode a recording to mono at 16 kHz.

    Channels are averaged; other rates are resampled by soxr at high quality.

    Parameters
    ----------
    path
        A file that libsndfile decodes.

    Returns
    -------
    ndarray of shape (samples,)
        The signal; full scale is ±1.

    Raises
    ------
    AudioError
        If it cannot be decoded, is empty, silent or holds values that are no numbers.
    """
    return decode_audio(path.read_bytes())


def decode_audio(content: bytes) -> NDArray[np.float32]:
    """Decode the content of a recording, as `load_audio` does with its file."""
    return _resample(*_decode(content))


def inspect_audio(path: Path) -> AudioFacts:
    """Decode a recording once and describe it; a broken one is described too, not raised.

    Parameters
    ----------
    path
        Any file.
    """
    content = b""
    try:
        content = path.read_bytes()
        signal, rate = _decode(content)
    except OSError as error:
        return AudioFacts("", 0, 0.0, 0, f"unreadable ({error.strerror})")
    except AudioError as error:
        return AudioFacts(digest_of(content), 0, 0.0, 0, str(error))
    samples = len(_resample(signal, rate))
    return AudioFacts(digest_of(content), samples, len(signal) / rate, rate, "")


def _decode(content: bytes) -> tuple[NDArray[np.float32], int]:
    if not content:
        raise AudioError("empty file")
    try:
        channels, rate = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise AudioError(f"undecodable ({error.error_string.rstrip('.')})") from None
    except (MemoryError, ValueError):  # a damaged header may claim terabytes
        raise AudioError("undecodable (its header claims an impossible length)") from None
    if len(channels) == 0:
        raise AudioError("empty recording")
    signal = channels[:, 0] if channels.shape[1] == 1 else channels.mean(axis=1)
    if not np.isfinite(signal).all():
        raise AudioError("holds values that are no numbers")
    if np.ptp(signal) == 0:
        raise AudioError("digital silence")
    return np.ascontiguousarray(signal, dtype=np.float32), rate


def _resample(signal: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    if rate == SAMPLE_RATE:
        return signal
    return soxr.resample(signal, rate, SAMPLE_RATE).astype(np.float32, copy=False)
