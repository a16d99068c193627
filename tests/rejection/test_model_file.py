"""The models that reject, on disk: read as written, byte by byte the same, or refused."""

import numpy as np
import pytest

from speech.errors import UserError
from speech.features.feature_spec import FeatureSpec, SpecInputs
from speech.rejection.enrolled_speakers import EnrolledSpeakers
from speech.rejection.model_file import OpenSet, Rejection, read_rejection, write_rejection

VECTORS = np.random.default_rng(0).standard_normal((40, 5)).astype(np.float32)


@pytest.fixture
def rejection(params):
    enrolled = EnrolledSpeakers.fit(VECTORS, np.repeat(["ann", "bob"], 20))
    spec = FeatureSpec(
        chunks=params.chunks,
        mfcc=params.mfcc,
        inputs=SpecInputs(mfcc=params.inputs.mfcc.of("gender")),
    )
    rates = {"speech": {"speech_false_rejection": 0.01}}
    return Rejection({"mfcc": OpenSet(enrolled, 0.1, 0.2, spec)}, 0.8, rates)


def test_what_was_written_is_read(rejection, tmp_path):
    write_rejection(tmp_path, rejection)
    read = read_rejection(tmp_path)
    assert (read.low_confidence, read.rates) == (rejection.low_confidence, rejection.rates)
    own, expected = read.speakers["mfcc"], rejection.speakers["mfcc"]
    assert own[1:] == expected[1:]
    np.testing.assert_array_equal(own.enrolled.scores(VECTORS), expected.enrolled.scores(VECTORS))
    # Nobody may be enrolled.
    write_rejection(tmp_path, Rejection({}, 0.9, {}))
    assert read_rejection(tmp_path) == Rejection({}, 0.9, {})


def test_two_writings_are_the_same_bytes(rejection, tmp_path):
    for name in "ab":
        write_rejection(tmp_path / name, rejection)
    files = [sorted((tmp_path / name).iterdir()) for name in "ab"]
    assert [one.read_bytes() for one in files[0]] == [one.read_bytes() for one in files[1]]


@pytest.mark.parametrize("name", ["rejection.json", "rejection.safetensors"])
def test_files_of_two_writings_are_refused_together(rejection, tmp_path, name):
    write_rejection(tmp_path / "a", rejection)
    write_rejection(tmp_path / "b", Rejection({}, 0.9, {}))
    (tmp_path / "a" / name).replace(tmp_path / "b" / name)
    with pytest.raises(UserError, match="belongs to"):
        read_rejection(tmp_path / "b")
