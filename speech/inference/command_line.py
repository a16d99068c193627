"""The command line of predict.py and, where the project is installed, of ``speech-predict``."""

import argparse
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from speech.errors import UserError
from speech.inference.recordings import Found, find_recordings

if TYPE_CHECKING:
    from speech.inference.answers import Answer
    from speech.inference.recogniser import Recogniser
    from speech.storage.progress import ByteProgress

DONE, SOME_FAILED, USAGE = 0, 1, 2
_BAR_AFTER = 2
"""Seconds that a recording takes before its progress is shown."""


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
        status = _run(options)
        sys.stdout.flush()
        return status
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
        _check_scoring(parser, options)
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
    return parser


def _check_scoring(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Refuse what goes with predictions only."""
    for name in ("segments", "chunks", "plot", "about", "speaker_model"):
        if getattr(options, name):
            parser.error(f"--{name.replace('_', '-')} has no use with --labels; leave one out")
    if options.task == "speaker":
        parser.error("--labels scores gender models only; leave --task speaker out")


def _run(options: argparse.Namespace) -> int:
    # Only now, so that a mistyped option is reported at once.
    from speech.inference.about import about
    from speech.inference.models import HEADLINE, find_models
    from speech.inference.recogniser import Recogniser

    models = find_models(options.models)
    if options.labels:
        return _score(options, models)
    recogniser = Recogniser(
        models,
        tasks=None if options.task == "both" else [options.task],
        gender_model=options.gender_model or HEADLINE,
        speaker_model=options.speaker_model or HEADLINE,
        encoder=options.encoder,
        jobs=options.jobs,
    )
    _say_which(models, options)
    if options.about:
        print(about(recogniser.models, recogniser.rejection))
        return DONE
    return _predict_all(recogniser, find_recordings(options.recordings), options)


def _say_which(models: Path, options: argparse.Namespace) -> None:
    """Say that the models are not the user's own, if none were named."""
    from speech.inference.models import OWN_MODELS, is_pretrained

    if options.models is None and is_pretrained(models):
        print(
            f"predict: {OWN_MODELS}/ holds no trained models, so the gender model that comes with "
            "the project is used; --about describes it",
            file=sys.stderr,
        )


def _score(options: argparse.Namespace, folder: Path) -> int:
    """Score the gender models on recordings whose speakers are known."""
    import pandas as pd
    from tqdm import tqdm

    from speech.corpus.layouts import about
    from speech.evaluation.headline import read_headline, with_printed
    from speech.inference.external import find_labelled, load_models, read_corpus, validate
    from speech.inference.models import HEADLINE, models_there
    from speech.inference.score_tables import FORMATS

    def bar(items: Iterable[Any], total: int) -> Iterable[Any]:
        return tqdm(items, total=total, unit=" recordings", leave=False, disable=None)

    named = [options.gender_model] if options.gender_model else None
    choices = named or models_there(folder, "gender") or [HEADLINE]
    models = load_models(folder, "gender", choices, options.encoder)
    _say_which(folder, options)
    spreading: Any = {"jobs": options.jobs, "progress": bar}
    with about("--labels"):
        location = find_labelled(options.labels, [Path(name) for name in options.recordings])
        index = read_corpus(location, **spreading)
    refused = index.rejected[index.rejected["left_out_of"] != "speaker"]
    for row in refused.itertuples():
        # The table's own words for what is not there.
        place = row.path if row.reason == "no such file" else location.audio / str(row.path)
        print(f"predict: {place}: {row.reason}", file=sys.stderr)
    usable = index.utterances[index.utterances["gender"].notna()]
    validation = validate(*models, location.audio, usable, **spreading)
    systems = with_printed(validation.systems.to_dict("records"), read_headline(folder, "gender"))
    validation = validation._replace(systems=pd.DataFrame(systems))
    sys.stdout.write(FORMATS[options.format](validation))
    return DONE if refused.empty else SOME_FAILED


def _predict_all(
    recogniser: "Recogniser", found: Sequence[Found], options: argparse.Namespace
) -> int:
    from tqdm import tqdm

    from speech.inference.tables import FORMATS, rows_of

    if options.plot:
        # Now, so that a page that cannot be written is reported before hours of work.
        _draw(options.plot, [])
    per: Any = "segment" if options.segments else "chunk" if options.chunks else "recording"
    kept: list[Answer] = []
    status = DONE

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal status
        several = None if len(found) > 1 else True
        for one in tqdm(found, unit=" recordings", leave=False, disable=several):
            answer = _predict(recogniser, one)
            status = SOME_FAILED if answer.error else status
            if options.plot:
                kept.append(answer)
            yield from rows_of(answer, per=per)

    for text in FORMATS[options.format](rows(), [one.name for one in found]):
        with tqdm.external_write_mode(file=sys.stdout):
            sys.stdout.write(text)
            sys.stdout.flush()
    if options.plot:
        _draw(options.plot, kept)
    return status


def _predict(recogniser: "Recogniser", one: Found) -> "Answer":
    from speech.audio.decode import AudioError
    from speech.inference.answers import Answer

    if one.problem:
        return Answer(one.name, error=one.problem)
    # Standard input may have been closed by whoever started this.
    recording = one.path or (sys.stdin.buffer if sys.stdin else BytesIO())
    try:
        with _seconds_bar(one.name) as progress:
            return replace(recogniser.predict(recording, progress), file=one.name)
    except AudioError as error:
        return Answer(one.name, error=str(error))


def _draw(page: Path, answers: "Sequence[Answer]") -> None:
    from speech.inference.timeline import timeline_page
    from speech.storage.files import write_text, writing

    with writing(page):
        write_text(page, timeline_page(answers))


@contextmanager
def _seconds_bar(name: str) -> Iterator["ByteProgress"]:
    """Show how many seconds of a recording are done, if that takes more than a moment."""
    from tqdm import tqdm

    with tqdm(desc=name, unit=" s", delay=_BAR_AFTER, leave=False, disable=None) as drawn:

        def show(done: int, total: int | None) -> None:
            drawn.total = total
            drawn.update(done - drawn.n)

        yield show
