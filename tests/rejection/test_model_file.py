"""What rejects, on disk: read as it was written, byte by byte the same, or refused."""

from pathlib import Path

import numpy as np
import pytest

from speech.errors import UserError
from speech.features.feature_spec import read_recipe, recipe_of
from speech.features.mfcc import frame_count, mfcc
from speech.rejection.enrolled_speakers import EnrolledSpeakers
from speech.rejection.model_file import SpeechModel, VoiceModel, read_rejection, write_rejection
from speech.rejection.speech_likeness import SpeechLikeness, movement_statistics

THRESHOLD = 2.5


@pytest.fixture
def write(params):
    """Write what has learnt from random numbers."""
    random = np.random.default_rng(0)
    size = len(movement_statistics(mfcc(np.ones(32_000, np.float32), params.mfcc), params.mfcc))
    speech = [
        SpeechModel(frames, SpeechLikeness.learn(random.standard_normal((99, size))), THRESHOLD)
        for frames in (frame_count(32_000, params.mfcc), 98)
    ]
    vectors = random.standard_normal((40, 5)).astype(np.float32)
    learnt = EnrolledSpeakers.learn(vectors, np.repeat(["ann", "bob"], 20))
    voices = {
        "mfcc": VoiceModel(
            learnt, 0.1, 0.2, read_recipe(recipe_of(params, "mfcc", []), Path("mfcc"))
        )
    }

    def to(folder):
        recipe = recipe_of(params, "mfcc", [])
        write_rejection(folder, recipe, speech, voices, 0.8, {"speech": {"refused": 0.01}})
        return speech, voices, vectors

    return to


def test_what_was_written_is_read(write, params, tmp_path):
    speech, voices, vectors = write(tmp_path)
    read = read_rejection(tmp_path)
    assert read.mfcc == params.mfcc
    assert read.low_confidence == 0.8
    assert read.rates == {"speech": {"refused": 0.01}}
    assert [(one.frames, one.threshold) for one in read.speech] == [
        (one.frames, one.threshold) for one in speech
    ]
    known, own = read.voices["mfcc"], voices["mfcc"]
    assert known[1:] == own[1:]
    np.testing.assert_array_equal(known.voices.scores(vectors), own.voices.scores(vectors))


def test_two_writings_are_the_same_bytes(write, tmp_path):
    for name in "ab":
        write(tmp_path / name)
    files = [sorted((tmp_path / name).iterdir()) for name in "ab"]
    assert [one.read_bytes() for one in files[0]] == [one.read_bytes() for one in files[1]]


def test_the_longest_model_that_fits_judges_and_what_is_shorter_is_let_pass(write, tmp_path):
    write(tmp_path)
    rejection = read_rejection(tmp_path)
    # Silence is nothing like what was learnt from.
    still = mfcc(np.zeros(32_000, np.float32), rejection.mfcc)
    assert not rejection.is_speech(still)
    assert not rejection.is_speech(still[:98])
    assert rejection.is_speech(still[:97])


@pytest.mark.parametrize("name", ["rejection.json", "rejection.safetensors"])
def test_files_of_two_writings_are_refused_together(write, params, tmp_path, name):
    write(tmp_path / "a")
    other = recipe_of(params, "mfcc", [])
    write_rejection(tmp_path / "b", other, [], {}, 0.9, {})
    (tmp_path / "a" / name).replace(tmp_path / "b" / name)
    with pytest.raises(UserError, match="belongs to"):
        read_rejection(tmp_path / "b")
