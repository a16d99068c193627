"""The one decoder: recordings of any length as mono blocks at 16 kHz, so that memory stays flat.

It hears a recording to its real end, whatever its header says of the length.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE

_BLOCK = 1 << 18
"""Samples decoded at once, of all channels together: five seconds and a half at 48 kHz, mono."""

_NO_END = 1 << 40
"""Frames, or bytes; libsndfile reports more if it does not know the length."""

_RATES = 4_000, 768_000
"""Hz, the lowest and the highest that people record at; a damaged header may say anything."""

_LOUDEST = 2.0**32
"""Of a sample, at full scale 1: float files may hold integers of 32 bits, unscaled. What is larger
is damaged, and would overflow in whatever is computed from it."""

_CANCELLED = 0.1
"""Power of the average of channels, to what it would be if they had nothing in common: below it,
they are each other's negative."""

_LOUD = 0.1
"""A maximum below it is that of a quiet recording in coarse steps."""

_OGG_PAGE = 1 << 16
"""Bytes; the most that a page has."""

_MOST_CHUNKS = 1000
"""Of a WAV file before its samples; others have been damaged."""


class AudioError(Exception):
    """A recording that cannot be used; the text is the reason, without the file's name."""


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
    frames
        How many were decoded so far, at the recording's own rate.
    silent
        Whether no sample so far differed from the one before.
    cancelled
        Whether channels so far were each other's negative, so that their average would be silent.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decoder, claimed = _open_decoder(file)
        self._opened_at = 0
        self.sample_rate: int = self._decoder.samplerate
        low, high = _RATES
        if not low <= self.sample_rate <= high:
            raise AudioError(
                f"its header claims a rate of {self.sample_rate:,} Hz, but recordings have "
                f"{low:,} to {high:,} Hz"
            )
        self.seconds = None if claimed > _NO_END else claimed // self.sample_rate
        self.frames = 0
        self.silent, self.cancelled = True, False

    def __iter__(self) -> Iterator[Block]:
        """Decode, take away a constant offset, average the channels, and resample.

        The offset is the mean of the first block. Of channels whose average would cancel out, the
        loudest is used instead.

        Raises
        ------
        AudioError
            If the file is damaged, empty, or holds values that are no samples.
        """
        resampler = (
            None
            if self.sample_rate == SAMPLE_RATE
            else soxr.ResampleStream(self.sample_rate, SAMPLE_RATE, 1, dtype="float32")
        )
        loudest: int | None = None
        for channels in self._decoded():
            if not (np.abs(channels) < _LOUDEST).all():
                raise AudioError("holds values that are no numbers, or too large for samples")
            if not self.frames:
                lowest, highest = channels[:, 0], channels[:, 0]
                offset = channels.mean(axis=1, dtype=np.float64).astype(np.float32)
            lowest = np.minimum(lowest, channels.min(axis=1))
            highest = np.maximum(highest, channels.max(axis=1))
            self.silent = bool((lowest == highest).all())
            clipped = (self.frames + _clipped_frames(channels, lowest, highest)) / self.sample_rate
            channels -= offset[:, None]
            if not self.frames or channels.shape[1] == self._block:  # a short rest says too little
                loudest = _loudest_if_cancelled(channels)
            self.frames += channels.shape[1]
            self.cancelled |= loudest is not None
            signal = channels.mean(axis=0) if loudest is None else channels[loudest]
            yield Block(resampler.resample_chunk(signal) if resampler else signal, clipped)
        if not self.frames:
            raise AudioError("empty recording")
        if resampler:
            rest = resampler.resample_chunk(np.empty(0, np.float32), last=True)
            yield Block(rest, np.empty(0))

    @property
    def _block(self) -> int:
        return max(1, _BLOCK // self._decoder.channels)

    def _decoded(self) -> Iterator[NDArray[np.float32]]:
        """Decode blocks of shape (channels, frames)."""
        while True:
            try:
                frames = self._decoder.read(self._block, dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                raise _undecodable(error) from None
            if len(frames):
                yield np.ascontiguousarray(frames.T)
            elif not self._goes_on():
                return

    def _goes_on(self) -> bool:
        """Open what follows the end that the decoder knows of, if it is of the same format."""
        start = self._next_part()
        if start is None or start <= self._opened_at:
            return False
        self._opened_at = start
        try:
            decoder, _ = _open_decoder(self._file, start)
        except AudioError:
            return False
        if (decoder.samplerate, decoder.channels) != (self.sample_rate, self._decoder.channels):
            raise AudioError("changes its rate or its number of channels on the way")
        self._decoder = decoder
        return True

    def _next_part(self) -> int | None:
        """Find frames after those that an MP3's header counts, or another stream of an Ogg file.

        Whoever records radio, or joins files, writes such.
        """
        here = self._file.tell()
        if self._decoder.format == "MP3":
            sync = self._file.read(2)
            return here if len(sync) == 2 and sync[0] == 0xFF and sync[1] >= 0xE0 else None
        if self._decoder.format == "OGG":  # whose decoder has read a little into it
            first = self._file.seek(max(self._opened_at + 1, here - _OGG_PAGE))
            place = self._file.read(2 * _OGG_PAGE).find(b"OggS\0\2")
            return first + place if place >= 0 else None
        return None


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
        except OSError as error:
            raise AudioError(f"unreadable ({error.strerror})") from None
        if empty:
            raise AudioError("empty file")
        yield Stream(file)


def _open_decoder(file: BinaryIO, start: int = 0) -> tuple[soundfile.SoundFile, int]:
    """Open a decoder, and say how many frames the header claims."""
    content = _Content(file, start)
    try:
        decoder = _Forwards(content)
        claimed = decoder.frames
        if content.correct(decoder.format):
            content.seek(0)
            decoder = _Forwards(content)
        # An MP3 decoder remembers where it was when it looked at the header.
        decoder.seek(0)
    except soundfile.LibsndfileError as error:
        raise _undecodable(error) from None
    return decoder, claimed


class _Forwards(soundfile.SoundFile):
    """A decoder that never seeks.

    soundfile would seek to each block's end after reading it, and then an MP3 decoder forgets the
    frames before, without which it decodes the next one wrongly.
    """

    def seekable(self) -> bool:
        """Return that it cannot seek."""
        return False


class _Content:
    """An open file as libsndfile is to see it, with what its header says of the length corrected.

    It has no name, from which soundfile would guess a format.
    """

    def __init__(self, file: BinaryIO, start: int) -> None:
        self._file, self._start = file, start
        self._at, self._end = 0, file.seek(0, 2) - start
        self._corrected: dict[int, int] = {}
        self._more = 0
        """Bytes that the file seems to have after its end."""
        head = self._peek(0, 12)
        if head[:4] == b"RIFF" and head[8:] == b"WAVE":
            self._correct_size(self._find_data())
        elif head[:4] == b".snd":
            self._correct_size(8)
        self.seek(0)

    def correct(self, container: str) -> bool:
        """Hide the length that a header claims where it may be wrong; return whether it is hidden.

        libsndfile trusts the number of samples in a FLAC header. Without a number of frames, it
        guesses an MP3's length from the first bit rate and the file's size.
        """
        if container == "FLAC" and self._peek(0, 4) == b"fLaC":
            self._corrected = {21: self._peek(21, 1)[0] & 0xF0, **dict.fromkeys(range(22, 26), 0)}
        elif container == "MP3" and not self._counts_frames():
            self._more = _NO_END
        return bool(self._corrected or self._more)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place, as in `io.RawIOBase`."""
        if whence:
            offset += self._at if whence == 1 else self._end + self._more
        offset = max(0, offset)  # damaged headers lead before the beginning
        self._file.seek(self._start + min(offset, self._end))
        self._at = offset
        return offset

    def tell(self) -> int:
        """Return the place."""
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Read on into a buffer; return how many bytes."""
        if self._more and self._at >= self._end + self._more - 128:  # where a tag would be
            found = min(len(buffer), self._end + self._more - self._at)
            buffer[:found] = bytes(found)
        else:
            found = self._file.readinto(buffer)  # type: ignore[attr-defined]  # the type lacks it
            for place, byte in self._corrected.items():
                if 0 <= place - self._at < found:
                    buffer[place - self._at : place - self._at + 1] = bytes([byte])
        self._at += found
        return found

    def _peek(self, place: int, length: int) -> bytes:
        self._file.seek(self._start + min(place, self._end))
        return self._file.read(length)

    def _correct_size(self, place: int | None) -> None:
        """Write "as much as there is" where 0 stands for it, because a pipe has no way back."""
        if place and self._peek(place, 4) == bytes(4):
            self._corrected = dict.fromkeys(range(place, place + 4), 0xFF)

    def _find_data(self) -> int | None:
        """Find where a WAV header says how long its samples are."""
        place = 12
        for _ in range(_MOST_CHUNKS):
            chunk = self._peek(place, 8)
            if chunk[:4] == b"data":
                return place + 4
            size = int.from_bytes(chunk[4:], "little")
            place += 8 + size + size % 2
        return None

    def _counts_frames(self) -> bool:
        """Return whether the first frame of an MP3 file says how many follow."""
        head = self._peek(0, 10)
        place = 0
        if head[:3] == b"ID3":  # its size is written in bytes of 7 bits
            place = 10 + sum(byte << 7 * (3 - number) for number, byte in enumerate(head[6:]))
        return any(tag in self._peek(place, 4096) for tag in (b"Xing", b"Info", b"VBRI"))


def _undecodable(error: soundfile.LibsndfileError) -> AudioError:
    return AudioError(f"undecodable ({error.error_string.rstrip('.')})")


def _loudest_if_cancelled(channels: NDArray[np.float32]) -> int | None:
    """Choose the loudest channel if the average of all would cancel out; else None."""
    if len(channels) == 1:
        return None
    powers = np.square(channels, dtype=np.float64).sum(axis=1)
    average = np.square(channels.mean(axis=0), dtype=np.float64).sum()
    unrelated = powers.sum() / len(powers) ** 2
    return int(powers.argmax()) if average < _CANCELLED * unrelated else None


def _clipped_frames(
    channels: NDArray[np.float32], lowest: NDArray[np.float32], highest: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Find the frames at which any channel stays at its maximum so far, or its minimum.

    For three frames or more, because one or two may be a peak.
    """
    clipped = np.zeros(channels.shape[1], dtype=bool)
    for extremes in (lowest, highest):
        for channel, extreme in zip(channels, extremes, strict=True):
            if abs(extreme) >= _LOUD:
                at_it = channel == extreme
                run = at_it[:-2] & at_it[1:-1] & at_it[2:]
                for first in range(3):
                    clipped[first : first + len(run)] |= run
    return np.flatnonzero(clipped)
