"""Have a corpus at hand: the sample, subsets of LibriSpeech, or the user's own where they lie."""

from stages.console import bar, byte_bar, run_stage

import os
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from speech.corpus.gender_overrides import COLUMNS
from speech.corpus.layouts import Location, about, locate
from speech.corpus.librispeech import SHA256, fetch_subsets
from speech.corpus.sample import synthesise_corpus
from speech.errors import UserError
from speech.params import SAMPLE, Params, Subset
from speech.storage.files import point, write_text
from speech.storage.tables import write_csv
from stages.paths import (
    CORPUS_AUDIO,
    CORPUS_LABELS,
    DOWNLOADS,
    EXTERNAL_AUDIO,
    EXTERNAL_LABELS,
    GENDER_OVERRIDES,
    INLINE_OVERRIDES,
    LIBRISPEECH,
    NO_EXTERNAL,
    SAMPLE_CORPUS,
)

MIRROR = "CORPUS_MIRROR"
"""Environment variable that goes before the param corpus_mirror."""


def fetch_corpus(params: Params) -> str:
    """Point data/corpus at the corpus.

    DVC hashes what the links point to, so it notices at the next run when a file there was
    added, changed or removed, although all is read where it lies.
    """
    overrides = params.gender_overrides
    if isinstance(overrides, str) and not Path(overrides).is_file():
        raise UserError(
            f"gender_overrides: {Path(overrides).absolute()} is no file; set it to a CSV with the "
            f"columns {', '.join(COLUMNS)}, or to null."
        )
    named = {"corpus": params.corpus, "external": params.external}
    found: dict[str, Location] = {}
    # What is the user's own is looked at before anything is made or downloaded.
    for key in sorted(named, key=lambda key: not _is_own(named[key])):
        with about(key):
            found[key] = _locate(named[key], params)
    corpus, external = found["corpus"], found["external"]
    if _real(corpus) == _real(external):
        raise UserError(
            f"external: {external.audio} is what corpus names, too; name a corpus that takes no "
            "part in training, or set it to null."
        )
    point(CORPUS_AUDIO, corpus.audio)
    point(CORPUS_LABELS, corpus.labels)
    point(GENDER_OVERRIDES, _overrides(overrides))
    point(EXTERNAL_AUDIO, external.audio)
    point(EXTERNAL_LABELS, external.labels)
    also = "" if params.external is None else f", data/external is {external.audio}"
    return f"data/corpus is {corpus.audio}{also}"


def _is_own(corpus: str | list[Subset] | None) -> bool:
    """Decide whether a corpus is the user's own, and so must be there already."""
    return isinstance(corpus, str) and corpus not in (SAMPLE, *SHA256)


def _locate(corpus: str | list[Subset] | None, params: Params) -> Location:
    """Find a corpus that DVC can read; for none, DVC is given a file that says so."""
    if corpus is None:
        write_text(NO_EXTERNAL, "external is null in params.yaml\n")
        return Location(NO_EXTERNAL, NO_EXTERNAL)
    location = locate(_fetch(corpus, params))
    _check_audio(location.audio)
    return location


def _real(location: Location) -> tuple[Path, Path]:
    return location.audio.resolve(), location.labels.resolve()


def _fetch(corpus: str | list[Subset], params: Params) -> Path:
    """Make or download a corpus, if it is not the user's own; give its folder or table."""
    if corpus == SAMPLE:
        synthesise_corpus(
            SAMPLE_CORPUS,
            **params.sample_corpus.model_dump(),
            seed=params.seed,
            jobs=params.compute.jobs,
            progress=bar("chapter"),
        )
        return SAMPLE_CORPUS
    if isinstance(corpus, str) and _is_own(corpus):
        return Path(corpus)
    return fetch_subsets(
        [corpus] if isinstance(corpus, str) else corpus,
        LIBRISPEECH,
        DOWNLOADS,
        mirror=os.environ.get(MIRROR) or params.corpus_mirror,
        checksums=params.corpus_sha256,
        keep=params.keep_archives,
        watch=byte_bar,
    )


def _check_audio(audio: Path) -> None:
    """Refuse a folder that DVC, which reads every file there at every run, could not read."""
    for inner in (Path.cwd(), Path.home()):
        if inner.is_relative_to(audio.resolve()):
            raise UserError(
                f"corpus: all its recordings together lie in no deeper folder than "
                f"{audio.resolve()}, which also holds {inner}; put them under one folder of their "
                "own."
            )
    for folder, _, names in os.walk(audio):
        for file in (Path(folder) / name for name in names):
            if not (os.path.isfile(file) and os.access(file, os.R_OK)):  # noqa: PTH113
                raise UserError(
                    f"corpus: {file} is a link to nothing or no file that can be read; remove it "
                    "or repair it, because DVC reads everything in that folder."
                )


def _overrides(given: Mapping[str | int, str] | str | None) -> Path:
    """Name the table of overrides; what stands in params.yaml itself is written to one."""
    if isinstance(given, str):
        return Path(given)
    rows = [(speaker, gender, "as params.yaml says") for speaker, gender in (given or {}).items()]
    write_csv(INLINE_OVERRIDES, pd.DataFrame(rows, columns=COLUMNS))
    return INLINE_OVERRIDES


if __name__ == "__main__":
    run_stage(fetch_corpus)
