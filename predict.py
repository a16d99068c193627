"""The trained models on your own recordings: `python predict.py talk.mp3 interviews/ '*.wav'`."""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from speech.errors import UserError
from speech.hearing.recordings import Found, find_recordings

if TYPE_CHECKING:
    from speech.hearing.answers import Answer
    from speech.hearing.voice import Voice
    from speech.progress import ByteProgress

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
    parser = _parser()
    options = parser.parse_args(arguments)
    if not options.recordings and not options.about:
        parser.error("name at least one recording, folder or pattern, or - for standard input")
    try:
        voice = _voice(options)
        if options.about:
            from speech.hearing.about import about

            print(about(voice.models, voice.rejection))
            return ALL_WELL
        return _answer_all(voice, find_recordings(options.recordings), options)
    except UserError as error:
        print(f"predict: {error}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print("predict: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read on has had enough, as `head` does; nothing more can be said to them.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SOME_FAILED


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
    add("--task", choices=["gender", "speaker", "both"], default="both")
    add(
        "--gender-model",
        metavar="MODEL",
        default="headline",
        help="instead of the headline model: features-model, such as mfcc-logistic",
    )
    add("--speaker-model", metavar="MODEL", default="headline", help="the same for the speaker")
    add("--models", type=Path, default=Path("models"), help="folder of the trained models")
    add("--encoder", type=Path, help="folder of the wav2vec 2.0 that the models were trained with")
    add("--format", choices=["table", "csv", "json", "jsonl"], default="table")
    add("--segments", action="store_true", help="a row for each chunk instead of each recording")
    add("--plot", type=Path, metavar="PAGE.html", help="draw a timeline of each recording")
    add("--jobs", type=int, default=-1, help="passages at once; -1: one per core")
    add("--about", action="store_true", help="print what is to be known about the models")
    return parser


def _voice(options: argparse.Namespace) -> "Voice":
    # Only now: a mistyped option is told at once.
    from speech.hearing.voice import Voice

    return Voice(
        options.models,
        tasks=["gender", "speaker"] if options.task == "both" else [options.task],
        gender_model=options.gender_model,
        speaker_model=options.speaker_model,
        encoder=options.encoder,
        jobs=options.jobs,
    )


def _answer_all(voice: "Voice", found: Sequence[Found], options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from speech.hearing.tables import FORMATS, rows_of

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
        from speech.disk import writing
        from speech.files import write_text
        from speech.hearing.timeline import timeline_page

        with writing(options.plot):
            write_text(options.plot, timeline_page(kept))
    return status


def _answer(voice: "Voice", one: Found) -> "Answer":
    from speech.hearing.answers import Answer

    if one.problem:
        return Answer(one.name, error=one.problem)
    with _seconds_bar(one.name) as progress:
        if one.path:
            return voice.answer(one.name, one.path, progress)
        with _spooled(sys.stdin.buffer) as recording:
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


@contextmanager
def _spooled(stream: BinaryIO) -> Iterator[BinaryIO]:
    """Keep a stream in a file, which decoders can search; memory stays flat."""
    with tempfile.TemporaryFile() as file:
        shutil.copyfileobj(stream, file)
        file.seek(0)
        yield file


if __name__ == "__main__":
    sys.exit(main())
