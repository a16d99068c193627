"""The trained models on your own recordings: `python predict.py talk.mp3 interviews/ '*.wav'`."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from speech.errors import UserError
from speech.inference.recordings import Found, find_recordings

if TYPE_CHECKING:
    from speech.inference.answers import Answer
    from speech.inference.recogniser import Recogniser
    from speech.storage.progress import ByteProgress

ALL_WELL, SOME_FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
_MOMENT = 2
"""Seconds."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer about all recordings that are named.

    Returns
    -------
    int
        0 if all were answered, 1 if some could not be heard, 2 if nothing could be started.
    """
    # A file's name may hold what the terminal cannot show.
    sys.stdout.reconfigure(errors="backslashreplace")
    options = _options(arguments)
    try:
        status = _run(options)
        sys.stdout.flush()
        return status
    except UserError as error:
        print(f"predict: {error}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print("predict: interrupted", file=sys.stderr)
        return INTERRUPTED
    except OSError as error:
        # What is left to be written must not fail once more when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        # Whoever read on and has had enough, as `head` does, needs no sentence.
        if not isinstance(error, BrokenPipeError):
            print(f"predict: stopped ({error.strerror or error})", file=sys.stderr)
        return SOME_FAILED


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = _parser()
    options = parser.parse_args(arguments)
    if not options.recordings and not options.about:
        parser.error("name at least one recording, folder or pattern, or - for standard input")
    for task in ("gender", "speaker"):
        if options.task not in (task, "both") and getattr(options, f"{task}_model") != "headline":
            parser.error(f"--{task}-model has no use with --task {options.task}; leave one out")
    if options.jobs < 1 and options.jobs != -1:
        parser.error(f"--jobs: {options.jobs} is neither 1 or more nor -1")
    if options.plot and options.plot.suffix.lower() not in (".html", ".htm"):
        # It may be a recording before which the page was forgotten, and would be lost.
        parser.error(f"--plot: {options.plot} does not end in .html; name a page to write")
    return options


def _run(options: argparse.Namespace) -> int:
    voice = _voice(options)
    if options.about:
        from speech.inference.about import about

        print(about(voice.models, voice.rejection))
        return ALL_WELL
    return _answer_all(voice, find_recordings(options.recordings), options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Tell the gender and the speaker of your own recordings, or that neither is "
        "known.",
        epilog="Exit status: 0 all recordings were answered, 1 some could not be heard, 2 nothing "
        "could be started.",
    )
    add = parser.add_argument
    add(
        "recordings",
        nargs="*",
        metavar="recording",
        help="file, folder (with all its folders), pattern in quotes, or - for standard input",
    )
    add("--task", choices=["gender", "speaker", "both"], default="both", help="what is asked")
    add(
        "--gender-model",
        metavar="MODEL",
        default="headline",
        help="instead of the headline model: features-model, such as mfcc-logistic",
    )
    add("--speaker-model", metavar="MODEL", default="headline", help="the same for the speaker")
    add("--models", type=Path, default=Path("models"), help="folder of the trained models")
    add("--encoder", type=Path, help="folder of the wav2vec 2.0 that the models were trained with")
    add(
        "--format",
        choices=["table", "csv", "json", "jsonl"],
        default="table",
        help="a table for people, the others for programs",
    )
    add("--segments", action="store_true", help="a row for each chunk instead of each recording")
    add("--plot", type=Path, metavar="PAGE.html", help="draw a timeline of each recording")
    add("--jobs", type=int, default=-1, help="passages at once; -1: one per core, eight at most")
    add("--about", action="store_true", help="print what is to be known about the models")
    return parser


def _voice(options: argparse.Namespace) -> "Recogniser":
    # Only now: a mistyped option is told at once.
    from speech.inference.recogniser import Recogniser

    return Recogniser(
        options.models,
        tasks=["gender", "speaker"] if options.task == "both" else [options.task],
        gender_model=options.gender_model,
        speaker_model=options.speaker_model,
        encoder=options.encoder,
        jobs=options.jobs,
    )


def _answer_all(voice: "Recogniser", found: Sequence[Found], options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from speech.inference.tables import FORMATS, rows_of

    if options.plot:
        # At once: what cannot be written is told before hours of listening, not after.
        _draw(options.plot, [])
    table = FORMATS[options.format](sys.stdout.write, [one.name for one in found])
    kept: list[Answer] = []
    status = ALL_WELL
    shown = tqdm(found, unit=" recordings", leave=False, disable=None if len(found) > 1 else True)
    for one in shown:
        answer = _answer(voice, one)
        status = SOME_FAILED if answer.error else status
        with shown.external_write_mode(file=sys.stdout):
            table.put(rows_of(answer, by_segment=options.segments))
            sys.stdout.flush()
        if options.plot:
            kept.append(answer)
    table.end()
    if options.plot:
        _draw(options.plot, kept)
    return status


def _draw(page: Path, answers: "Sequence[Answer]") -> None:
    from speech.inference.timeline import timeline_page
    from speech.storage.files import write_text, writing

    with writing(page):
        write_text(page, timeline_page(answers))


def _answer(voice: "Recogniser", one: Found) -> "Answer":
    from speech.inference.answers import Answer

    if one.problem:
        return Answer(one.name, error=one.problem)
    # Whoever closes standard input gives nothing on it.
    recording = one.path or (sys.stdin.buffer if sys.stdin else BytesIO())
    with _seconds_bar(one.name) as progress:
        return voice.answer(one.name, recording, progress)


@contextmanager
def _seconds_bar(name: str) -> Iterator["ByteProgress"]:
    """Show how much of a recording was heard, if that takes more than a moment."""
    from tqdm import tqdm

    with tqdm(desc=name, unit=" s", delay=_MOMENT, leave=False, disable=None) as drawn:

        def show(done: int, total: int | None) -> None:
            drawn.total = total
            drawn.update(done - drawn.n)

        yield show


if __name__ == "__main__":
    sys.exit(main())
