"""Any recording becomes mono float32 at 16 kHz, or a reason why not."""

import io
import shutil

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from speech.audio.decode import AudioError, decoder_digest, digest_of, inspect_audio, load_audio

RATES = [8_000, 11_025, 22_050, 32_000, 44_100, 48_000]


def dominant_hz(signal):
    spectrum = np.abs(np.fft.rfft(signal * np.hanning(len(signal))))
    return np.argmax(spectrum) * 16_000 / len(signal)


def tone(hz, rate, seconds=1.0):
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)


def reason_to_refuse(path):
    """Check that loading and inspecting refuse a file for one reason, and return it."""
    with pytest.raises(AudioError) as caught:
        load_audio(path)
    facts = inspect_audio(path)
    assert facts.problem == str(caught.value)
    assert (facts.samples, facts.seconds, facts.sample_rate) == (0, 0.0, 0)
    assert facts.digest == digest_of(path.read_bytes())
    return facts.problem


@pytest.mark.parametrize(
    ("suffix", "subtype", "error"),
    [
        ("wav", "PCM_16", 1e-4),
        ("wav", "PCM_24", 1e-6),
        ("wav", "FLOAT", 0),
        ("flac", "PCM_16", 1e-4),
        ("ogg", "VORBIS", 0.05),
        ("mp3", "MPEG_LAYER_III", 0.05),
    ],
)
def test_every_format_decodes_to_what_was_encoded(
    tmp_path, write_audio, voice, suffix, subtype, error
):
    signal = voice(2.0)
    loaded = load_audio(write_audio(tmp_path / f"a.{suffix}", signal, subtype=subtype))
    assert loaded.dtype == np.float32
    assert loaded.shape == signal.shape
    assert np.abs(loaded - signal).max() <= error


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_16_bit_samples_are_scaled_to_full_scale_one(tmp_path, write_audio, suffix):
    samples = np.array([0, 16_384, -32_768, 32_767], dtype=np.int16)
    loaded = load_audio(write_audio(tmp_path / f"a.{suffix}", samples))
    assert loaded.tolist() == [0, 0.5, -1, 32_767 / 32_768]


def test_float_samples_beyond_full_scale_are_kept(tmp_path, write_audio):
    loaded = load_audio(write_audio(tmp_path / "a.wav", [0.0, 2.0, -3.0], subtype="FLOAT"))
    assert loaded.tolist() == [0, 2, -3]


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_channels_are_averaged(tmp_path, write_audio, channels):
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (3_000, channels)).astype(np.float32)
    loaded = load_audio(write_audio(tmp_path / "a.wav", samples, subtype="FLOAT"))
    assert loaded.shape == (3_000,)
    np.testing.assert_allclose(loaded, samples.mean(axis=1), atol=1e-7)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("hz", [200, 3_000])
def test_other_rates_keep_their_pitch_level_and_duration(tmp_path, write_audio, rate, hz):
    loaded = load_audio(write_audio(tmp_path / "a.wav", tone(hz, rate), rate, "FLOAT"))
    assert abs(len(loaded) - 16_000) <= 1
    assert dominant_hz(loaded) == pytest.approx(hz, abs=2)
    middle = loaded[4_000:12_000]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.01)


def test_what_lies_above_8_khz_does_not_fold_back(tmp_path, write_audio):
    loaded = load_audio(write_audio(tmp_path / "a.wav", tone(11_000, 44_100), 44_100, "FLOAT"))
    assert np.abs(loaded[1_000:-1_000]).max() < 1e-3


@pytest.mark.parametrize("rate", [16_000, *RATES])
@pytest.mark.parametrize("samples", [17, 4_001, 30_011])
def test_facts_tell_what_loading_gives(tmp_path, write_audio, rate, samples):
    path = write_audio(tmp_path / "a.flac", np.linspace(-0.5, 0.5, samples), rate)
    facts = inspect_audio(path)
    assert facts.samples == len(load_audio(path))
    assert facts.seconds == samples / rate
    assert facts.sample_rate == rate
    assert facts.problem == ""


REFUSED = {
    "no samples": (np.zeros(0), "empty recording"),
    "no samples in stereo": (np.zeros((0, 2)), "empty recording"),
    "not a number": ([0.1, np.nan, 0.2], "holds values that are no numbers"),
    "infinite": ([0.1, np.inf, 0.2], "holds values that are no numbers"),
    "minus infinite": ([0.1, -np.inf, 0.2], "holds values that are no numbers"),
    "silence": (np.zeros(8_000), "digital silence"),
    "constant": (np.full(8_000, 0.25), "digital silence"),
}


@pytest.mark.parametrize(("samples", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_recording_without_sound_is_refused(tmp_path, write_audio, samples, reason):
    path = write_audio(tmp_path / "a.wav", samples, subtype="FLOAT")
    assert reason_to_refuse(path) == reason


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_what_is_only_named_like_audio_is_refused(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    path.write_text("84-121123-0000 GO DO YOU HEAR\n" * 20)
    assert reason_to_refuse(path).startswith("undecodable (")
    path.write_bytes(b"")
    assert reason_to_refuse(path) == "empty file"


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_truncated_flac_is_refused(tmp_path, write_audio, voice, share):
    path = write_audio(tmp_path / "a.flac", voice(3.0))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert reason_to_refuse(path).startswith("undecodable (")


def test_a_header_that_claims_terabytes_is_refused(tmp_path, write_audio, voice, monkeypatch):
    path = write_audio(tmp_path / "a.mp3", voice(1.0))

    def out_of_memory(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr(soundfile, "read", out_of_memory)
    assert reason_to_refuse(path) == "undecodable (its header claims an impossible length)"


def test_a_file_that_is_gone_has_no_facts_and_cannot_be_loaded(tmp_path):
    facts = inspect_audio(tmp_path / "gone.flac")
    assert (facts.digest, facts.problem) == ("", "unreadable (No such file or directory)")
    with pytest.raises(FileNotFoundError):
        load_audio(tmp_path / "gone.flac")


@settings(max_examples=40)
@given(
    st.sampled_from(["flac", "wav", "ogg", "mp3"]),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=5),
)
def test_no_damage_raises_anything_but_an_audio_error(tmp_path_factory, voice, suffix, damage):
    buffer = io.BytesIO()
    soundfile.write(buffer, voice(0.3), 16_000, format=suffix)
    content = bytearray(buffer.getvalue())
    for place, byte in damage:
        content[place % min(len(content), 400)] = byte
    path = tmp_path_factory.mktemp("damaged") / f"a.{suffix}"
    path.write_bytes(content)
    facts = inspect_audio(path)
    if facts.problem:
        with pytest.raises(AudioError):
            load_audio(path)
    else:
        assert len(load_audio(path)) == facts.samples


def test_the_digest_depends_on_the_content_alone(tmp_path, write_audio, voice):
    path = write_audio(tmp_path / "a.flac", voice(1.0))
    facts = inspect_audio(path)
    assert facts == inspect_audio(shutil.copy(path, tmp_path / "other name.wav"))
    assert facts.digest != inspect_audio(write_audio(path, voice(1.0, seed=1))).digest
    assert len(facts.digest) == 32


def test_the_decoder_is_known_by_its_code_and_libraries(monkeypatch):
    before = decoder_digest()
    assert decoder_digest() == before
    monkeypatch.setattr(soundfile, "__libsndfile_version__", "0.9")
    assert decoder_digest() != before
