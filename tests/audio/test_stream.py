"""Streaming: the samples that the whole file decodes to, in any format."""

import os
from io import BytesIO

import numpy as np
import pytest
import soundfile

from speech.audio import stream as streaming
from speech.audio.decode import AudioError, load_audio
from speech.audio.stream import open_stream

FORMATS = {
    "wav": ("WAV", "PCM_16"),
    "wav-24": ("WAV", "PCM_24"),
    "wav-float": ("WAV", "FLOAT"),
    "wav-law": ("WAV", "ULAW"),
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "aiff": ("AIFF", "PCM_16"),
    "au": ("AU", "PCM_16"),
    "caf": ("CAF", "PCM_16"),
    "w64": ("W64", "PCM_16"),
    "rf64": ("RF64", "PCM_16"),
}


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(streaming, "_BLOCK", 5000)


def streamed(source):
    with open_stream(source) as stream:
        blocks = list(stream)
    clipped = np.concatenate([block.clipped for block in blocks])
    return np.concatenate([block.signal for block in blocks]), clipped


@pytest.mark.parametrize(("container", "subtype"), FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("channels", [1, 2])
def test_the_samples_are_those_of_the_whole_file(tmp_path, voice, container, subtype, channels):
    signal = np.stack([voice(1.3, seed=seed) for seed in range(channels)], axis=1)
    soundfile.write(tmp_path / "any name", signal, 16_000, subtype, format=container)
    samples, _ = streamed(tmp_path / "any name")
    np.testing.assert_array_equal(samples, load_audio(tmp_path / "any name"))
    assert samples.dtype == np.float32


def test_an_mp3_is_decoded_without_warnings(tmp_path, voice, capfd):
    soundfile.write(tmp_path / "a.mp3", voice(4.0), 16_000)
    streamed(tmp_path / "a.mp3")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_other_rates_are_resampled_as_the_pipeline_does(tmp_path, voice, write_audio, rate):
    path = write_audio(tmp_path / "a.flac", voice(1.1, rate=rate), rate)
    samples, _ = streamed(path)
    np.testing.assert_array_equal(samples, load_audio(path))


def test_flac_and_wav_of_the_same_samples_are_the_same(tmp_path, voice, write_audio):
    # As integers, which either format keeps; of fractions each makes its own.
    signal = np.round(32768 * voice(1.3)).astype(np.int16)
    flac, wav = (write_audio(tmp_path / f"a.{suffix}", signal) for suffix in ("flac", "wav"))
    np.testing.assert_array_equal(streamed(flac)[0], streamed(wav)[0])


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


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF])
def test_a_stream_whose_header_gives_no_length_is_read_to_its_end(voice, size):
    written = BytesIO()
    soundfile.write(written, voice(1.0), 16_000, format="WAV")
    samples, _ = streamed(BytesIO(wav_with_sizes(written.getvalue(), size)))
    assert len(samples) == 16_000


def test_a_pipe_is_read_although_it_cannot_seek(voice):
    written = BytesIO()
    soundfile.write(written, voice(1.0), 16_000, format="WAV")
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as end:
        end.write(written.getvalue())
    samples, _ = streamed(os.fdopen(reading, "rb"))
    np.testing.assert_array_equal(samples, streamed(BytesIO(written.getvalue()))[0])


BROKEN = {
    "empty file": (b"", "empty file"),
    "no audio": (b"once upon a time " * 100, "undecodable"),
    "a header and no more": (b"RIFF\x24\x00\x00\x00WAVEfmt ", "undecodable"),
}


@pytest.mark.parametrize(("content", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_refused_with_the_reason(tmp_path, content, reason):
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(AudioError, match=reason):
        streamed(tmp_path / "a.wav")


def test_what_cannot_be_opened_is_refused_with_the_reason(tmp_path):
    with pytest.raises(AudioError, match="unreadable"):
        streamed(tmp_path / "gone.wav")
    with pytest.raises(AudioError, match="unreadable"):
        streamed(tmp_path)


def test_empty_and_not_finite_samples_are_refused(tmp_path, write_audio):
    with pytest.raises(AudioError, match="empty recording"):
        streamed(write_audio(tmp_path / "a.wav", np.empty(0)))
    broken = np.array([0.1, np.nan, 0.2])
    with pytest.raises(AudioError, match="no numbers"):
        streamed(write_audio(tmp_path / "b.wav", broken, subtype="FLOAT"))
