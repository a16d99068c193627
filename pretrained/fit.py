"""Fit the gender model that comes with the project.

It was fitted on recordings of LibriSpeech [1]_: of 20 readers of dev-clean at most five minutes
each, as MP3, and of 126 readers of train-clean-100 one each, as FLAC. recordings.csv names them::

    python pretrained/fit.py /path/to/dev-clean-20 /path/to/train-clean-126

The stages of the pipeline do the work, by params.yaml but for what `_settings` changes; and every
speaker weighs alike. The same recordings give the same bytes on one machine.

References
----------
.. [1] Panayotov, Chen, Povey and Khudanpur, "LibriSpeech: an ASR corpus based on public domain
   audio books", ICASSP 2015, CC BY 4.0.
"""

from stages.console import bar, run_stage

import argparse
import shutil
from collections.abc import Iterator, Sequence
from contextlib import chdir
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from speech.classifiers.registry import save_classifier
from speech.corpus.layouts import list_recordings, locate, with_genders
from speech.evaluation.headline import Headline, headline_file, headline_of, write_headline
from speech.evaluation.systems import Predictions, score_headline
from speech.params import Features, Params
from speech.storage.examples import Examples, read_examples
from speech.storage.predictions import utterance_level
from speech.storage.tables import read_parquet, write_csv
from speech.training.cross_validation import cross_validate
from stages.build_examples import build
from stages.extract_mfcc import extract_mfcc
from stages.extract_pitch import extract_pitch
from stages.fetch_corpus import fetch_corpus
from stages.fit import card_of
from stages.fit_rejection import fit_rejection
from stages.index_corpus import build_index
from stages.paths import EXAMPLES, MODELS, UTTERANCES
from stages.split_by_speaker import split_by_speaker
from stages.tasks import leave_out

MODEL = "lda"
FEATURES: Features = "mfcc_pitch"
INPUTS = f"gender-{FEATURES}"
MINUTES_PER_SPEAKER = 5.0
"""At most: with more, the temperature would be learnt from a few speakers only."""
COPIES = 2
"""Of each utterance under other acoustic conditions."""
CORRELATED = 20
"""Of the 146 readers, each held out once and all weighing alike, the Brier score was 1.4 %, against
1.6 with 13 coefficients and 2.2 with 30; logistic regression had 1.8."""


def fit_pretrained(params: Params, corpora: Sequence[Path], folder: Path) -> str:
    """Write the model, its scores, how often speech is rejected, and which recordings it is of."""
    corpora, folder = [corpus.resolve() for corpus in corpora], folder.resolve()
    with TemporaryDirectory() as place, chdir(place):
        write_csv(Path("corpus.csv"), pd.DataFrame(_recordings(corpora)))
        own = _settings(params, corpus="corpus.csv")
        for stage in (
            *(fetch_corpus, build_index, split_by_speaker, extract_mfcc, extract_pitch),
            *(partial(build, kind="mfcc"), fit_rejection),
        ):
            print(stage(own), flush=True)
        headline = _fit(own, [corpus.name for corpus in corpora])
        for made in (f"{INPUTS}/{MODEL}", "rejection"):
            shutil.rmtree(folder / made, ignore_errors=True)
            shutil.copytree(MODELS / made, folder / made)
        write_headline(folder, "gender", headline)
        leave_out("speaker", documents=[headline_file(folder, "speaker")])
        recordings = read_parquet(UTTERANCES)[["utterance_id", "speaker_id", "gender"]]
        write_csv(folder / "recordings.csv", recordings)
    scores = headline.scores[f"{FEATURES}-{MODEL}"]["utterance accuracy"]
    return "{:.1%} [{:.1%}, {:.1%}] of utterances, speakers not in training".format(*scores)


def _recordings(corpora: Sequence[Path]) -> Iterator[dict[str, str | None]]:
    """List the recordings of all corpora in the layout of one table."""
    for corpus in corpora:
        location = locate(corpus)
        for one in with_genders(list_recordings(location)):
            yield {
                "path": str((location.audio / one.path).resolve()),
                "speaker_id": one.speaker_id,
                "gender": one.gender,
                "session_id": one.chapter_id,
                "utterance_id": one.utterance_id,
            }


def _settings(params: Params, corpus: str) -> Params:
    content = params.model_dump()
    content |= {"corpus": corpus, "tasks": ["gender"]}
    content["subset"]["minutes_per_speaker"] = MINUTES_PER_SPEAKER
    content["augmentation"]["copies"] = COPIES
    content["inputs"]["mfcc"]["correlated"]["gender"] = CORRELATED
    return Params.model_validate(content, strict=True)


def _fit(params: Params, corpora: list[str]) -> Headline:
    """Write the model, and return how good it is on speakers not in training."""
    examples = read_examples(EXAMPLES / INPUTS, copies=True)
    result = cross_validate(
        MODEL,
        "gender",
        _weigh_speakers_alike(examples),
        hyperparameters=params.hyperparameters(MODEL),
        final=True,
        seed=params.seed,
        jobs=params.compute.jobs,
        progress=bar("fold"),
    )
    save_classifier(
        MODELS / INPUTS / MODEL,
        result.model,
        card_of(params, INPUTS, MODEL, examples.table) | {"calibrated_on": result.calibrated_on},
    )
    chunks = result.chunks.drop_duplicates(["utterance_id", "chunk"], ignore_index=True)
    scores = score_headline(
        Predictions(chunks, utterance_level(chunks)),
        read_parquet(UTTERANCES),
        "gender",
        resamples=params.evaluate.resamples,
        seed=params.seed,
    )["scores"]
    of_model = scores.assign(features=FEATURES, model=MODEL)
    return headline_of(MODEL, FEATURES, of_model, scores, corpus=corpora, encoder="none")


def _weigh_speakers_alike(examples: Examples) -> Examples:
    """Repeat the chunks of every speaker until all have about as many as the one with the most."""
    counts = examples.table.groupby("speaker_id")["chunk"].transform("size").to_numpy()
    times = np.rint(counts.max() / counts).astype(int)
    return examples[np.repeat(np.arange(len(counts)), times)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("corpora", nargs="+", type=Path, help="folders of recordings, or tables")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent, help="to write to")
    asked = parser.parse_args()
    run_stage(partial(fit_pretrained, corpora=asked.corpora, folder=asked.folder))
