"""Files and folders that are whole or absent, however a run ends; links; a disk that is full."""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

from safetensors import SafetensorError

from speech.errors import UserError
from speech.storage.progress import ByteProgress, unseen


def give_up_stdout() -> None:
    """Keep what stdout does not take from failing once more, with a traceback, when Python ends."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an error of the disk while something is written into a sentence.

    Parameters
    ----------
    path
        What is written, for the sentence.

    Raises
    ------
    UserError
        In place of an `OSError` or `SafetensorError` of the block; but what is missing was to be
        read, and stays a `FileNotFoundError`.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, SafetensorError) as error:
        raise UserError(
            f"{path}: cannot be written ({getattr(error, 'strerror', None) or error}); "
            "make room or correct its access rights, and run again."
        ) from None


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

    Raises
    ------
    UserError
        If the disk refuses.
    """
    # In the same folder, because a rename is atomic only within one file system; with a name
    # of its own, so that two runs at once, be it on two machines, never write into each other's.
    sibling = path.with_name(f".{path.stem}.{token_hex(4)}{path.suffix}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            sibling.touch()
            mode = sibling.stat().st_mode
            yield sibling
            sibling.chmod(mode)  # safetensors would keep the file to its owner
            sibling.replace(path)
        finally:
            sibling.unlink(missing_ok=True)


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

    Raises
    ------
    UserError
        If the disk refuses.
    """
    unfinished = path.with_name(f".{path.name}.unfinished")
    with writing(path):
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        try:
            yield unfinished
            if path.exists():
                shutil.rmtree(path)
            unfinished.rename(path)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


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
    with reading(path):
        return json.loads(path.read_text("utf-8"))


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn an error while something that a stage wrote is read into a sentence.

    Parameters
    ----------
    path
        What is read, for the sentence.

    Raises
    ------
    UserError
        If it is missing, the system refuses it, or the block finds it damaged, by a `ValueError`.
    """
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run `dvc repro` to make it.") from None
    except (OSError, ValueError) as error:
        if reason := getattr(error, "strerror", None):
            raise UserError(
                f"{path}: cannot be read ({reason}); correct its access rights, and run again."
            ) from None
        # Without a reason of the system it is a library's.
        raise UserError(f"{path}: damaged; delete it and run `dvc repro`.") from None


def point(link: Path, target: Path) -> None:
    """Make a symbolic link to a file or folder, replacing an earlier link.

    Parameters
    ----------
    link
        Where the link goes; its folder is made.
    target
        What it points to; must exist.

    Raises
    ------
    UserError
        If something that is no link is in the way: it may be the user's only copy. Or if the disk
        refuses.
    """
    if link.exists() and not link.is_symlink():
        raise UserError(f"{link}: is no link of this pipeline; move it away and run again.")
    with writing(link):  # the system would name the target
        link.parent.mkdir(parents=True, exist_ok=True)
        unfinished = link.with_name(f".{link.name}.unfinished")
        unfinished.unlink(missing_ok=True)
        unfinished.symlink_to(target.resolve())
        unfinished.replace(link)


def link_or_copy(file: Path, target: Path) -> None:
    """Give a file a second name, by a hard link where the file system has them.

    Unlike a symbolic link, it outlives the first name.

    Parameters
    ----------
    file
        The file itself, no link to it.
    target
        The name, which must not be taken; its folder must be there.
    """
    try:
        target.hardlink_to(file)
    except OSError:
        shutil.copyfile(file, target)


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


def sha256_of(path: Path, progress: ByteProgress = unseen) -> str:
    """Return the SHA-256 of a file, in lower-case hexadecimal digits."""
    digest, total = hashlib.sha256(), path.stat().st_size
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
            progress(file.tell(), total)
    return digest.hexdigest()
