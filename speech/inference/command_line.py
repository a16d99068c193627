"""The command line of predict.py and, where the project is installed, of ``speech-predict``."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from speech.errors import UserError

DONE, SOME_FAILED, USAGE = 0, 1, 2


def start() -> NoReturn:
    """Run `main` as a program, which a signal ends at once with a sentence."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # In the background of a shell, Ctrl-C is for others.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)
    sys.exit(main())


def _stop(number: int, _: object) -> None:
    """End at once, even while something is imported or all threads are busy."""
    os.write(2, b"predict: interrupted\n" if number == signal.SIGINT else b"predict: terminated\n")
    os._exit(128 + number)


def main(arguments: Sequence[str] | None = None) -> int:
    """Predict all recordings that are named.

    Returns
    -------
    int
        0 if all were predicted, 1 if some could not be read, 2 if nothing could be started.
    """
    if sys.stdout is None:
        print("predict: standard output is closed; open it, as by > answers.txt", file=sys.stderr)
        return USAGE
    # A file's name may hold what the terminal cannot show.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    options = _options(arguments)
    try:
        # Only now, so that a mistyped option is reported at once.
        from speech.inference.commands import run

        done = run(options)
        sys.stdout.flush()
        return DONE if done else SOME_FAILED
    except UserError as error:
        print(f"predict: {error}", file=sys.stderr)
        return USAGE
    except (ImportError, MemoryError) as error:
        # A library that finds no room fails while it is imported.
        print(
            f"predict: {error or 'no memory is left'}; give it more memory, or install what is "
            "missing (requirements-predict.txt)",
            file=sys.stderr,
        )
        return USAGE
    except OSError as error:
        from speech.storage.files import give_up_stdout

        give_up_stdout()
        # A reader that has had enough, such as `head`, needs no message.
        if not isinstance(error, BrokenPipeError):
            print(f"predict: stopped ({error.strerror or error})", file=sys.stderr)
        return SOME_FAILED


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.labels:
        # What goes with predictions only.
        for name in ("segments", "chunks", "plot", "about", "speaker_model"):
            if getattr(options, name):
                parser.error(f"--{name.replace('_', '-')} has no use with --labels; leave one out")
        if options.task == "speaker":
            parser.error("--labels scores gender models only; leave --task speaker out")
    elif not options.recordings and not options.about:
        parser.error("name at least one recording, folder or pattern, or - for standard input")
    for task in ("gender", "speaker"):
        if options.task not in (task, "both") and getattr(options, f"{task}_model"):
            parser.error(f"--{task}-model has no use with --task {options.task}; leave one out")
    if options.jobs < 1 and options.jobs != -1:
        parser.error(f"--jobs: {options.jobs} is neither 1 or more nor -1")
    if options.plot and options.plot.suffix.lower() not in (".html", ".htm"):
        # The page's name may have been forgotten, and the recording named next would be lost.
        parser.error(f"--plot: {options.plot} does not end in .html; name a page to write")
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Predict the gender and the speaker of your own recordings.",
        epilog="Exit status: 0 all recordings were predicted, 1 some could not be read, 2 nothing "
        "could be started.",
    )
    _add_models(parser)
    _add_output(parser)
    return parser


def _add_models(parser: argparse.ArgumentParser) -> None:
    """Add what is predicted, and by what."""
    add = parser.add_argument
    add(
        "recordings",
        nargs="*",
        metavar="recording",
        help="file, folder (with all its folders), pattern in quotes, or - for standard input",
    )
    add(
        "--task",
        choices=["gender", "speaker", "both"],
        default="both",
        help="what to predict; both: whatever the models were trained for",
    )
    add(
        "--gender-model",
        metavar="MODEL",
        help="instead of the headline model: features-model, such as mfcc-logistic",
    )
    add("--speaker-model", metavar="MODEL", help="the same for the speaker")
    add(
        "--models",
        type=Path,
        help="folder of the trained models; else models, or the model that comes with the project",
    )
    add("--encoder", type=Path, help="folder of the encoder that the models were trained with")


def _add_output(parser: argparse.ArgumentParser) -> None:
    """Add what comes out."""
    add = parser.add_argument
    add(
        "--format",
        choices=["table", "csv", "json", "jsonl"],
        default="table",
        help="a table for people, the others for programs",
    )
    rows = parser.add_mutually_exclusive_group()
    rows.add_argument(
        "--segments",
        action="store_true",
        help="a row for each stretch of one voice, or without speech, instead of each recording",
    )
    rows.add_argument("--chunks", action="store_true", help="a row for each chunk")
    add("--plot", type=Path, metavar="PAGE.html", help="draw a timeline of each recording")
    add("--jobs", type=int, default=-1, help="passages at once; -1: one per core, eight at most")
    add("--about", action="store_true", help="describe the models: training, scores, limits")
    add(
        "--labels",
        type=Path,
        metavar="TABLE",
        help="score the gender models, all of them unless --gender-model names one: a table of "
        "speaker_id,gender for a folder that holds a folder per speaker, or of "
        "path,speaker_id,gender, which names the recordings itself",
    )
