"""Files and folders used where they lie, instead of copied."""

import shutil
from pathlib import Path

from speech.errors import UserError


def point(link: Path, target: Path) -> None:
    """Make a symbolic link, replacing an earlier link.

    Parameters
    ----------
    link
        Where the link goes; its folder is made.
    target
        What it points to; must exist.

    Raises
    ------
    UserError
        If something that is no link is in the way: it may be the user's only copy.
    """
    if link.exists() and not link.is_symlink():
        raise UserError(f"{link}: is no link of this pipeline; move it away and run again.")
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
