"""A speaker's file is whole or not there, and is reused only while it is provably current."""

import numpy as np
import pytest

from speech.features.store import read_current, read_speaker, speaker_file, write_speaker

STAMP = "settings", {"7-1-0": "digest a", "7-1-1": "digest b"}


def some_tensors():
    """Make arrays that are empty or views of others, too: they are written as they look."""
    return {
        "7-1-0/pooled": np.arange(12, dtype=np.float32).reshape(3, 2, 2).T,
        "7-1-0/sequence": np.arange(32, dtype=np.float16).reshape(4, 8)[::2, ::2],
        "7-1-1/pooled": -np.arange(6, dtype=np.float32).reshape(1, 2, 3),
        "7-1-1/sequence": np.ones((0, 4), dtype=np.float16),
    }


@pytest.fixture
def file(tmp_path):
    path = speaker_file(tmp_path / "features", "7")
    write_speaker(path, some_tensors(), *STAMP)
    return path


def assert_same(found, expected):
    assert set(found) == set(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_what_is_written_is_read(file):
    assert file.name == "7.safetensors"
    assert list(file.parent.iterdir()) == [file]
    assert_same(read_speaker(file.parent, "7"), some_tensors())
    current, complete = read_current(file, *STAMP)
    assert_same(current, some_tensors())
    assert complete


def test_one_flipped_bit_anywhere_never_gives_another_value(file):
    """Neither in the numbers, nor in their names, types and shapes, nor in the stamp."""
    content, tensors = file.read_bytes(), some_tensors()
    for place in range(len(content)):
        flipped = bytearray(content)
        flipped[place] ^= 1 << (place % 8)
        file.write_bytes(flipped)
        current, complete = read_current(file, *STAMP)
        if complete:
            assert_same(current, tensors)
        else:
            assert_same(current, {name: tensors[name] for name in current})
