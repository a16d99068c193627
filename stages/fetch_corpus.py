"""Have a corpus at hand: synthesise the sample, or point to the user's folder where it lies."""

from pathlib import Path

from speech.corpus.librispeech import Location, locate
from speech.corpus.sample import synthesise_corpus
from speech.links import point
from speech.params import SAMPLE, Params
from stages.console import bar, run_stage
from stages.paths import CORPUS_AUDIO, CORPUS_SPEAKERS, SAMPLE_CORPUS


def fetch_corpus(params: Params) -> str:
    """Point data/corpus at the corpus.

    DVC hashes what the links point to, so it notices at the next run when a file there was
    added, changed or removed, although the folder is read where it lies.
    """
    location = _sample(params) if params.corpus == SAMPLE else locate(Path(params.corpus))
    point(CORPUS_AUDIO, location.audio)
    point(CORPUS_SPEAKERS, location.speakers)
    return f"data/corpus is {location.audio}"


def _sample(params: Params) -> Location:
    synthesise_corpus(
        SAMPLE_CORPUS,
        params.sample_corpus,
        params.seed,
        params.parallel.jobs,
        bar("chapter"),
    )
    return locate(SAMPLE_CORPUS)


if __name__ == "__main__":
    run_stage(fetch_corpus)
