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
NUMBERS = "holds values that are no numbers, or too large for samples"
RANGE = "but recordings have 4,000 to 768,000 Hz"


def encoded(samples=NOISE, container="WAV", subtype=None, rate=RATE, **options):
    buffer = io.BytesIO()
    soundfile.write(buffer, np.asarray(samples), rate, subtype, format=container, **options)
    return buffer.getvalue()


def floats(samples, rate=RATE):
    return encoded(samples, "WAV", "FLOAT", rate)


def patched(content, place, new):
    return content[:place] + new + content[place + len(new) :]


def wav(*, size=None, riff=None, rate=None, channels=None):
    """Write a WAV whose header lies."""
    content = encoded()
    fields = {4: (riff, "<I"), 22: (channels, "<H"), 24: (rate, "<I"), 40: (size, "<I")}
    for place, (value, code) in fields.items():
        content = content if value is None else patched(content, place, struct.pack(code, value))
    return content


def flac(total):
    """Write a FLAC whose header claims so many samples."""
    content = encoded(container="FLAC")
    return patched(content, 21, bytes([content[21] & 0xF0]) + struct.pack(">I", total))


def vbr(*, header=True, frames=None):
    """Write an MP3 of variable bit rate: a tone, which costs little, and then noise."""
    tone = 0.3 * np.sin(np.arange(2 * RATE) / 20)
    options = {"bitrate_mode": "VARIABLE", "compression_level": 0.5}
    content = encoded(np.concatenate([tone, NOISE]), "MP3", **options)
    if frames is not None:
        return patched(content, content.index(b"Xing") + 8, struct.pack(">I", frames))
    return content if header else content[content.index(b"\xff\xf3", 2) :]


FLAC = encoded(container="FLAC")
MP3 = encoded(container="MP3")
TEXT = b"84-121123-0000 GO DO YOU HEAR\n" * 20
PADDED_MP3 = pytest.approx(2 + SECONDS, abs=0.15)
"""Without a header nobody knows what the encoder added at both ends."""

RECORDINGS = {
    # What is there is decoded, whatever the header says of it.
    "WAV from a pipe, sizes 0": (wav(size=0, riff=0), SECONDS),
    "WAV, data size 0": (wav(size=0), SECONDS),
    "WAV from a pipe, sizes unknown": (wav(size=0xFFFFFFFF, riff=0xFFFFFFFF), SECONDS),
    "WAV, ten hours claimed": (wav(size=36_000 * RATE * 2), SECONDS),
    "AU, size 0": (patched(encoded(container="AU"), 8, bytes(4)), SECONDS),
    "FLAC from a pipe": (flac(0), SECONDS),
    "FLAC, ten hours claimed": (flac(36_000 * RATE), SECONDS),
    "FLAC, 0.1 s claimed": (flac(RATE // 10), SECONDS),
    "VBR MP3 without a header": (vbr(header=False), PADDED_MP3),
    "VBR MP3 without a header, tagged": (
        b"ID3\4\0\0\0\0\x10\0" + bytes(2048) + vbr(header=False) + b"TAG" + bytes(125),
        PADDED_MP3,
    ),
    "VBR MP3, half the frames claimed": (vbr(frames=70), 2 + SECONDS),
    "VBR MP3, ten hours claimed": (vbr(frames=10**6), pytest.approx(2 + SECONDS, abs=0.15)),
    "two MP3s in one file": (MP3 + MP3, 2 * SECONDS),
    "two Oggs in one file": (
        encoded(container="OGG") + encoded(NOISE[::-1], "OGG"),
        pytest.approx(2 * SECONDS),
    ),
    "Opus": (encoded(container="OGG", subtype="OPUS"), SECONDS),
    "WAV, truncated": (encoded()[: 44 + RATE * 2], 1.0),
    "MP3, truncated": (MP3[: len(MP3) // 2], pytest.approx(SECONDS / 2, abs=0.1)),
    "stereo, opposite channels": (encoded(np.stack([NOISE, -NOISE], axis=1)), SECONDS),
    "one channel silent": (encoded(np.stack([NOISE, 0 * NOISE], axis=1)), SECONDS),
    "24 bits as floats": (floats(2.0**23 * NOISE), SECONDS),
    # What is no recording is refused by name.
    "empty": (b"", "empty file"),
    "no samples": (encoded([]), "empty recording"),
    "text": (TEXT, "undecodable (Format not recognised)"),
    "AAC": (b"\0\0\0\x20ftypM4A \0\0\2\0isomiso2mp41" + bytes(500), "undecodable ("),
    "header alone": (encoded()[:30], "undecodable ("),
    "FLAC, header alone": (FLAC[:60], "undecodable ("),
    "FLAC, truncated": (FLAC[: len(FLAC) // 2], "undecodable (Error : flac decoder lost sync)"),
    "silence": (encoded(np.zeros(RATE)), "digital silence"),
    "constant": (floats(np.full(RATE, 0.25)), "digital silence"),
    "not a number": (floats([*NOISE, np.nan]), NUMBERS),
    "infinite": (floats([*NOISE, -np.inf]), NUMBERS),
    "near the largest float": (floats(1e38 * NOISE, 44_100), NUMBERS),
    "1e20 times as loud": (floats(1e20 * NOISE), NUMBERS),
    "largest floats in two channels": (floats(np.full((RATE, 2), 3e38)), NUMBERS),
    "1 Hz": (wav(rate=1), f"its header claims a rate of 1 Hz, {RANGE}"),
    "10 MHz": (wav(rate=10**7), f"its header claims a rate of 10,000,000 Hz, {RANGE}"),
    "2 GHz": (wav(rate=2**31 - 1), f"its header claims a rate of 2,147,483,647 Hz, {RANGE}"),
    "two MP3s of different rates in one file": (
        MP3 + encoded(container="MP3", rate=8_000),
        "changes its rate or its number of channels on the way",
    ),
    "no channels": (wav(channels=0), "undecodable ("),
    "65,535 channels": (wav(channels=65_535), "undecodable ("),
    "10 ms": (encoded(NOISE[:160]), "shorter than index.min_seconds (0.5 s)"),
}
FLAGGED = {"stereo, opposite channels"}


@pytest.fixture
def corpus(tmp_path):
    """Make a corpus of one good recording by ann, where bob is on record too."""
    (tmp_path / "ann").mkdir()
    (tmp_path / "bob").mkdir()
    (tmp_path / "ann" / "good.wav").write_bytes(encoded(NOISE[::-1]))
    (tmp_path / "speakers.csv").write_text("speaker_id,gender\nann,F\nbob,M\n")
    return tmp_path


def index(folder):
    """Index a corpus; return seconds by path, and the reason of what is left out by path."""
    location = locate(folder)
    recordings = with_genders(list_recordings(location))
    found = index_corpus(location.audio, recordings, chunk_samples=RATE // 2)
    table, rejected = found.utterances, found.rejected
    return (
        dict(zip(table["path"], table["seconds"], strict=True)),
        dict(zip(rejected["path"], rejected["reason"], strict=True)),
        set(table.loc[table["channels_cancel"], "path"]),
    )


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
        decoded, refused, flagged = index(corpus)
        predicted = heard_in_predict(content)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()
    assert decoded.pop("ann/good.wav") == SECONDS, "the rest goes on"
    if isinstance(outcome, str):
        assert decoded == {}
        (reason,) = refused.values()
        assert reason.startswith(outcome)
        undecoded = not reason.startswith(("digital silence", "shorter"))  # which predict flags
        assert (predicted == reason) == undecoded
    else:
        assert (decoded, refused) == ({"bob/odd.m4a": outcome}, {})
        assert predicted == len(load_audio(corpus / "bob/odd.m4a"))
        assert flagged == ({"bob/odd.m4a"} if name in FLAGGED else set())


# --- corpora ----------------------------------------------------------------------------------


def copies(*names):
    """Write one recording, in the container that each name says, under several names."""

    def arrange(folder):
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(folder / name, (NOISE * 2**15).astype(np.int16), RATE)

    return arrange


def others(*names):
    """Write different recordings under several names."""

    def arrange(folder):
        for number, name in enumerate(names):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(encoded(np.roll(NOISE, number)))

    return arrange


def usable(*names):
    """Write different recordings, all of which can be used."""
    return others(*names), sorted(names), {}


def write(name, text):
    return lambda folder: (folder / name).write_text(text)


def table(*rows):
    return write("speakers.csv", "\n".join(["speaker_id,gender", *rows]))


def speakers_txt(text):
    """Write a table of speakers beside a recording of speaker 7 in LibriSpeech layout."""

    def arrange(folder):
        others("sub/7/1/7-1-1.flac")(folder)
        (folder / "ann/good.wav").unlink()
        (folder / "speakers.csv").unlink()
        (folder / "SPEAKERS.TXT").write_text(text)

    return arrange


def link(name, target):
    return lambda folder: (folder / name).symlink_to(target)


def all_of(*arrangements):
    return lambda folder: [arrange(folder) for arrange in arrangements]


TWO = "same recording under two speakers (also {})"
AGAIN = "same recording again (first in {})"

CORPORA = {
    # (how it is arranged, the paths that are decoded beside ann's good one, the reasons by path)
    "a folder named .flac": usable("bob/tape.flac/1.wav"),
    "a loop of links": (
        all_of(others("bob/1.wav"), link("bob/loop", "..")),
        ["bob/1.wav"],
        {"bob/loop": "a link to a folder above it"},
    ),
    "two folders of two speakers that link to each other": (
        all_of(link("bob/x", "../ann"), link("ann/y", "../bob")),
        "same recording under two speakers (also bob/x/good.wav)",
    ),
    "a link to itself": (link("bob/1.wav", "1.wav"), [], {"bob/1.wav": "unreadable ("}),
    "a line break in a name": (
        others("bob/a\nb.wav"),
        [],
        {r"bob/a\nb.wav": "wrong name: holds a control character"},
    ),
    "quotes and commas in names": usable("bob/a\"b', c.wav", "bob/`$(x)`.wav"),
    "a name of 250 letters": usable(f"bob/{'x' * 246}.wav"),
    "names that are no UTF-8": (
        others(os.fsdecode(b"bob/\xff.wav")),
        [],
        {"bob/\N{REPLACEMENT CHARACTER}.wav": "wrong name: not UTF-8"},
    ),
    "files that differ in capitals": usable("bob/a.wav", "bob/A.WAV"),
    "paths that hyphens would make one": usable(
        "bob/1/2-3.flac", "bob/1-2/3.flac", "bob/1:2/3.wav", "bob/1/2:3.wav"
    ),
    "a speaker whose name begins like another's": (
        all_of(
            others("bob-s1/1.flac", "bob/s1-1.flac", "bob/s1/1.flac"),
            table("ann,F", "bob,M", "bob-s1,M"),
        ),
        ["bob-s1/1.flac", "bob/s1-1.flac", "bob/s1/1.flac"],
        {},
    ),
    "one recording twice, in two formats": (
        copies("bob/1/a.flac", "bob/2/b.wav"),
        ["bob/1/a.flac"],
        {"bob/2/b.wav": AGAIN.format("bob/1/a.flac")},
    ),
    "one recording under two speakers": (
        copies("ann/a.flac", "bob/b.wav", "bob/c.flac"),
        [],
        {
            "ann/a.flac": TWO.format("bob/b.wav"),
            "bob/b.wav": TWO.format("ann/a.flac"),
            "bob/c.flac": TWO.format("ann/a.flac"),
        },
    ),
    "a speaker in two rows that agree": (
        all_of(others("bob/1.wav"), table("ann,F", "ann,female", "bob,M")),
        ["bob/1.wav"],
        {},
    ),
    "two rows that contradict each other": (
        table("ann,F", "ann,M"),
        "line 3 gives speaker ann another gender than an earlier line",
    ),
    "a speaker without a row": (table("bob,M"), "no line for 1 speaker(s)"),
    "speakers that differ in capitals": (
        all_of(others("Ann/1.wav"), table("ann,F", "Ann,F")),
        "the speakers 'Ann' and 'ann' differ in nothing but capitals",
    ),
    "a speaker of 250 letters": (
        all_of(others(f"{'x' * 250}/1.wav"), table("ann,F", f"{'x' * 250},F")),
        "begin with a dot or be longer than 100 bytes",
    ),
    "a CSV field of 10 MB in its first line": (
        write("speakers.csv", f"speaker_id,{10_000_000 * 'x'}\n"),
        "line 1 is no CSV (field larger than field limit",
    ),
    "a table of files behind a loop of links": (
        all_of(link("loop", "loop"), write("speakers.csv", "path,speaker_id\nloop/1.wav,ann\n")),
        "none of its 1 files exists, the first of them loop/1.wav",
    ),
    "SPEAKERS.TXT without columns": (
        speakers_txt("7 F sub\n"),
        "line 1 has no ` | ` between fields; write it as",
    ),
    "SPEAKERS.TXT that contradicts itself": (
        speakers_txt("7 | F\n7 | M\n"),
        "line 2 gives speaker 7 another gender",
    ),
    "SPEAKERS.TXT that is empty": (speakers_txt(""), "no line for 1 speaker(s) that have audio"),
}


@pytest.mark.parametrize("name", CORPORA)
def test_a_corpus_is_read_as_it_was_meant_or_refused_in_a_sentence(corpus, name):
    arrange, *outcome = CORPORA[name]
    try:
        arrange(corpus)
    except (OSError, UnicodeError) as error:
        pytest.skip(f"this file system has no such names: {error}")
    if len(outcome) == 1:
        with pytest.raises(UserError) as caught:
            index(corpus)
        said = str(caught.value)
        assert outcome[0] in said
        assert len(said) < 1000
        assert "\n" not in said
        return
    decoded, refused, _ = index(corpus)
    expected, reasons = outcome
    assert set(decoded) - {"ann/good.wav"} == set(expected)
    assert refused.keys() == reasons.keys()
    for path, reason in reasons.items():
        assert refused[path].startswith(reason)


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("loop", "does not exist; set it"),
        ("loop/my.csv", "does not exist; set it"),
        ("x" * 100_000, "cannot be read (File name too long)"),
    ],
)
def test_what_is_no_corpus_is_refused_in_a_sentence(tmp_path, named, message):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UserError) as caught:
        locate(tmp_path / named)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_relative_path_is_named_with_the_folder_that_it_starts_at(tmp_path, monkeypatch):
    """Experiments in folders of their own do not start where the user did."""
    monkeypatch.chdir(tmp_path)
    message = f"corpus: ../mine does not exist in {tmp_path}, which the path is relative to"
    with pytest.raises(UserError, match=message):
        locate(Path("../mine"))
