"""Streaming: the samples that the whole file decodes to, in any format."""

import os
from io import BytesIO

import numpy as np
import pytest
import soundfile

from speech.audio import stream as streaming
from speech.audio.decode import AudioError, load_audio
from speech.audio.stream import open_stream

FORMATS = [
    *[("WAV", subtype) for subtype in ("PCM_16", "PCM_24", "FLOAT", "ULAW")],
    *[(name, "PCM_16") for name in ("FLAC", "AIFF", "AU", "CAF", "W64", "RF64")],
    *[("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")],
]


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(streaming, "_BLOCK", 5000)


def streamed(source):
    with open_stream(source) as stream:
        blocks = list(stream)
    clipped = np.concatenate([block.clipped for block in blocks])
    return np.concatenate([block.signal for block in blocks]), clipped


@pytest.mark.parametrize(("container", "subtype"), FORMATS)
@pytest.mark.parametrize("channels", [1, 2])
def test_the_samples_are_those_of_the_whole_file_and_nothing_is_printed(
    tmp_path, voice, capfd, container, subtype, channels
):
    signal = np.stack([voice(4.0, seed=seed) for seed in range(channels)], axis=1)
    soundfile.write(tmp_path / "any name", signal, 16_000, subtype, format=container)
    samples, _ = streamed(tmp_path / "any name")
    assert capfd.readouterr().err == ""
    np.testing.assert_array_equal(samples, load_audio(tmp_path / "any name"))
    assert samples.dtype == np.float32


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_other_rates_are_resampled_as_the_pipeline_does(tmp_path, voice, write_audio, rate):
    path = write_audio(tmp_path / "a.flac", voice(1.1, rate=rate), rate)
    samples, _ = streamed(path)
    np.testing.assert_array_equal(samples, load_audio(path))


def test_clipping_is_reported_by_its_time_however_the_blocks_are_cut(tmp_path, write_audio):
    signal = np.full(44_100, 0.1)
    signal[4990:5010] = 1.0  # across the end of the first block
    signal[20_000] = 1.0  # one peak is no clipping
    path = write_audio(tmp_path / "a.wav", signal, 44_100)
    _, clipped = streamed(path)
    assert clipped.min() == pytest.approx(4990 / 44_100, abs=3 / 44_100)
    assert clipped.max() == pytest.approx(5009 / 44_100, abs=3 / 44_100)
    # Either side of the block's end, a run must be long enough by itself to count.
    assert 16 <= len(clipped) <= 20


def test_clipping_in_one_of_two_channels_is_reported(tmp_path, write_audio):
    quiet = np.zeros(4000)
    loud = np.clip(2 * np.sin(np.arange(4000) / 20), -1, 1)
    _, clipped = streamed(write_audio(tmp_path / "a.wav", np.stack([quiet, loud], axis=1)))
    assert len(clipped) > 1000


def wav_with_sizes(content, size):
    """Write sizes into a WAV header as programs do that stream what has no end yet."""
    place = content.index(b"data") + 4
    whole = size.to_bytes(4, "little")
    return content[:4] + whole + content[8:place] + whole + content[place + 4 :]


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF, None])
def test_a_pipe_is_read_to_its_end_whatever_length_its_header_gives(voice, size):
    written = BytesIO()
    soundfile.write(written, voice(1.0), 16_000, format="WAV")
    whole, _ = streamed(BytesIO(written.getvalue()))
    content = written.getvalue() if size is None else wav_with_sizes(written.getvalue(), size)
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as end:
        end.write(content)
    for source in (BytesIO(content), os.fdopen(reading, "rb")):
        np.testing.assert_array_equal(streamed(source)[0], whole)
    assert len(whole) == 16_000


BROKEN = {
    "empty file": (b"", "empty file"),
    "no audio": (b"once upon a time " * 100, "undecodable"),
    "a header and no more": (b"RIFF\x24\x00\x00\x00WAVEfmt ", "undecodable"),
    "no samples": ([], "empty recording"),
    "no numbers": ([0.1, np.nan, 0.2], "no numbers"),
    "no file": (None, "unreadable"),
}


@pytest.mark.parametrize(("content", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_refused_with_the_reason(tmp_path, write_audio, content, reason):
    path = tmp_path / "a.wav"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        write_audio(path, np.array(content), subtype="FLOAT")
    with pytest.raises(AudioError, match=reason):
        streamed(path)
    with pytest.raises(AudioError, match="unreadable"):
        streamed(tmp_path)
