"""One standalone script per stage of dvc.yaml.

Every script imports `stages.console` first and so this module before anything slow: whoever stops
it during its imports gets a sentence, too, and not the traceback of a library that is half there.
"""

# No pathlib and no typing: until the handlers are there, every import counts.
import os
import signal
import sys

STOPPED = {signal.SIGINT: "interrupted", signal.SIGTERM: "ended from outside"}
"""The signals that end a stage in good order, and what it says then; its status is 128 + signal."""


def last_words(number: int) -> str:
    """Say by which signal a stage was stopped, and what to do."""
    name = os.path.basename(sys.argv[0]).removesuffix(".py")  # noqa: PTH119
    return f"{name}: {STOPPED[signal.Signals(number)]}; run again to go on"


def when_stopped(handler: "signal._HANDLER") -> "dict[signal.Signals, signal._HANDLER]":
    """Have these signals handled, but those that are ignored, as for a job in the background.

    Returns the handlers that there were.
    """
    heeded = [one for one in STOPPED if signal.getsignal(one) is not signal.SIG_IGN]
    return {one: signal.signal(one, handler) for one in heeded}


def _leave(number: int, _frame: object) -> None:
    # No exception: during imports, libraries swallow or wrap it.
    os.write(2, f"{last_words(number)}\n".encode())
    os._exit(128 + number)


if os.path.dirname(os.path.realpath(sys.argv[0])) == os.path.dirname(os.path.realpath(__file__)):  # noqa: PTH120
    when_stopped(_leave)
