"""What every stage shares with the terminal: params in, one closing line or one error out."""

import errno
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.dummy import DummyProcess
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from safetensors import SafetensorError
from tqdm import tqdm

from speech.errors import UserError
from speech.parallel import Progress, end_workers
from speech.params import Params, load_params
from speech.storage.files import give_up_stdout
from speech.storage.progress import ByteProgress
from stages import last_words, when_stopped
from stages.paths import PARAMS


def run_stage(stage: Callable[[Params], str]) -> None:
    """Run a stage from the command line.

    The stage gets the checked params and returns what it made, in a few words; they are printed
    as the closing line with the time it took. What the user can mend becomes one line on stderr
    and exit status 1: a `UserError`, and what the system refuses, such as room or memory. Ctrl-C
    and SIGTERM end the workers, too, and become one line and 130 or 143.

    Parameters
    ----------
    stage
        The stage's own function.
    """
    name = Path(sys.argv[0]).stem
    started = time.monotonic()
    before = when_stopped(_interrupt)
    try:
        made = stage(load_params(PARAMS))
        print(f"{name}: {made} ({time.monotonic() - started:.1f} s)", flush=True)
    except _Interrupted as interrupted:
        end_workers()
        print(last_words(interrupted.number), file=sys.stderr, flush=True)
        if any(isinstance(one, DummyProcess) for one in threading.enumerate()):
            # At once: threads that compute would abort while the interpreter is taken down.
            os._exit(128 + interrupted.number)
        sys.exit(128 + interrupted.number)
    except Exception as error:
        sentence = _sentence(error)
        if sentence is None:
            raise
        print(f"{name}: {sentence}", file=sys.stderr)
        give_up_stdout()
        sys.exit(1)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Interrupted(KeyboardInterrupt):
    """A signal that ends the stage; libraries know what to do at a KeyboardInterrupt."""

    def __init__(self, number: int) -> None:
        self.number = number


def _interrupt(number: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_DFL)  # a second one ends it at once
    raise _Interrupted(number)


def _sentence(error: Exception) -> str | None:
    """Say what the user can mend; None for a defect of this project, which keeps its traceback."""
    if isinstance(error, UserError):
        return str(error)
    short = isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM
    if short or any(words in str(error) for words in _SHORT_OF_MEMORY):
        detail = f" ({error})" if str(error) else ""
        return f"memory does not suffice{detail}; set compute.jobs lower, or give it more."
    if isinstance(error, OSError | SafetensorError):
        path: str | None = getattr(error, "filename", None)
        reason: str | None = getattr(error, "strerror", None)
        return (
            f"{f'{path}: ' if path else ''}{reason or error}; make room, correct access rights or "
            "put back what is missing, and run again."
        )
    return None


_SHORT_OF_MEMORY = (
    "can't start new thread",
    "failed to map segment",
    "can't allocate memory",
    "Failed to launch worker thread",
)
"""As Python, the loader of libraries, torch and Arrow say it, in errors of other kinds."""


def bar(unit: str) -> Progress:
    """Return a progress bar on stderr: drawn on a terminal, silent in a log.

    Parameters
    ----------
    unit
        What is counted, such as ``speaker``.
    """

    def show(items: Iterable[Any], total: int) -> Iterable[Any]:
        # disable=None is tqdm's way of saying: unless stderr is a terminal.
        return tqdm(items, total=total, unit=f" {unit}s", disable=None, leave=False)

    return show


@contextmanager
def byte_bar(doing: str) -> Iterator[ByteProgress]:
    """Show bytes, speed and time left on stderr: drawn on a terminal, silent in a log.

    Parameters
    ----------
    doing
        What is being done, such as ``downloading dev-clean.tar.gz``.
    """
    style: Any = {"unit": "B", "unit_scale": True, "miniters": 1}
    with tqdm(desc=doing, disable=None, leave=False, **style) as drawn:

        def show(done: int, total: int | None) -> None:
            if total != drawn.total or done < drawn.n:
                drawn.reset()
                drawn.total = total
                # What was there before was done at no speed.
                drawn.initial = drawn.n = drawn.last_print_n = done
                drawn.refresh()
            drawn.update(done - drawn.n)

        yield show
