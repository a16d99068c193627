"""Arrays on disk, as safetensors: nothing in such a file can run. Large ones stay there."""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from speech.errors import UserError
from speech.storage.files import replacing

PutRows = Callable[[str, int, NDArray[Any]], None]
"""Writes rows of a named array, from a row on."""

_TYPES: dict[str, np.dtype[Any]] = {"F16": np.dtype("<f2"), "F32": np.dtype("<f4")}
"""Of arrays that are written by rows or mapped, by their names in safetensors."""


class Rows:
    """Some rows of an array, read as an array is; copied only as far as they are read.

    Folds would otherwise hold all frames several times over. Of an array that is mapped, those
    that are read come in the order of the file.
    """

    def __init__(self, array: NDArray[Any], chosen: NDArray[Any]) -> None:
        self._array = array
        self._positions = np.arange(len(array))[chosen]
        self.shape = (len(self._positions), *array.shape[1:])
        self.dtype = array.dtype

    def __len__(self) -> int:
        return len(self._positions)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        positions = self._positions[key]
        if not isinstance(self._array, np.memmap) or np.ndim(positions) == 0:
            return self._array[positions]
        order = np.argsort(positions, kind="stable")
        rows = np.empty((len(order), *self.shape[1:]), self.dtype)
        rows[order] = self._array[positions[order]]
        return rows

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype)

    def __reduce__(self) -> tuple[Callable[..., "Rows"], tuple[Any, ...]]:
        array = self._array
        if not isinstance(array, np.memmap):
            return Rows, (array, self._positions)
        # Another process maps the file itself: gigabytes need not go to it.
        place = str(array.filename), array.dtype, array.offset, array.shape
        return _rows_of_file, (*place, self._positions)

    def choose(self, chosen: NDArray[Any]) -> "Rows":
        """Return some of the rows, again without copying them."""
        return Rows(self._array, self._positions[chosen])


def _rows_of_file(
    path: str, kind: np.dtype[Any], offset: int, shape: tuple[int, ...], positions: NDArray[Any]
) -> Rows:
    return Rows(np.memmap(path, kind, mode="r", offset=offset, shape=shape), positions)


def choose_rows(array: Any, chosen: NDArray[Any]) -> Any:
    """Return some rows of an array, by mask or positions: frames and mapped ones uncopied."""
    if isinstance(array, Rows):
        return array.choose(chosen)
    if array.ndim > 2 or isinstance(array, np.memmap):
        return Rows(array, chosen)
    return array[chosen]


def write_arrays(
    path: Path, arrays: Mapping[str, NDArray[Any]], metadata: dict[str, str] | None = None
) -> None:
    """Write arrays by name, whole or not at all; its folder is made."""
    # safetensors writes what lies in memory, whatever the order of the axes.
    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    with replacing(path) as unfinished:
        save_file(contiguous, unfinished, metadata)


def read_arrays(path: Path, names: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
    """Read arrays that an earlier stage wrote.

    Parameters
    ----------
    path
        The file.
    names
        Which; None for all.

    Raises
    ------
    UserError
        If the file is missing or torn.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in names or file.keys()}
    except (OSError, SafetensorError):
        raise UserError(f"{path}: missing or damaged; run `dvc repro` to make it.") from None


def map_arrays(path: Path, names: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
    """Map arrays that an earlier stage wrote: the system reads what is used, when it is used.

    Parameters
    ----------
    path, names
        As in `read_arrays`; of float16 or float32.

    Raises
    ------
    UserError
        If the file is missing or torn.
    """
    try:
        # Opened so, the header and the length of the file are checked.
        with safe_open(path, framework="numpy"), path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(size))
        header.pop("__metadata__", None)
        mapped: dict[str, NDArray[Any]] = {}
        for name in names or header:
            kind, shape = _TYPES[header[name]["dtype"]], tuple(header[name]["shape"])
            offset = 8 + size + header[name]["data_offsets"][0]
            mapped[name] = np.memmap(path, kind, mode="r", offset=offset, shape=shape)
    except (OSError, KeyError, ValueError, SafetensorError):
        raise UserError(f"{path}: missing or damaged; run `dvc repro` to make it.") from None
    return mapped


@contextmanager
def writing_rows(
    path: Path, names: Sequence[str], shape: tuple[int, ...], kind: np.dtype[Any]
) -> Iterator[PutRows]:
    """Write arrays of one shape by and by, their rows in any order, as `write_arrays` does at once.

    Parameters
    ----------
    path
        The file, which is there once the block is left well.
    names
        Of the arrays, in their order in the file.
    shape, kind
        Of each array.

    Yields
    ------
    callable
        Writes rows: the array's name, the first row's number, the rows. For several threads.
    """
    size = int(np.prod(shape)) * kind.itemsize
    (code,) = (name for name, own in _TYPES.items() if own == kind)
    header = {
        name: {
            "dtype": code,
            "shape": list(shape),
            "data_offsets": [number * size, (number + 1) * size],
        }
        for number, name in enumerate(names)
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    start = {name: 8 + len(text) + number * size for number, name in enumerate(names)}

    with replacing(path) as unfinished, unfinished.open("r+b", buffering=0) as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + len(names) * size)

        def put(name: str, row: int, rows: NDArray[Any]) -> None:
            data = np.ascontiguousarray(rows, kind).data.cast("B")
            offset = start[name] + row * (size // shape[0])
            # A large write may end early.
            while data:
                written = os.pwrite(file.fileno(), data, offset)
                data, offset = data[written:], offset + written

        yield put
