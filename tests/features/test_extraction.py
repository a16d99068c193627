"""An extraction brings the features of a corpus up to date, and touches nothing that is.

What is torn, stale or somebody else's is never used, and always made again.
"""

import itertools
import json
import os
import shutil
from importlib.metadata import version

import numpy as np
import pandas as pd
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import speech.features.extraction
from speech.audio.decode import digest_of
from speech.errors import UserError
from speech.features.extraction import Extracted, extract_features
from speech.features.store import read_speaker


def loudness(signals):
    for _, signal in signals:
        yield {"": np.array([np.abs(signal).mean()], dtype=np.float32)}


class Corpus:
    """Two speakers' recordings, three each, whose features are extracted again and again."""

    def __init__(self, folder, write_audio, voice):
        self.audio, self.folder = folder / "audio", folder / "features"
        self.write_audio, self.voice = write_audio, voice
        self.code = folder / "code.py"
        self.code.write_text("# code")
        for speaker in "12":
            for number in range(3):
                self.record(f"{speaker}-7-{number}", int(speaker) * 10 + number)

    def record(self, utterance, seed):
        self.write_audio(self.audio / f"{utterance}.wav", self.voice(0.2, seed))

    def table(self):
        rows = [
            (path.stem, path.stem[0], path.name, digest_of(path.read_bytes()))
            for path in self.audio.iterdir()
        ]
        return pd.DataFrame(rows, columns=["utterance_id", "speaker_id", "path", "digest"])

    def extract(self, compute=loudness, jobs=1, **settings):
        """Return how many recordings of each speaker were computed, and how many kept."""
        return extract_features(
            self.table(),
            self.audio,
            self.folder,
            compute=compute,
            settings=settings,
            code=[str(self.code)],
            libraries=["python_speech_features"],
            jobs=jobs,
        )

    def contents(self):
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}


ALL, NONE = [Extracted(3, 0), Extracted(3, 0)], [Extracted(0, 3), Extracted(0, 3)]


@pytest.fixture
def corpus(tmp_path, write_audio, voice):
    return Corpus(tmp_path, write_audio, voice)


def test_features_are_computed_once_and_are_those_of_the_recording_they_are_named_after(corpus):
    assert corpus.extract(fft=512, lifter=22) == ALL
    assert set(corpus.contents()) == {"1.safetensors", "2.safetensors"}
    for speaker in (1, 2):
        tensors = read_speaker(corpus.folder, f"{speaker}")
        assert set(tensors) == {f"{speaker}-7-{number}" for number in range(3)}
        for number in range(3):
            expected = np.abs(corpus.voice(0.2, speaker * 10 + number)).mean()
            np.testing.assert_allclose(tensors[f"{speaker}-7-{number}"], expected, rtol=1e-3)
    before = {path: path.stat().st_mtime_ns for path in corpus.folder.iterdir()}
    assert corpus.extract(lifter=22, fft=512) == NONE
    assert {path: path.stat().st_mtime_ns for path in corpus.folder.iterdir()} == before


def rename(corpus):
    (corpus.audio / "1-7-1.wav").rename(corpus.audio / "1-7-8.wav")


def remove_speaker(corpus):
    for path in corpus.audio.glob("1-*"):
        path.unlink()


def reverse_the_table(corpus):
    table = corpus.table()
    corpus.table = lambda: table.iloc[::-1]


CHANGES = {
    "changed recording": (lambda corpus: corpus.record("1-7-1", 99), [(1, 2), (0, 3)]),
    "new recording": (lambda corpus: corpus.record("1-7-3", 98), [(1, 3), (0, 3)]),
    "renamed recording": (rename, [(1, 2), (0, 3)]),
    "removed recording": (lambda corpus: (corpus.audio / "1-7-1.wav").unlink(), [(0, 2), (0, 3)]),
    "removed speaker": (remove_speaker, [(0, 3)]),
    "left by an interrupted run": (
        lambda corpus: (corpus.folder / ".1.4711.safetensors").write_bytes(b"half"),
        [(0, 3), (0, 3)],
    ),
    "other order of the table": (reverse_the_table, [(0, 3), (0, 3)]),
}


@pytest.mark.parametrize(("change", "reports"), CHANGES.values(), ids=CHANGES)
def test_only_what_changed_is_computed_and_the_files_are_those_of_a_fresh_extraction(
    corpus, tmp_path, change, reports
):
    corpus.extract()
    change(corpus)
    assert corpus.extract() == [Extracted(*report) for report in reports]
    updated = corpus.contents()
    corpus.folder = tmp_path / "fresh"
    corpus.extract()
    assert updated == corpus.contents()


def test_after_a_change_of_settings_or_code_nothing_old_is_kept(corpus, monkeypatch):
    """Be it the code of the features, of decoding, or of the extraction itself."""
    corpus.extract()
    assert corpus.extract(fft=512) == ALL
    assert corpus.extract(fft=256) == ALL
    corpus.code.write_text("# other code")
    assert corpus.extract(fft=256) == ALL
    for module in (speech.features.extraction, speech.audio):
        monkeypatch.setattr(module, "__file__", str(corpus.code))
        assert corpus.extract(fft=256) == ALL
        assert corpus.extract(fft=256) == NONE


@pytest.mark.parametrize(
    "upgraded", ["numpy", "scipy", "soundfile", "soxr", "python_speech_features"]
)
def test_after_an_upgrade_of_a_library_nothing_old_is_kept(corpus, monkeypatch, upgraded):
    corpus.extract()
    monkeypatch.setattr(
        speech.features.extraction,
        "version",
        lambda name: "99" if name == upgraded else version(name),
    )
    assert corpus.extract() == ALL


def with_a_stamp_of_brackets(file):
    save_file(load_file(file), file, metadata={"stamp": "[" * 90 + "]" * 90})


def with_sources_that_are_a_number(file):
    with safe_open(file, framework="numpy") as opened:
        stamp = json.loads(opened.metadata()["stamp"])
    save_file(load_file(file), file, metadata={"stamp": json.dumps(stamp | {"sources": 1})})


def replaced_by_a_pipe(file):
    file.unlink()
    os.mkfifo(file)


SPOILT = {
    "missing": lambda file: file.unlink(),
    "cut": lambda file: os.truncate(file, file.stat().st_size - 4),
    "with a stamp of brackets": with_a_stamp_of_brackets,
    "with sources that are a number": with_sources_that_are_a_number,
    "of another speaker": lambda file: shutil.copy(file.with_name("2.safetensors"), file),
    "without a stamp": lambda file: save_file(load_file(file), file),
    "a pipe": replaced_by_a_pipe,
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_what_is_not_the_very_file_of_the_last_run_is_made_again(corpus, spoil):
    corpus.extract()
    before, file = corpus.contents(), corpus.folder / "1.safetensors"
    spoil(file)
    assert corpus.extract() == [Extracted(3, 0), Extracted(0, 3)]
    assert corpus.contents() == before


def test_an_interrupted_speaker_leaves_the_speakers_before_it_finished(corpus):
    calls = itertools.count(1)

    def fail_at_the_fourth(signals):
        for _, signal in signals:
            if next(calls) == 4:
                raise KeyboardInterrupt
            yield {"": signal[:1]}

    with pytest.raises(KeyboardInterrupt):
        corpus.extract(fail_at_the_fourth)
    assert set(corpus.contents()) == {"1.safetensors"}
    assert corpus.extract() == [Extracted(0, 3), Extracted(3, 0)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file or directory"),
        (b"noise", "its content changed"),
    ],
)
def test_a_recording_that_was_spoilt_since_it_was_indexed_is_named(corpus, content, reason):
    table, spoilt = corpus.table(), corpus.audio / "1-7-1.wav"
    corpus.table = lambda: table
    spoilt.unlink() if content is None else spoilt.write_bytes(content)
    with pytest.raises(UserError) as caught:
        corpus.extract()
    message = str(caught.value)
    assert message.startswith(f"{spoilt}: is not what it was when it was indexed ({reason}")
    assert message.endswith("run `dvc repro` to index the corpus again.")
    assert message.count("1-7-1.wav") == 1
    assert not corpus.folder.exists()


def test_an_utterance_is_given_by_name_and_several_workers_change_nothing(corpus):
    def compute(signals):
        for utterance, _ in signals:
            name = np.array([*utterance.encode()])
            yield {"low": name, "high": name[::-1]}

    corpus.extract(compute)
    alone = corpus.contents()
    # Several features of an utterance are named after it and their part.
    tensors = read_speaker(corpus.folder, "1")
    for name in ("1-7-0", "1-7-1", "1-7-2"):
        assert bytes(tensors[f"{name}/low"].tolist()).decode() == name
    assert len(tensors) == 2 * 3
    corpus.folder = corpus.folder.with_name("other")
    corpus.extract(compute, jobs=2)
    assert corpus.contents() == alone
