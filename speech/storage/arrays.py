"""Arrays on disk, as safetensors: nothing in such a file can run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from speech.errors import UserError
from speech.storage.files import replacing


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
