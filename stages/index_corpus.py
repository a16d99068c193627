"""List every usable utterance of the corpus, and every file that is none with its reason."""

import pandas as pd

from speech.corpus.index import describe_corpus, index_corpus
from speech.corpus.librispeech import read_genders
from speech.errors import UserError
from speech.files import write_json
from speech.params import Params
from speech.tables import read_parquet, write_csv, write_parquet
from stages.console import bar, run_stage
from stages.paths import (
    AUDIO_FACTS,
    CORPUS_AUDIO,
    CORPUS_SPEAKERS,
    METRICS,
    REJECTED,
    UTTERANCES,
)


def build_index(params: Params) -> str:
    """Decode what was not decoded before, and write the tables."""
    index = index_corpus(
        CORPUS_AUDIO,
        read_genders(CORPUS_SPEAKERS),
        min_seconds=params.index.min_seconds,
        chunk_samples=params.chunks.samples,
        known=_known_facts(),
        jobs=params.parallel.jobs,
        progress=bar("file"),
    )
    write_parquet(AUDIO_FACTS, index.facts)
    write_parquet(UTTERANCES, index.utterances)
    write_csv(REJECTED, index.rejected)
    summary = describe_corpus(index)
    write_json(METRICS / "corpus.json", summary)
    return (
        f"{summary['utterances']:,} utterances of {summary['speakers']} speakers, "
        f"{summary['minutes']:.1f} minutes; {summary['rejected']['files']} files rejected, "
        f"see {REJECTED}"
    )


def _known_facts() -> pd.DataFrame | None:
    """Read what an earlier run found in each file; a damaged table is as good as none."""
    try:
        return read_parquet(AUDIO_FACTS)
    except UserError:
        return None


if __name__ == "__main__":
    run_stage(build_index)
