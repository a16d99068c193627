"""What every stage shares with the terminal: params in, one closing line or one error out."""

import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tqdm import tqdm

from speech.errors import UserError
from speech.parallel import Progress
from speech.params import Params, load_params
from stages.paths import PARAMS


def run_stage(stage: Callable[[Params], str]) -> None:
    """Run a stage from the command line.

    The stage gets the checked params and returns what it made, in a few words; they are printed
    as the closing line with the time it took. A `UserError` becomes one line on stderr and exit
    status 1.

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
