"""Bad recordings and corpora, one table each: decoded to their end, or refused by name."""

import io
import os
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speech.audio.decode import AudioError, load_audio
from speech.audio.stream import open_stream
from speech.corpus.index import index_corpus
from speech.corpus.layouts import list_recordings, locate, with_genders
from speech.errors import UserError

SECONDS, RATE = 2.5, 16_000
NOISE = np.random.default_rng(5).uniform(-0.3, 0.3, round(SECONDS * RATE))
TONE = 0.3 * np.sin(np.arange(2 * RATE) / 20)
NUMBERS = "holds values that are no numbers, or too large for samples"
RANGE = "but recordings have 4,000 to 768,000 Hz"


def encoded(samples=NOISE, container="WAV", subtype=None, rate=RATE, **options):
    buffer = io.BytesIO()
    soundfile.write(buffer, np.asarray(samples), rate, subtype, format=container, **options)
    return buffer.getvalue()


def patched(content, *changes):
    """Let a header lie: change bytes, each given with its place."""
    for place, new in changes:
        content = content[:place] + new + content[place + len(new) :]
    return content


def number(value):
    return struct.pack("<I", value)


WAV, FLAC, MP3, OGG = (encoded(container=name) for name in ("WAV", "FLAC", "MP3", "OGG"))
ID3 = b"ID3\4\0\0\0\0\x10\0" + bytes(2048)
# Of variable bit rate: a tone, which costs little, and then noise.
VBR = encoded(np.concatenate([TONE, NOISE]), "MP3", bitrate_mode="VARIABLE", compression_level=0.5)


def sizes(value):
    """Write a WAV whose header claims these sizes."""
    return patched(WAV, (4, number(value)), (40, number(value)))


def flac(total):
    """Write a FLAC whose header claims so many samples."""
    return patched(FLAC, (21, bytes([FLAC[21] & 0xF0]) + struct.pack(">I", total)))


RECORDINGS = {
    # What is there is decoded, whatever the header says of it.
    "WAV from a pipe, sizes 0": (sizes(0), SECONDS),
    "WAV from a pipe, sizes unknown": (sizes(0xFFFFFFFF), SECONDS),
    "AU, size 0": (patched(encoded(container="AU"), (8, bytes(4))), SECONDS),
    "FLAC from a pipe": (flac(0), SECONDS),
    "FLAC, 0.1 s claimed": (flac(RATE // 10), SECONDS),
    "VBR MP3 without a header, tagged": (
        ID3 + VBR[VBR.index(b"\xff\xf3", 2) :] + b"TAG" + bytes(125),
        # Nobody knows what the encoder added at both ends.
        pytest.approx(2 + SECONDS, abs=0.15),
    ),
    "VBR MP3, half the frames claimed": (
        patched(VBR, (VBR.index(b"Xing") + 8, struct.pack(">I", 70))),
        2 + SECONDS,
    ),
    "two MP3s in one file": (MP3 + MP3, 2 * SECONDS),
    "two Oggs in one file": (OGG + encoded(NOISE[::-1], "OGG"), pytest.approx(2 * SECONDS)),
    "Opus": (encoded(container="OGG", subtype="OPUS"), SECONDS),
    "WAV, truncated": (WAV[: 44 + RATE * 2], 1.0),
    "24 bits as floats": (encoded(2.0**23 * NOISE, subtype="FLOAT"), SECONDS),
    # What is no recording is refused by name.
    "empty": (b"", "empty file"),
    "no samples": (encoded([]), "empty recording"),
    "text": (b"84-121123-0000 GO DO YOU HEAR\n" * 20, "undecodable (Format not recognised)"),
    "header alone": (WAV[:30], "undecodable ("),
    "FLAC, truncated": (FLAC[: len(FLAC) // 2], "undecodable (Error : flac decoder lost sync)"),
    "constant": (encoded(np.full(RATE, 0.25)), "digital silence"),
    "not a number": (encoded([*NOISE, np.nan], subtype="FLOAT"), NUMBERS),
    "1e20 times as loud": (encoded(1e20 * NOISE, subtype="FLOAT"), NUMBERS),
    "1 Hz": (
        patched(WAV, (24, number(1))),
        f"its header claims a rate of 1 Hz, {RANGE}",
    ),
    "10 MHz": (
        patched(WAV, (24, number(10**7))),
        f"its header claims a rate of 10,000,000 Hz, {RANGE}",
    ),
    "two MP3s of different rates in one file": (
        MP3 + encoded(container="MP3", rate=8_000),
        "changes its rate or its number of channels on the way",
    ),
}


@pytest.fixture
def corpus(tmp_path):
    """Make a corpus of one good recording by ann, on record twice, where bob is on record too."""
    (tmp_path / "ann").mkdir()
    (tmp_path / "bob").mkdir()
    (tmp_path / "ann" / "good.wav").write_bytes(encoded(NOISE[::-1]))
    (tmp_path / "speakers.csv").write_text("speaker_id,gender\nann,F\nann,female\nbob,M\n")
    return tmp_path


def index(folder):
    """Index a corpus; return seconds by path beside ann's, and by path why others are left out."""
    location = locate(folder)
    recordings = with_genders(list_recordings(location))
    found = index_corpus(location.audio, recordings, chunk_samples=RATE // 2)
    seconds = found.utterances.set_index("path")["seconds"].to_dict()
    assert seconds.pop("ann/good.wav") == SECONDS, "the rest goes on"
    return seconds, found.rejected.set_index("path")["reason"].to_dict()


def heard_in_predict(content):
    """Decode a recording as predict.py does, from a stream; how many samples, or why none."""
    try:
        with open_stream(io.BytesIO(content)) as stream:
            return sum(len(block.signal) for block in stream)
    except AudioError as error:
        return str(error)


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_recording_is_heard_to_its_end_or_refused_by_name_alike_in_corpus_and_predict(
    corpus, name
):
    content, outcome = RECORDINGS[name]
    # By its name it is something else: only the content counts.
    (corpus / "bob" / "odd.m4a").write_bytes(content)
    tracemalloc.start()
    try:
        decoded, refused = index(corpus)
        predicted = heard_in_predict(content)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()
    if isinstance(outcome, str):
        assert decoded == {}
        (reason,) = refused.values()
        assert reason.startswith(outcome)
        # Which predict flags, and does not refuse.
        assert (predicted == reason) == (reason != "digital silence")
    else:
        assert (decoded, refused) == ({"bob/odd.m4a": outcome}, {})
        assert predicted == len(load_audio(corpus / "bob/odd.m4a"))


# --- corpora ----------------------------------------------------------------------------------


def record(folder, *names, same=False):
    """Write a recording under several names, or a different one under each."""
    for shift, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        samples = (np.roll(NOISE, 0 if same else shift) * 2**15).astype(np.int16)
        (folder / name).write_bytes(encoded(samples, Path(name).suffix[1:].upper()))


def test_whatever_a_file_is_called_it_is_used_as_a_recording_of_its_own(corpus):
    names = ["tape.flac/1.wav", "1/2-3.flac", "1-2/3.flac", "1:2/3.wav", "1/2:3.wav"]
    record(corpus / "bob", *names)
    decoded, refused = index(corpus)
    assert sorted(decoded) == sorted(f"bob/{name}" for name in names)
    assert refused == {}


@pytest.mark.parametrize(
    ("name", "written", "reason"),
    [
        ("bob/a\nb.wav", r"bob/a\nb.wav", "wrong name: holds a control character"),
        (
            os.fsdecode(b"bob/\xff.wav"),
            "bob/\N{REPLACEMENT CHARACTER}.wav",
            "wrong name: not UTF-8",
        ),
    ],
)
def test_a_name_that_cannot_be_written_down_is_refused(corpus, name, written, reason):
    try:
        record(corpus, name)
    except (OSError, UnicodeError) as error:
        pytest.skip(f"this file system has no such names: {error}")
    assert index(corpus) == ({}, {written: reason})


def test_a_loop_of_links_is_entered_once(corpus):
    record(corpus, "bob/1.wav")
    (corpus / "bob/loop").symlink_to("..")
    assert index(corpus) == ({"bob/1.wav": SECONDS}, {"bob/loop": "a link to a folder above it"})


def test_one_recording_is_used_once_whatever_the_format_and_by_two_speakers_not_at_all(corpus):
    record(corpus, "bob/1/a.flac", "bob/2/b.wav", same=True)
    again = {"bob/2/b.wav": "same recording again (first in bob/1/a.flac)"}
    assert index(corpus) == ({"bob/1/a.flac": SECONDS}, again)
    record(corpus, "ann/a.flac", same=True)
    two = "same recording under two speakers (also {})".format
    assert index(corpus) == (
        {},
        {
            "ann/a.flac": two("bob/1/a.flac"),
            "bob/1/a.flac": two("ann/a.flac"),
            "bob/2/b.wav": two("ann/a.flac"),
        },
    )


@pytest.mark.parametrize(
    ("labels", "text", "said"),
    [
        (
            "speakers.csv",
            "speaker_id,gender\nann,F\nbob,M\nBob,M\n",
            "the speakers 'Bob' and 'bob' differ in nothing but capitals",
        ),
        (
            "speakers.csv",
            f"speaker_id,{10_000_000 * 'x'}\n",
            "line 1 is no CSV (field larger than field limit",
        ),
        ("SPEAKERS.TXT", "7 F sub\n", "line 1 has no ` | ` between fields; write it as"),
    ],
)
def test_labels_that_nothing_can_be_made_of_are_refused_in_a_sentence(corpus, labels, text, said):
    record(corpus, "bob/1.wav", "Bob/2.wav")
    (corpus / labels).write_text(text)
    with pytest.raises(UserError) as caught:
        index(corpus)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 1000
    assert "\n" not in str(caught.value)


def test_a_corpus_of_too_long_a_name_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(UserError) as caught:
        locate(tmp_path / ("x" * 100_000))
    assert "cannot be read (File name too long)" in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_relative_path_is_named_with_the_folder_that_it_starts_at(tmp_path, monkeypatch):
    """Experiments in folders of their own do not start where the user did."""
    monkeypatch.chdir(tmp_path)
    message = f"corpus: ../mine does not exist in {tmp_path}, which the path is relative to"
    with pytest.raises(UserError, match=message):
        locate(Path("../mine"))
