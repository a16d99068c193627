"""Any recording becomes mono float32 at 16 kHz, the same whole or block by block."""

import io
import os
import shutil

import numpy as np
import pytest
import soundfile

from speech.audio import stream
from speech.audio.decode import AudioError, decoder_digest, digest_of, inspect_audio, load_audio
from speech.audio.stream import open_stream

RATES = [8_000, 11_025, 22_050, 32_000, 44_100, 48_000]


def dominant_hz(signal):
    spectrum = np.abs(np.fft.rfft(signal * np.hanning(len(signal))))
    return np.argmax(spectrum) * 16_000 / len(signal)


def tone(hz, rate, seconds=1.0):
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)


def packed(samples, rate=16_000, subtype="FLOAT", container="WAV"):
    buffer = io.BytesIO()
    soundfile.write(buffer, np.asarray(samples), rate, subtype, format=container)
    return buffer.getvalue()


def decoded(samples, rate=16_000, subtype="FLOAT"):
    return load_audio(io.BytesIO(packed(samples, rate, subtype)))


def streamed(content):
    """Decode block by block; return the signal, the clipped times, and the stream."""
    with open_stream(io.BytesIO(content)) as recording:
        blocks = list(recording)
    clipped = np.concatenate([block.clipped for block in blocks])
    return np.concatenate([block.signal for block in blocks]), clipped, recording


# --- what is decoded --------------------------------------------------------------------------

FORMATS = [
    *[("WAV", subtype, error) for subtype, error in (("PCM_16", 1e-4), ("PCM_24", 1e-6))],
    ("WAV", "FLOAT", 1e-7),
    *[(name, "PCM_16", 1e-4) for name in ("FLAC", "AIFF", "AU", "CAF", "W64", "RF64")],
    ("OGG", "VORBIS", 0.05),
    ("MP3", "MPEG_LAYER_III", 0.05),
]


@pytest.mark.parametrize(("container", "subtype", "error"), FORMATS)
def test_every_format_decodes_to_what_was_encoded_and_nothing_is_printed(
    voice, capfd, container, subtype, error
):
    signal = voice(2.0)
    loaded = load_audio(io.BytesIO(packed(signal, 16_000, subtype, container)))
    assert loaded.dtype == np.float32
    assert loaded.shape == signal.shape
    assert np.abs(loaded - signal + signal.mean()).max() <= error
    assert capfd.readouterr().err == ""


def test_samples_keep_their_level_also_beyond_full_scale():
    assert decoded(np.array([-16_384, 16_384], np.int16), subtype="PCM_16").tolist() == [-0.5, 0.5]
    assert decoded([3.0, -3.0]).tolist() == [3, -3]


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_channels_are_averaged(channels):
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (3_000, channels)).astype(np.float32)
    expected = samples.mean(axis=1)
    np.testing.assert_allclose(decoded(samples), expected - expected.mean(), atol=1e-6)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("hz", [200, 3_000])
def test_other_rates_keep_their_pitch_level_and_duration(rate, hz):
    loaded = decoded(tone(hz, rate), rate)
    assert abs(len(loaded) - 16_000) <= 1
    assert dominant_hz(loaded) == pytest.approx(hz, abs=2)
    middle = loaded[4_000:12_000]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.01)


def test_what_lies_above_8_khz_does_not_fold_back():
    assert np.abs(decoded(tone(11_000, 44_100), 44_100)[1_000:-1_000]).max() < 1e-3


@pytest.mark.parametrize("seconds", [0.3, 20.0])
def test_a_constant_offset_is_taken_away(voice, seconds):
    signal = voice(seconds)
    without, with_offset = decoded(signal), decoded(signal + 0.25)
    np.testing.assert_allclose(with_offset, without, atol=1e-6)


def test_of_channels_that_cancel_out_the_loudest_is_heard_and_a_flag_says_so(voice):
    signal = voice(3.0)
    for channels, flagged in (
        ([signal, -signal], True),
        ([0.9 * signal, -signal], True),
        ([signal, -signal, 0 * signal], True),
        ([signal, -0.2 * signal], False),
        ([signal, voice(3.0, seed=1)], False),
        ([signal, 0 * signal], False),
    ):
        mono, _, recording = streamed(packed(np.stack(channels, axis=1)))
        assert recording.cancelled is flagged
        if flagged:
            loudest = max(channels, key=np.ptp)
            np.testing.assert_allclose(mono, loudest - loudest.mean(), atol=1e-6)


def test_channels_that_cancel_late_are_noticed(voice, monkeypatch):
    monkeypatch.setattr(stream, "_BLOCK", 16_000)
    hum, signal = 0.01 * voice(1.0, seed=1), voice(2.2)
    left, right = np.concatenate([hum, signal]), np.concatenate([hum, -signal])
    mono, _, recording = streamed(packed(np.stack([left, right], axis=1)))
    assert recording.cancelled
    assert np.abs(mono[16_000:]).mean() == pytest.approx(np.abs(signal).mean(), rel=0.01)


# --- clipping ---------------------------------------------------------------------------------


@pytest.mark.parametrize("peak", [0.5, 1.0, 3.0])
def test_clipped_is_a_run_of_equal_samples_at_the_maximum(voice, peak):
    signal = voice(2.0)
    signal *= 4 * peak / np.abs(signal).max()
    _, clipped, _ = streamed(packed(np.clip(signal, -peak, peak), 44_100))
    expected = np.flatnonzero(np.abs(signal) >= peak) / 44_100
    assert len(clipped) == pytest.approx(len(expected), rel=0.1)
    assert set(clipped) <= set(expected)
    for unclipped in (signal, np.clip(signal, -peak, peak) * 0.01):
        assert len(streamed(packed(unclipped))[1]) == 0
    in_one_of_two = np.stack([0 * signal, np.clip(signal, -peak, peak)], axis=1)
    np.testing.assert_array_equal(streamed(packed(in_one_of_two, 44_100))[1], clipped)


# --- in blocks --------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [16_000, *RATES])
def test_blocks_are_those_of_the_whole(voice, monkeypatch, tmp_path, rate):
    content = packed(voice(1.1, rate=rate) * np.hanning(round(1.1 * rate)), rate)
    whole = load_audio(io.BytesIO(content))
    monkeypatch.setattr(stream, "_BLOCK", 5_000)
    np.testing.assert_allclose(streamed(content)[0], whole, atol=2e-4)  # but for the offset
    (tmp_path / "a.wav").write_bytes(content)
    facts = inspect_audio(tmp_path / "a.wav")
    assert (facts.samples, facts.seconds) == (len(whole), round(1.1 * rate) / rate)
    assert (facts.sample_rate, facts.problem, facts.channels_cancel) == (rate, "", False)


def test_a_pipe_is_read_to_its_end(voice):
    content = packed(voice(1.0), subtype="PCM_16")
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as end:
        end.write(content)
    whole = load_audio(io.BytesIO(content))
    np.testing.assert_array_equal(load_audio(os.fdopen(reading, "rb")), whole)


# --- what is known of a file ------------------------------------------------------------------


def test_what_cannot_be_read_is_described_and_refused_for_the_same_reason(tmp_path):
    facts = inspect_audio(tmp_path / "gone.flac")
    assert (facts.digest, facts.problem) == ("", "unreadable (No such file or directory)")
    with pytest.raises(AudioError, match="unreadable"):
        load_audio(tmp_path / "gone.flac")
    with pytest.raises(AudioError, match="unreadable"):
        load_audio(tmp_path)
    (tmp_path / "a.flac").write_bytes(b"no sound")
    facts = inspect_audio(tmp_path / "a.flac")
    assert (facts.digest, facts.content, facts.samples) == (digest_of(b"no sound"), "", 0)


def test_digests_tell_files_and_sounds_apart(tmp_path, write_audio, voice):
    samples = (voice(1.0) * 32_768).astype(np.int16)
    path = write_audio(tmp_path / "a.flac", samples)
    facts = inspect_audio(path)
    assert facts == inspect_audio(shutil.copy(path, tmp_path / "other name.wav"))
    same = inspect_audio(write_audio(tmp_path / "a.wav", samples))
    assert (same.content, same.digest == facts.digest) == (facts.content, False)
    other = inspect_audio(write_audio(tmp_path / "b.flac", voice(1.0, seed=1)))
    assert other.content != facts.content
    assert len(facts.digest) == len(facts.content) == 32


def test_the_decoder_is_known_by_its_code_and_libraries(monkeypatch):
    before = decoder_digest()
    assert decoder_digest() == before
    monkeypatch.setattr(soundfile, "__libsndfile_version__", "0.9")
    assert decoder_digest() != before
