"""Files and folders that are either whole or absent, however a run ends."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from speech.errors import UserError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary sibling to write to; it takes the path's place once the block is left well.

    For writers that want a file name of their own, such as ``DataFrame.to_parquet``. The parent
    folders are created. If the block raises, the sibling is removed and what was at the path
    before stays untouched.

    Parameters
    ----------
    path
        The file to create or replace.

    Yields
    ------
    Path
        The sibling, in the same folder and with the same suffix.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder, because a rename is atomic only within one file system; with the process
    # in its name, so that two runs at once never write into each other's file.
    sibling = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield sibling
        sibling.replace(path)
    finally:
        sibling.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    r"""Write a UTF-8 text file in one step, with ``\n`` line ends on every system.

    Parameters
    ----------
    path
        The file to create or replace; its parent folders are created.
    text
        The whole content.
    """
    with replacing(path) as sibling:
        sibling.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, data: Any) -> None:
    """Write a JSON file in one step: keys in the given order, a newline at the end.

    Parameters
    ----------
    path
        The file to create or replace; its parent folders are created.
    data
        What `json.dumps` takes.

    Raises
    ------
    ValueError
        If a number is NaN or infinite: JSON has no such numbers and DVC's metrics no use for them.
    """
    write_text(path, json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file that an earlier stage wrote.

    Raises
    ------
    UserError
        If it is missing or damaged.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run `dvc repro` to make it.") from None
    except (OSError, ValueError):
        raise UserError(f"{path}: damaged; delete it and run `dvc repro`.") from None


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Give an empty sibling folder to fill; it takes the path's place once the block is left well.

    If the block raises, the sibling is removed and what was at the path before stays untouched;
    one that a killed run left is removed at the next.

    Parameters
    ----------
    path
        The folder to create or replace.

    Yields
    ------
    Path
        The sibling.
    """
    unfinished = path.with_name(f".{path.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
        if path.exists():
            shutil.rmtree(path)
        unfinished.rename(path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
