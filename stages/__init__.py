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


def _leave(number: int, _frame: object) -> None:
    # No exception: during imports, libraries swallow or wrap it.
    os.write(2, f"{last_words(number)}\n".encode())
    os._exit(128 + number)


def _is_stage(script: str) -> bool:
    return os.path.dirname(os.path.realpath(script)) == os.path.dirname(os.path.realpath(__file__))  # noqa: PTH120


if _is_stage(sys.argv[0]):
    for _number in STOPPED:
        if signal.getsignal(_number) is not signal.SIG_IGN:  # as for a job in the background
            signal.signal(_number, _leave)
