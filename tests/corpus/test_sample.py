"""The sample corpus: LibriSpeech's layout, the same bytes every time, and a task worth solving."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import espeakng_loader
import numpy as np
import parselmouth
import pytest
import soundfile

from speech.corpus.espeak import Voice, reading
from speech.corpus.sample import FEMALE_VOICES, MALE_VOICES, synthesise_corpus
from speech.errors import UserError

TINY = {"speakers_per_gender": 2, "chapters": 2, "minutes": 0.6, "seed": 17}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    target = tmp_path_factory.mktemp("sample") / "corpus"
    synthesise_corpus(target, **TINY, jobs=2)
    return target


@pytest.fixture(scope="module")
def everyone(tmp_path_factory):
    target = tmp_path_factory.mktemp("everyone") / "corpus"
    synthesise_corpus(target, speakers_per_gender=20, chapters=1, minutes=3.0)
    return target


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def table(path: Path) -> list[list[str]]:
    lines = path.read_text("utf-8").splitlines()
    return [
        [cell.strip() for cell in line.split("|", 4)] for line in lines if not line.startswith(";")
    ]


def recordings(folder: Path) -> list[np.ndarray]:
    return [soundfile.read(path)[0] for path in sorted(folder.rglob("*.flac"))]


def level_db(signal: np.ndarray) -> float:
    return 10 * np.log10(np.mean(signal**2))


def spectrum_db(signal: np.ndarray) -> np.ndarray:
    """Mean power in octave bands from 125 Hz to 8 kHz, relative to their mean, in dB."""
    power = np.abs(np.fft.rfft(signal)) ** 2
    hz = np.fft.rfftfreq(len(signal), 1 / 16_000)
    edges = 125.0 * 2 ** np.arange(7)
    bands = [power[(hz >= low) & (hz < 2 * low)].mean() for low in edges[:-1]]
    decibels = 10 * np.log10(bands)
    return decibels - decibels.mean()


def median_pitch(signals: list[np.ndarray]) -> float:
    """In Hz, of the frames that Praat takes for voiced."""
    pitch = [parselmouth.Sound(signal, 16_000).to_pitch(0.01, 60, 400) for signal in signals]
    hz = np.concatenate([one.selected_array["frequency"] for one in pitch])
    return float(np.median(hz[hz > 0]))


def test_the_same_settings_and_seed_give_the_same_bytes_in_any_process(tiny, tmp_path):
    """With another number of jobs, over an older corpus and what an interrupted run left."""
    for folder in (tmp_path / "corpus", tmp_path / ".corpus.unfinished"):
        folder.mkdir()
        (folder / "old.txt").write_text("old")
    code = (
        "import sys; from pathlib import Path; from speech.corpus.sample import synthesise_corpus;"
        f"synthesise_corpus(Path(sys.argv[1]), **{TINY}, jobs=1)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "corpus")], check=True)
    assert contents(tmp_path / "corpus") == contents(tiny)
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_another_seed_and_size_give_other_recordings_of_the_same_voices(tiny, tmp_path):
    size = {"speakers_per_gender": 2, "chapters": 3, "minutes": 1.0}
    synthesise_corpus(tmp_path / "other", **size, seed=18)
    seconds = sum(len(recording) for recording in recordings(tmp_path / "other")) / 16_000
    assert seconds == pytest.approx(60, rel=0.1)
    assert all(len(list(s.iterdir())) == 3 for s in (tmp_path / "other" / "sample").iterdir())
    voices, others = (
        [(name, gender, voice) for name, gender, _, _, voice in table(root / "SPEAKERS.TXT")]
        for root in (tiny, tmp_path / "other")
    )
    assert voices == others
    assert not set(contents(tmp_path / "other").values()) & set(contents(tiny).values())


def test_recordings_and_table_are_as_in_librispeech(tiny):
    """Their names and format; a line for each speaker, with true minutes."""
    assert {path.name for path in tiny.iterdir()} == {"SPEAKERS.TXT", "sample"}
    for path in tiny.rglob("*.flac"):
        speaker, chapter = path.parts[-3:-1]
        assert re.fullmatch(rf"{int(speaker)}-{int(chapter)}-\d{{4}}", path.stem)
        info = soundfile.info(path)
        facts = (info.format, info.subtype, info.channels, info.samplerate)
        assert facts == ("FLAC", "PCM_16", 1, 16_000)
    speakers = table(tiny / "SPEAKERS.TXT")
    assert sorted(row[1] for row in speakers) == ["F", "F", "M", "M"]
    assert all(row[4].startswith("Synthetic voice ") for row in speakers)
    for name, _, subset, minutes, _ in speakers:
        true = sum(len(recording) for recording in recordings(tiny / "sample" / name))
        assert float(minutes) == pytest.approx(true / 16_000 / 60, abs=0.0051)
        assert subset == "sample"


def test_chapters_of_one_speaker_differ_in_level_and_spectrum(tiny):
    for speaker in (tiny / "sample").iterdir():
        first, second = (np.concatenate(recordings(c)) for c in sorted(speaker.iterdir()))
        assert abs(level_db(first) - level_db(second)) > 3
        assert np.ptp(spectrum_db(first) - spectrum_db(second)) > 3


def test_recordings_are_neither_clipped_nor_silent_and_as_long_as_librispeechs(tiny, everyone):
    for recording in recordings(tiny) + recordings(everyone):
        assert np.abs(recording).max() < 0.95
        assert level_db(recording) > -50
        assert 2.2 <= len(recording) / 16_000 <= 15.5


def test_every_voice_is_another_and_the_genders_pitches_meet_but_are_not_inverted(everyone):
    pitch = {"F": [], "M": []}
    for row in table(everyone / "SPEAKERS.TXT"):
        pitch[row[1]].append(median_pitch(recordings(everyone / "sample" / row[0])))
    assert min(pitch["F"]) < max(pitch["M"])
    assert np.quantile(pitch["F"], 0.2) > np.quantile(pitch["M"], 0.8)
    assert min(pitch["M"]) > 75
    assert max(pitch["F"]) < 280
    assert len(set(FEMALE_VOICES + MALE_VOICES)) == 40
    assert len({voice[:2] for voice in FEMALE_VOICES + MALE_VOICES}) == 40


def test_too_few_minutes_are_refused_with_how_many_it_takes(tmp_path):
    with pytest.raises(UserError, match=r"sample_corpus.minutes is 0\.5.*at least 1\.0"):
        synthesise_corpus(tmp_path / "corpus", speakers_per_gender=2, chapters=4, minutes=0.5)
    assert list(tmp_path.iterdir()) == []


def test_espeak_is_found_at_the_end_of_a_long_path(tmp_path, monkeypatch):
    far = tmp_path / ("x" * 200) / "espeak-ng-data"
    shutil.copytree(espeakng_loader.get_data_path(), far)
    monkeypatch.setattr(espeakng_loader, "get_data_path", lambda: str(far))
    with reading(FEMALE_VOICES[0], seed=1) as read:
        assert len(read("Down, down, down.")) > 0


@pytest.mark.parametrize(
    ("variant", "library", "message"),
    [("f99", None, r"en-us\+f99"), ("f1", "none.so", "reinstall espeakng-loader")],
)
def test_a_voice_or_library_that_does_not_load_is_refused(monkeypatch, variant, library, message):
    if library:
        monkeypatch.setattr(espeakng_loader, "get_library_path", lambda: library)
    with (
        reading(Voice("en-us", variant, 50, 50, 170), seed=1) as read,
        pytest.raises(UserError, match=message),
    ):
        read("Curiouser and curiouser!")
