"""Have a corpus at hand: the sample, subsets of LibriSpeech, or the user's folder where it lies."""

import os
from collections.abc import Collection
from pathlib import Path

from speech.corpus.librispeech import Location, locate
from speech.corpus.official import ARCHIVES, fetch_subsets
from speech.corpus.sample import synthesise_corpus
from speech.links import point
from speech.params import SAMPLE, Params, Subset
from stages.console import bar, byte_bar, run_stage
from stages.paths import CORPUS_AUDIO, CORPUS_SPEAKERS, DOWNLOADS, LIBRISPEECH, SAMPLE_CORPUS

MIRROR = "CORPUS_MIRROR"
"""Environment variable that goes before the param corpus_mirror."""


def fetch_corpus(params: Params) -> str:
    """Point data/corpus at the corpus.

    DVC hashes what the links point to, so it notices at the next run when a file there was
    added, changed or removed, although the folder is read where it lies.
    """
    location = _location(params)
    point(CORPUS_AUDIO, location.audio)
    point(CORPUS_SPEAKERS, location.speakers)
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


if __name__ == "__main__":
    run_stage(fetch_corpus)
