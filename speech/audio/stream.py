"""Recordings of any length as a stream of mono blocks at 16 kHz: memory stays flat.

The samples equal those of `speech.audio.decode.load_audio` for the whole file, bit by bit. But
silent recordings are not refused here.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE
from speech.audio.decode import AudioError

_BLOCK = 1 << 18
"""Frames decoded at once: five seconds and a half at 48 kHz."""

_NO_END = 1 << 40
"""Frames; libsndfile reports more if it does not know the length."""

_FULL_SCALE = 0.999
"""From which a sample is at full scale; that of 16 bits ends at 0.99997."""

_RUN = 3
"""So many samples in a row at full scale are clipped; a single one may be a peak."""


class Block(NamedTuple):
    """Some consecutive samples.

    Attributes
    ----------
    signal
        float32, shape (samples,), mono at 16 kHz, full scale ±1.
    clipped
        Times of clipped samples, in seconds from the recording's start.
    """

    signal: NDArray[np.float32]
    clipped: NDArray[np.float64]


class Stream:
    """A recording that is decoded block by block.

    Attributes
    ----------
    sample_rate
        Hz, as recorded.
    seconds
        Length according to its header; None if that does not say.
    """

    def __init__(self, file: soundfile.SoundFile) -> None:
        self._file = file
        self.sample_rate: int = file.samplerate
        self.seconds = None if file.frames > _NO_END else file.frames // file.samplerate

    def __iter__(self) -> Iterator[Block]:
        """Decode, average the channels, and resample.

        Raises
        ------
        AudioError
            If the file is damaged, empty, or holds values that are not finite.
        """
        resampler = (
            None
            if self.sample_rate == SAMPLE_RATE
            else soxr.ResampleStream(self.sample_rate, SAMPLE_RATE, 1, dtype="float32")
        )
        frames = 0
        for channels in self._decoded():
            signal = channels[:, 0] if channels.shape[1] == 1 else channels.mean(axis=1)
            if not np.isfinite(signal).all():
                raise AudioError("holds values that are no numbers")
            clipped = (frames + _clipped_frames(channels)) / self.sample_rate
            frames += len(channels)
            signal = np.ascontiguousarray(signal, dtype=np.float32)
            yield Block(resampler.resample_chunk(signal) if resampler else signal, clipped)
        if not frames:
            raise AudioError("empty recording")
        if resampler:
            rest = resampler.resample_chunk(np.empty(0, np.float32), last=True)
            yield Block(rest, np.empty(0))

    def _decoded(self) -> Iterator[NDArray[np.float32]]:
        while True:
            try:
                channels = self._file.read(_BLOCK, dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                raise _undecodable(error) from None
            if not len(channels):
                return
            yield channels


@contextmanager
def open_stream(source: Path | BinaryIO) -> Iterator[Stream]:
    """Open a recording to be decoded block by block.

    Parameters
    ----------
    source
        A file that libsndfile decodes, a pipe that gives one, or either of them opened.

    Yields
    ------
    Stream
        To be iterated over, once.

    Raises
    ------
    AudioError
        If it cannot be read or decoded; the text is the reason, without the file's name.
    """
    with ExitStack() as opened:
        try:
            file = opened.enter_context(source.open("rb") if isinstance(source, Path) else source)
            if not file.seekable():
                # Decoders seek. On the disk, so that memory stays flat.
                piped, file = file, opened.enter_context(tempfile.TemporaryFile())
                shutil.copyfileobj(piped, file)
                file.seek(0)
            empty = not file.read(1)
            file.seek(0)
        except OSError as error:
            raise AudioError(f"unreadable ({error.strerror})") from None
        if empty:
            raise AudioError("empty file")
        try:
            # Without the name, which may not fit the content.
            decoder = _Forwards(_Nameless(file))
            # The whole file is decoded from here too; an MP3 decoder remembers where it was.
            decoder.seek(0)
        except soundfile.LibsndfileError as error:
            raise _undecodable(error) from None
        with decoder:
            yield Stream(decoder)


class _Forwards(soundfile.SoundFile):
    """A decoder that never seeks.

    soundfile would seek to each block's end after reading it, and then an MP3 decoder forgets the
    frames before, without which it decodes the next one wrongly.
    """

    def seekable(self) -> bool:
        """Return that it cannot seek."""
        return False


class _Nameless:
    """An open file without its name, from which soundfile would guess a format."""

    def __init__(self, file: BinaryIO) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell
        self.readinto = file.readinto  # type: ignore[attr-defined]  # the type lacks it


def _undecodable(error: soundfile.LibsndfileError) -> AudioError:
    return AudioError(f"undecodable ({error.error_string.rstrip('.')})")


def _clipped_frames(channels: NDArray[np.float32]) -> NDArray[np.int64]:
    """Find the frames at which any channel is in a run at full scale."""
    extreme = np.abs(channels) >= _FULL_SCALE
    if not extreme.any():
        return np.empty(0, np.int64)
    runs = extreme.copy()
    for later in range(1, _RUN):
        runs[later:] &= extreme[:-later]
        runs[:later] = False
    return np.flatnonzero(runs.any(axis=1))
