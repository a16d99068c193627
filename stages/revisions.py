"""Results of other revisions than the working tree's: metrics from git, tables from DVC's cache."""

import subprocess
from pathlib import Path

from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from dvc_data.index import DataIndexDirError
from scmrepo.exceptions import SCMError

from speech.errors import UserError
from speech.report.run import Places, Run


def revision_here() -> str:
    """Name the commit that is checked out, and say whether tracked files have changed since."""
    commit = _git("rev-parse", "--short", "HEAD")
    if not commit:
        return "not a git repository"
    return f"{commit} + changes" if _git("status", "--short", "-uno") else commit


def run_at(revision: str, places: Places) -> Run:
    """Give what the run of another revision left.

    Parameters
    ----------
    revision
        A branch, a tag or a commit.
    places
        Where everything lies.

    Raises
    ------
    UserError
        If git knows no such revision.
    """
    try:
        files = DVCFileSystem(rev=revision)
        files.ls("/")
    except (SCMError, DvcException):
        raise UserError(
            f"--against {revision}: git knows no such revision; name a branch, a tag or a commit."
        ) from None

    def read(path: Path) -> bytes:
        try:
            return files.read_bytes(path.as_posix())
        except DataIndexDirError:
            raise FileNotFoundError(path) from None

    return Run(read, places, f"check out {revision} and run `dvc repro` there")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
