"""An extraction brings the features of a corpus up to date, and touches nothing that is."""

import itertools

import numpy as np
import pandas as pd
import pytest

from speech.audio.decode import digest_of
from speech.errors import UserError
from speech.features.extraction import Extracted, extract_features, settings_digest
from speech.features.store import read_speaker


class Corpus:
    """Two speakers' recordings, three each, whose features are extracted again and again."""

    def __init__(self, folder, write_audio, voice):
        self.audio, self.folder = folder / "audio", folder / "features"
        self.write_audio, self.voice = write_audio, voice
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

    def run(self, compute, settings="as ever", jobs=1):
        return extract_features(
            self.table(), self.audio, self.folder, settings=settings, compute=compute, jobs=jobs
        )

    def extract(self, settings="as ever", compute=None):
        """Return how many recordings were computed, and what each speaker's extraction reports."""
        computed = []

        def loudness(signal, _):
            computed.append(len(signal))
            return {"": np.array([np.abs(signal).mean()], dtype=np.float32)}

        reports = self.run(compute or loudness, settings)
        return len(computed), reports

    def contents(self):
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}


@pytest.fixture
def corpus(tmp_path, write_audio, voice):
    return Corpus(tmp_path, write_audio, voice)


def test_features_are_computed_once_and_are_those_of_the_recording_they_are_named_after(corpus):
    assert corpus.extract() == (6, [Extracted(3, 0), Extracted(3, 0)])
    assert set(corpus.contents()) == {"1.safetensors", "2.safetensors"}
    for speaker in (1, 2):
        tensors = read_speaker(corpus.folder / f"{speaker}.safetensors")
        assert set(tensors) == {f"{speaker}-7-{number}" for number in range(3)}
        for number in range(3):
            loudness = np.abs(corpus.voice(0.2, speaker * 10 + number)).mean()
            np.testing.assert_allclose(tensors[f"{speaker}-7-{number}"], loudness, rtol=1e-3)
    before = {path: path.stat().st_mtime_ns for path in corpus.folder.iterdir()}
    assert corpus.extract() == (0, [Extracted(0, 3), Extracted(0, 3)])
    assert {path: path.stat().st_mtime_ns for path in corpus.folder.iterdir()} == before
    assert corpus.extract("other settings")[0] == 6


def rename(corpus):
    (corpus.audio / "1-7-1.wav").rename(corpus.audio / "1-7-8.wav")


def swap(corpus):
    names = corpus.audio / "1-7-1.wav", corpus.audio / "1-7-2.wav"
    first, second = (name.read_bytes() for name in names)
    for name, content in zip(names, (second, first), strict=True):
        name.write_bytes(content)


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
    "swapped recordings": (swap, [(2, 1), (0, 3)]),
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
    expected = [Extracted(*report) for report in reports]
    assert corpus.extract() == (sum(new for new, _ in reports), expected)
    updated = corpus.contents()
    corpus.folder = tmp_path / "fresh"
    corpus.extract()
    assert updated == corpus.contents()


def test_an_interrupted_speaker_leaves_the_speakers_before_it_finished(corpus):
    calls = itertools.count(1)

    def fail_at_the_fourth(signal, _):
        if next(calls) == 4:
            raise KeyboardInterrupt
        return {"": signal[:1]}

    with pytest.raises(KeyboardInterrupt):
        corpus.extract(compute=fail_at_the_fourth)
    assert set(corpus.contents()) == {"1.safetensors"}
    assert corpus.extract() == (3, [Extracted(0, 3), Extracted(3, 0)])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file or directory"),
        (b"", "its content changed"),
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


def test_the_digest_follows_values_but_not_the_order_of_keys():
    def digest(**settings):
        return settings_digest(settings, modules=[np], libraries=["python_speech_features"])

    before = digest(fft=512, lifter=22)
    assert digest(lifter=22, fft=512) == before
    assert digest(fft=512, lifter=23) != before


def test_an_utterance_is_given_by_name_and_several_workers_change_nothing(corpus):
    def compute(signal, utterance):
        name = np.array([*utterance.encode()])
        return {"low": name, "high": name[::-1]}

    corpus.run(compute)
    alone = corpus.contents()
    # Several features of an utterance are named after it and their part.
    tensors = read_speaker(corpus.folder / "1.safetensors")
    for name in ("1-7-0", "1-7-1", "1-7-2"):
        assert bytes(tensors[f"{name}/low"].tolist()).decode() == name
    assert len(tensors) == 2 * 3
    corpus.folder = corpus.folder.with_name("other")
    corpus.run(compute, jobs=2)
    assert corpus.contents() == alone
