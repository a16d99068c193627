"""Room on the disk, and one sentence where it refuses."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from speech.errors import UserError


def require_space(folder: Path, needed: float) -> None:
    """Stop before work that would fill the disk.

    Parameters
    ----------
    folder
        Where is to be written; need not exist yet.
    needed
        Bytes.

    Raises
    ------
    UserError
        If less is free.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise UserError(
            f"{folder}: {needed / 1e6:,.1f} MB are needed there but {free / 1e6:,.1f} MB are free; "
            "make room and run again."
        )


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the disk refuses while something is written into a sentence.

    Parameters
    ----------
    path
        What is written, for the sentence.

    Raises
    ------
    UserError
        In place of any `OSError` of the block.
    """
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror or error}); "
            "make room or change its access rights, and run again."
        ) from None
