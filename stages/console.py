"""What every stage shares with the terminal: params in, one closing line or one error out."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from speech.errors import UserError
from speech.parallel import Progress
from speech.params import Params, load_params
from speech.storage.progress import ByteProgress
from stages.paths import PARAMS


def run_stage(stage: Callable[[Params], str]) -> None:
    """Run a stage from the command line.

    The stage gets the checked params and returns what it made, in a few words; they are printed
    as the closing line with the time it took. A `UserError` becomes one line on stderr and exit
    status 1, Ctrl-C one line and 130.

    Parameters
    ----------
    stage
        The stage's own function.
    """
    name = Path(sys.argv[0]).stem
    started = time.monotonic()
    try:
        made = stage(load_params(PARAMS))
    except UserError as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print(f"{name}: interrupted; run again to go on", file=sys.stderr)
        sys.exit(130)
    print(f"{name}: {made} ({time.monotonic() - started:.1f} s)")


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
    drawn: tqdm | None = None

    def show(done: int, total: int | None) -> None:
        nonlocal drawn
        if drawn is None or total != drawn.total or done < drawn.n:
            close()
            # Initial, because what was there before was done at no speed.
            drawn = tqdm(
                desc=doing,
                initial=done,
                total=total,
                unit="B",
                unit_scale=True,
                disable=None,
                leave=False,
            )
        drawn.update(done - drawn.n)

    def close() -> None:
        if drawn is not None:
            drawn.close()

    try:
        yield show
    finally:
        close()
