"""Large arrays on disk: written by rows they are the file of all at once, and mapped the array."""

import pickle
import re

import numpy as np
import pytest

from speech.errors import UserError
from speech.storage.arrays import Rows, map_arrays, writing_rows


@pytest.fixture(params=[np.float16, np.float32])
def arrays(request):
    return np.random.default_rng(0).normal(size=(2, 11, 3, 2)).astype(request.param)


@pytest.fixture
def path(tmp_path, arrays):
    """Write the arrays by rows, in some order."""
    path = tmp_path / "arrays.npy"
    with writing_rows(path, 2, (11, 3, 2), arrays.dtype.type) as put:
        for start, stop in [(7, 11), (0, 4), (4, 7)]:
            for number, array in enumerate(arrays):
                put(number, start, array[start:stop])
    return path


def test_rows_written_in_any_order_make_the_file_of_all_at_once(path, arrays):
    np.save(path.with_name("once.npy"), arrays)
    assert path.read_bytes() == path.with_name("once.npy").read_bytes()


def test_a_writer_that_fails_leaves_what_was_there(path):
    before = path.read_bytes()
    with pytest.raises(ZeroDivisionError), writing_rows(path, 1, (2, 2), np.float32):
        raise ZeroDivisionError
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_mapped_arrays_are_those_that_were_written(path, arrays):
    for mapped, array in zip(map_arrays(path), arrays, strict=True):
        assert isinstance(mapped, np.memmap)
        assert mapped.dtype == array.dtype
        np.testing.assert_array_equal(mapped, array)
        # Read in the order of the file, given in the order asked for.
        rows, positions = Rows(mapped, np.arange(11) != 4), np.array([9, 0, 3, 9])
        np.testing.assert_array_equal(rows[positions], array[[10, 0, 3, 10]])
        np.testing.assert_array_equal(np.asarray(rows)[3:5], array[[3, 5]])
        np.testing.assert_array_equal(rows.choose(positions)[1:], array[[0, 3, 10]])
        # Another process gets to know where they lie, not what they are.
        sent = pickle.dumps(rows)
        np.testing.assert_array_equal(pickle.loads(sent)[positions], rows[positions])
        assert array[0].tobytes() not in sent
        assert array[0].tobytes() in pickle.dumps(Rows(array, np.arange(11)))


DAMAGES = {
    "empty": lambda whole: whole[:0],
    "cut": lambda whole: whole[:-1],
    "other": lambda whole: whole[::-1],
    "an open bracket": lambda whole: whole.replace(b"), }", b"(, }"),
    "no Python": lambda whole: whole.replace(b"{'descr'", b",,descr,"),
    "no axis": lambda whole: re.sub(rb"\(\d[^)]*\)", lambda axes: b"()".ljust(len(axes[0])), whole),
}


@pytest.mark.parametrize("damage", ["missing", *DAMAGES])
def test_a_damaged_file_is_one_sentence(path, damage):
    whole = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(DAMAGES[damage](whole))
    with pytest.raises(UserError, match=r"arrays\.npy: (no such file|damaged); .*`dvc repro`"):
        map_arrays(path)
