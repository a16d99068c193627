"""What predict.py does: predict recordings, describe the models, or score them."""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from speech.audio.decode import AudioError
from speech.corpus.layouts import about
from speech.evaluation.headline import read_headline, with_printed
from speech.inference import score_tables, tables
from speech.inference.about import describe
from speech.inference.answers import Answer
from speech.inference.external import find_labelled, load_models, read_corpus, validate
from speech.inference.models import HEADLINE, OWN_MODELS, find_models, is_pretrained, models_there
from speech.inference.recogniser import Recogniser
from speech.inference.recordings import Found, find_recordings
from speech.storage.files import write_text, writing

_BAR_AFTER = 2
"""Seconds that a recording takes before its progress is shown."""


def run(options: argparse.Namespace) -> bool:
    """Do what the options of predict.py ask for.

    Returns
    -------
    bool
        Whether all recordings could be used.

    Raises
    ------
    UserError
        If nothing could be started.
    """
    models = find_models(options.models)
    if options.labels:
        return _score(models, options)
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
        print(describe(recogniser.models, recogniser.rejection))
        return True
    return _predict_all(recogniser, find_recordings(options.recordings), options)


def _say_which(models: Path, options: argparse.Namespace) -> None:
    """Say that the models are not the user's own, if none were named."""
    if options.models is None and is_pretrained(models):
        print(
            f"predict: {OWN_MODELS}/ holds no trained models, so the gender model that comes with "
            "the project is used; --about describes it",
            file=sys.stderr,
        )


def _score(folder: Path, options: argparse.Namespace) -> bool:
    """Score the gender models on recordings whose speakers are known."""

    def bar(items: Iterable[Any], total: int) -> Iterable[Any]:
        return tqdm(items, total=total, unit=" recordings", leave=False, disable=None)

    named = [options.gender_model] if options.gender_model else None
    choices = named or models_there(folder, "gender") or [HEADLINE]
    headline = read_headline(folder, "gender")
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
    systems = with_printed(validation.systems.to_dict("records"), headline)
    validation = validation._replace(systems=pd.DataFrame(systems))
    sys.stdout.write(score_tables.FORMATS[options.format](validation))
    return refused.empty


def _predict_all(
    recogniser: Recogniser, found: Sequence[Found], options: argparse.Namespace
) -> bool:
    if options.plot:
        # Now, so that a page that cannot be written is reported before hours of work.
        _draw(options.plot, [])
    per: Any = "segment" if options.segments else "chunk" if options.chunks else "recording"
    kept: list[Answer] = []
    all_read = True

    def rows() -> Iterator[tables.Row]:
        nonlocal all_read
        several = None if len(found) > 1 else True
        for one in tqdm(found, unit=" recordings", leave=False, disable=several):
            answer = _predict(recogniser, one)
            all_read = all_read and not answer.error
            if options.plot:
                kept.append(answer)
            yield from tables.rows_of(answer, per=per)

    for text in tables.FORMATS[options.format](rows(), [one.name for one in found]):
        with tqdm.external_write_mode(file=sys.stdout):
            sys.stdout.write(text)
            sys.stdout.flush()
    if options.plot:
        _draw(options.plot, kept)
    return all_read


def _predict(recogniser: Recogniser, one: Found) -> Answer:
    if one.problem:
        return Answer(one.name, error=one.problem)
    # Standard input may have been closed by whoever started this.
    recording = one.path or (sys.stdin.buffer if sys.stdin else BytesIO())
    with tqdm(desc=one.name, unit=" s", delay=_BAR_AFTER, leave=False, disable=None) as drawn:

        def show(done: int, total: int | None) -> None:
            drawn.total = total
            drawn.update(done - drawn.n)

        try:
            return replace(recogniser.predict(recording, show), file=one.name)
        except AudioError as error:
            return Answer(one.name, error=str(error))


def _draw(page: Path, answers: Sequence[Answer]) -> None:
    # Only here, because most have no use for what it imports.
    from speech.inference.timeline import timeline_page

    with writing(page):
        write_text(page, timeline_page(answers))
