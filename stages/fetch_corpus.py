"""Have a corpus at hand: the sample, subsets of LibriSpeech, or the user's own where they lie."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path

import pandas as pd

from speech.corpus.gender_overrides import COLUMNS
from speech.corpus.layouts import Location, locate
from speech.corpus.official import ARCHIVES, fetch_subsets
from speech.corpus.sample import synthesise_corpus
from speech.errors import UserError
from speech.params import SAMPLE, Params, Subset
from speech.storage.files import point
from speech.storage.tables import write_csv
from stages.console import bar, byte_bar, run_stage
from stages.paths import (
    CORPUS_AUDIO,
    CORPUS_LABELS,
    DOWNLOADS,
    GENDER_OVERRIDES,
    INLINE_OVERRIDES,
    LIBRISPEECH,
    SAMPLE_CORPUS,
)

Overrides = Mapping[str | int, str] | str | None
"""As params.yaml has them: by speaker, as the path of a table, or none."""

MIRROR = "CORPUS_MIRROR"
"""Environment variable that goes before the param corpus_mirror."""


def fetch_corpus(params: Params) -> str:
    """Point data/corpus at the corpus.

    DVC hashes what the links point to, so it notices at the next run when a file there was
    added, changed or removed, although all is read where it lies.
    """
    _check_overrides(params.gender_overrides)  # before anything is downloaded
    location = _location(params)
    _check_breadth(location.audio.resolve())
    _check_readable(location.audio)
    point(CORPUS_AUDIO, location.audio)
    point(CORPUS_LABELS, location.labels)
    point(GENDER_OVERRIDES, _overrides(params.gender_overrides))
    return f"data/corpus is {location.audio}"


def _location(params: Params) -> Location:
    if params.corpus == SAMPLE:
        return _sample(params)
    names = [params.corpus] if isinstance(params.corpus, str) else params.corpus
    if set(names) <= ARCHIVES.keys():
        return _librispeech(params, names)
    return locate(Path(params.corpus))


def _sample(params: Params) -> Location:
    synthesise_corpus(
        SAMPLE_CORPUS,
        params.sample_corpus,
        params.seed,
        params.parallel.jobs,
        bar("chapter"),
    )
    return locate(SAMPLE_CORPUS)


def _librispeech(params: Params, subsets: Collection[Subset]) -> Location:
    folder = fetch_subsets(
        subsets,
        LIBRISPEECH,
        DOWNLOADS,
        mirror=os.environ.get(MIRROR) or params.corpus_mirror,
        checksums=params.corpus_sha256,
        keep=params.keep_archives,
        watch=byte_bar,
    )
    return locate(folder)


def _check_breadth(audio: Path) -> None:
    """Refuse a folder that holds more than recordings: DVC reads all of it, at every run."""
    for inner in (Path.cwd(), Path.home()):
        if inner.is_relative_to(audio):
            raise UserError(
                f"corpus: all its recordings together lie in no deeper folder than {audio}, which "
                f"also holds {inner}; put them under one folder of their own."
            )


def _check_readable(audio: Path) -> None:
    """Refuse what DVC, which reads every file there, would wait for or give a bare errno for."""
    for folder, _, names in os.walk(audio):
        for file in (Path(folder) / name for name in names):
            if not (os.path.isfile(file) and os.access(file, os.R_OK)):  # noqa: PTH113
                raise UserError(
                    f"corpus: {file} is a link to nothing or no file that can be read; remove it "
                    "or mend it, because DVC reads everything in that folder."
                )


def _check_overrides(given: Overrides) -> None:
    if isinstance(given, str) and not Path(given).is_file():
        raise UserError(
            f"gender_overrides: {given} is no file; set it to a CSV with the columns "
            f"{', '.join(COLUMNS)}, or to null."
        )


def _overrides(given: Overrides) -> Path:
    """Name the table of overrides; what stands in params.yaml itself is written to one."""
    if isinstance(given, str):
        return Path(given)
    rows = [(speaker, gender, "as params.yaml says") for speaker, gender in (given or {}).items()]
    write_csv(INLINE_OVERRIDES, pd.DataFrame(rows, columns=COLUMNS))
    return INLINE_OVERRIDES


if __name__ == "__main__":
    run_stage(fetch_corpus)
