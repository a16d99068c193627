"""Arrays on disk in formats in which nothing can run: safetensors, or .npy to be mapped."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from speech.errors import UserError
from speech.storage.files import reading, replacing

PutRows = Callable[[int, int, NDArray[Any]], None]
"""Writes rows of a numbered array, from a row on."""


class Rows:
    """Some rows of an array, read as an array is; copied only as far as they are read.

    Folds would otherwise hold all frames several times over. Rows are read in the order of the
    array, which may be a file's.
    """

    def __init__(self, array: NDArray[Any], chosen: NDArray[Any]) -> None:
        self._array = array
        self._positions = np.arange(len(array))[chosen]
        self.shape = (len(self._positions), *array.shape[1:])
        self.dtype = array.dtype

    def __len__(self) -> int:
        return len(self._positions)

    def __getitem__(self, key: slice | NDArray[Any]) -> NDArray[Any]:
        positions = self._positions[key]
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


def map_arrays(path: Path) -> list[NDArray[Any]]:
    """Map what `writing_rows` wrote: the system reads what is used, when it is used.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    UserError
        If it is missing or torn.
    """
    with reading(path):
        try:
            stack = np.lib.format.open_memmap(path, "r")
            size, shape = stack[0].nbytes, stack.shape[1:]
        except (IndexError, SyntaxError, TokenError):  # NumPy reads a header as Python is read
            raise ValueError("a header of no array") from None
    # Each by itself, so that another process can be told where it lies.
    offsets = [stack.offset + number * size for number in range(len(stack))]
    return [np.memmap(path, stack.dtype, "r", offset, shape) for offset in offsets]


@contextmanager
def writing_rows(
    path: Path, arrays: int, shape: tuple[int, ...], kind: type[np.floating]
) -> Iterator[PutRows]:
    """Write arrays of one shape by and by, their rows in any order, into one .npy file.

    Parameters
    ----------
    path
        The file, which is there once the block is left well.
    arrays
        How many.
    shape, kind
        Of each array.

    Yields
    ------
    callable
        Writes rows: the array's number, the first row's number, the rows. For several threads.
    """
    with replacing(path) as unfinished:
        stack = np.lib.format.open_memmap(unfinished, "w+", kind, (arrays, *shape))

        def put(array: int, row: int, rows: NDArray[Any]) -> None:
            # Not through the map: where the disk is full, that would end the process.
            with unfinished.open("r+b") as file:
                file.seek(stack.offset + array * stack[0].nbytes + row * stack[0, 0].nbytes)
                file.write(np.ascontiguousarray(rows, kind).data)

        yield put
