"""How far work on a large file has come."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

ByteProgress = Callable[[int, int | None], None]
"""Called with the bytes (or seconds) done, which fall when work starts anew, and all if known."""

Watch = Callable[[str], AbstractContextManager[ByteProgress]]
"""Takes what is being done, and gives the `ByteProgress` to call while it is done."""


def unseen(done: int, total: int | None) -> None:
    """Show no progress: the default of every function that takes a `ByteProgress`."""


@contextmanager
def unwatched(doing: str) -> Iterator[ByteProgress]:  # noqa: ARG001
    """Watch nothing: the default of every function that takes a `Watch`."""
    yield unseen
