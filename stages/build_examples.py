"""Cut features into what classifiers are given: pooled vectors and frames of every chunk."""

from stages.console import bar, run_stage

import argparse
from functools import partial
from typing import get_args

import pandas as pd

from speech.features.examples import build_examples
from speech.features.feature_spec import FeatureSpec, KeptStates, SpecInputs
from speech.folds import check_folds
from speech.params import FEATURES_OF, Features, Params, Task
from speech.storage.examples import Form, array_file, with_labels, write_table
from speech.storage.files import read_json, write_json
from speech.storage.tables import read_folds, read_parquet
from stages.paths import ENCODER_FACTS, EXAMPLES, FEATURES, FOLDS, UTTERANCES
from stages.tasks import leave_out

KINDS: dict[str, tuple[Features, ...]] = {"mfcc": ("mfcc", "mfcc_pitch"), "wav2vec2": ("wav2vec2",)}
"""Features by the name that the stage is called with."""


def build(params: Params, kind: str) -> str:
    """Write a folder of examples for every task and its features."""
    utterances = read_parquet(UTTERANCES)
    folds = {task: read_folds(FOLDS / f"{task}.csv") for task in params.tasks}
    for task, own in folds.items():
        # Before anything is cut; a fit checks its own folds once more.
        check_folds(utterances.merge(own, on="utterance_id"), task)
    lines = []
    for features in KINDS[kind]:
        for task in (task for task in FEATURES_OF if features in FEATURES_OF[task]):
            if task in folds:
                lines.append(_build(params, task, features, utterances, folds[task]))
            else:
                lines.append(leave_out(task, folders=[EXAMPLES / f"{task}-{features}"]))
    return "; ".join(dict.fromkeys(lines))


def _build(
    params: Params, task: Task, features: Features, utterances: pd.DataFrame, folds: pd.DataFrame
) -> str:
    """Write the examples of one task, in both forms."""
    spec, folder = spec_of(params, task, features), EXAMPLES / f"{task}-{features}"
    pooled, _ = (
        build_examples(
            FEATURES[features],
            utterances,
            spec,
            form,
            array_file(folder, form),
            # wav2vec 2.0 sees clean speech only: copies would cost as much as the corpus again.
            copies=0 if features == "wav2vec2" else params.augmentation.copies,
            jobs=params.compute.jobs,
            progress=bar("speaker"),
        )
        for form in get_args(Form)
    )
    write_table(folder, with_labels(pooled, folds, task).table)
    write_json(folder / "spec.json", spec.model_dump(exclude_none=True))
    return f"{len(pooled.table):,} chunks of {len(utterances):,} utterances, {features}"


def spec_of(params: Params, task: Task, features: Features) -> FeatureSpec:
    """Write down what features are made of."""
    if features != "wav2vec2":
        return FeatureSpec(
            chunks=params.chunks,
            inputs=SpecInputs(mfcc=params.inputs.mfcc.of(task)),
            mfcc=params.mfcc,
            pitch=params.pitch if features == "mfcc_pitch" else None,
        )
    facts, kept = read_json(ENCODER_FACTS), params.wav2vec2
    return FeatureSpec(
        chunks=params.chunks,
        inputs=SpecInputs(wav2vec2=params.inputs.wav2vec2),
        wav2vec2=KeptStates(
            layers=list(range(facts["states"])) if kept.layers == "all" else kept.layers,
            sequence_layer=kept.sequence_layer,
            sequence_stride=kept.sequence_stride,
        ),
        encoder=facts["files"],
        encoder_family=facts["family"],
        encoder_mode=facts["mode"],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    run_stage(partial(build, kind=parser.parse_args().kind))
