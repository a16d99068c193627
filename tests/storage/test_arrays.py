"""Arrays on disk: by rows or at once is one file, and mapped or in memory one array."""

import pickle

import numpy as np
import pytest

from speech.errors import UserError
from speech.storage.arrays import Rows, map_arrays, read_arrays, write_arrays, writing_rows

NAMES = ["clean", "copy0"]


@pytest.fixture(params=[np.float16, np.float32])
def arrays(request):
    random = np.random.default_rng(0)
    return {name: random.normal(size=(11, 3, 2)).astype(request.param) for name in NAMES}


def write_by_rows(path, arrays, bounds):
    (kind,) = {array.dtype for array in arrays.values()}
    with writing_rows(path, NAMES, (11, 3, 2), kind) as put:
        for start, stop in bounds:
            for name, array in arrays.items():
                put(name, start, array[start:stop])


def test_rows_written_in_any_order_make_the_file_of_all_at_once(tmp_path, arrays):
    write_by_rows(tmp_path / "rows.safetensors", arrays, [(7, 11), (0, 4), (4, 7)])
    write_arrays(tmp_path / "once.safetensors", arrays)
    by_rows, at_once = (tmp_path / f"{name}.safetensors" for name in ("rows", "once"))
    assert by_rows.read_bytes() == at_once.read_bytes()
    assert by_rows.stat().st_mode == at_once.stat().st_mode


def test_a_writer_that_fails_leaves_what_was_there(tmp_path, arrays):
    path = tmp_path / "arrays.safetensors"
    write_arrays(path, arrays)
    before = path.read_bytes()
    with pytest.raises(ZeroDivisionError), writing_rows(path, NAMES, (2, 2), np.dtype("<f4")):
        raise ZeroDivisionError
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_mapped_arrays_are_those_that_are_read(tmp_path, arrays):
    path = tmp_path / "arrays.safetensors"
    write_arrays(path, arrays, {"stamp": "of 7"})
    mapped, read = map_arrays(path), read_arrays(path)
    assert sorted(mapped) == sorted(read)
    for name, array in read.items():
        assert isinstance(mapped[name], np.memmap)
        assert mapped[name].dtype == array.dtype
        np.testing.assert_array_equal(mapped[name], array)
        # Read in the order of the file, given in the order asked for.
        rows, positions = Rows(mapped[name], np.arange(11) != 4), np.array([9, 0, 3, 9])
        np.testing.assert_array_equal(rows[positions], array[[10, 0, 3, 10]])
        np.testing.assert_array_equal(np.asarray(rows)[3:5], array[[3, 5]])
        np.testing.assert_array_equal(rows.choose(positions)[1:], array[[0, 3, 10]])
        # Another process gets to know where they lie, not what they are.
        sent = pickle.dumps(rows)
        np.testing.assert_array_equal(pickle.loads(sent)[positions], rows[positions])
        assert array[0].tobytes() not in sent
        assert array[0].tobytes() in pickle.dumps(Rows(array, np.arange(11)))
    assert list(map_arrays(path, ["copy0"])) == ["copy0"]
    path.write_bytes(path.read_bytes()[:-1])
    for file in (path, tmp_path / "none.safetensors"):
        with pytest.raises(UserError, match=rf"{file.name}: missing or damaged; run `dvc repro`"):
            map_arrays(file)
