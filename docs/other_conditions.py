"""Measure how models that learnt from the corpus do on it as other rooms and lines would carry it.

`python docs/other_conditions.py logistic lda`, after `dvc repro`, prints accuracy over utterances
(and in brackets the expected calibration error, both in percent):
of unheard voices for gender (MFCC with pitch), of voices in unheard chapters for speakers (MFCC),
learnt with and without the copies of `inputs.mfcc.augmentation`.

The recordings are changed as sound, by `speech.audio.conditions`; the copies that are learnt
from are changed in their MFCC, by other code and other draws. Folds, params and features are those
of the pipeline. Nothing is written but to a temporary folder.
"""

import argparse
import zlib
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from speech.audio.conditions import under_condition
from speech.classifiers.protocol import Labelled
from speech.classifiers.registry import build_classifier, classifier_class
from speech.evaluation.calibration import expected_calibration_error, reliability
from speech.features.examples import Examples, load_examples
from speech.features.extraction import extract_speaker, speaker_jobs
from speech.features.mfcc import mfcc
from speech.features.pitch import PART, pitch
from speech.features.store import Tensors
from speech.parallel import spread
from speech.params import Features, ModelName, Params, Task
from speech.predictions import predicted_classes, utterance_level, with_probabilities
from speech.storage.tables import read_folds, read_parquet
from speech.training.cross_validation import folds_of, label_examples
from stages.console import bar, run_stage
from stages.paths import CORPUS_AUDIO, FEATURES, FOLDS, UTTERANCES

CONDITIONS = ("clean", "telephone", "room", "pink noise 20 dB", "pink noise 10 dB")
FEATURES_FOR: dict[Task, Features] = {"gender": "mfcc_pitch", "speaker": "mfcc"}
MODELS: tuple[ModelName, ...] = ("logistic", "svm", "lda")
"""Those that need no validation data."""


def measure(params: Params, models: list[ModelName]) -> str:
    """Print a table per task, and say what it is of."""
    utterances = read_parquet(UTTERANCES)
    with TemporaryDirectory() as place:
        folders = {name: Path(place) / name for name in CONDITIONS}
        for name, folder in folders.items():
            _extract(utterances, name, folder, params)
        for task in FEATURES_FOR:
            print(_table(task, utterances, folders, models, params).to_string(index=False))
    return f"{len(utterances):,} utterances under {len(CONDITIONS)} conditions"


def _extract(utterances: pd.DataFrame, condition: str, folder: Path, params: Params) -> None:
    jobs = speaker_jobs(utterances, CORPUS_AUDIO, folder, condition)
    extract = partial(extract_speaker, compute=partial(_hear, condition=condition, params=params))
    spread(extract, jobs, params.parallel.jobs, bar("speaker"))


def _hear(signal: NDArray[np.float32], condition: str, params: Params) -> Tensors:
    # By its content, so that a recording meets the same noise whatever else is in the corpus.
    random = np.random.default_rng([params.seed, zlib.crc32(signal.tobytes())])
    heard = under_condition(signal, condition, random)
    return {"": mfcc(heard, params.mfcc), PART: pitch(heard, params.pitch, params.mfcc)}


def _table(
    task: Task,
    utterances: pd.DataFrame,
    folders: dict[str, Path],
    models: list[ModelName],
    params: Params,
) -> pd.DataFrame:
    features = FEATURES_FOR[task]
    usable = utterances.merge(read_folds(FOLDS / f"{task}.csv"), on="utterance_id")
    learnt = load_examples(FEATURES[features], features, usable, params, "pooled", copies=True)
    tested = {
        name: load_examples([folder], features, usable, params, "pooled")
        for name, folder in folders.items()
    }
    with_copies = label_examples(learnt, usable, task)
    plain = replace(with_copies, copies=())
    folds = folds_of(learnt, usable)
    rows = []
    for model in models:
        for copies, data in ((0, plain), (len(with_copies.copies), with_copies)):
            heard = _out_of_fold(model, data, folds, tested, params)
            scores = {name: _scores(own, task, params) for name, own in heard.items()}
            rows.append({"task": task, "model": model, "copies": copies} | scores)
    return pd.DataFrame(rows)


def _out_of_fold(
    model: ModelName,
    data: Labelled,
    folds: NDArray[np.int64],
    tested: dict[str, Examples],
    params: Params,
) -> dict[str, pd.DataFrame]:
    """Let every fold's model judge its fold under all conditions; predictions by condition."""
    fit = partial(_judge_fold, model=model, data=data, folds=folds, tested=tested, params=params)
    numbers = np.unique(folds).tolist()
    judged = spread(
        fit, numbers, params.parallel.jobs, bar("fold"), classifier_class(model).workers
    )
    return {name: pd.concat([fold[name] for fold in judged]) for name in tested}


def _judge_fold(
    number: int,
    model: ModelName,
    data: Labelled,
    folds: NDArray[np.int64],
    tested: dict[str, Examples],
    params: Params,
) -> dict[str, pd.DataFrame]:
    own = folds == number
    classifier = build_classifier(model, params, params.seed).fit(data[~own])
    return {
        name: with_probabilities(
            examples.table[own].assign(fold=number, label=data.labels[own]),
            classifier.classes,
            classifier.predict_proba(examples.inputs[own]),
        )
        for name, examples in tested.items()
    }


def _scores(chunks: pd.DataFrame, task: Task, params: Params) -> str:
    """Tell accuracy, and in brackets the expected calibration error, both in percent."""
    utterances = utterance_level(chunks)
    right = (predicted_classes(utterances) == utterances["label"]).mean()
    error = expected_calibration_error(
        reliability(utterances, task, resamples=params.evaluate.resamples, seed=params.seed)
    )
    return f"{100 * right:.1f} ({100 * error:.1f})"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", choices=MODELS)
    run_stage(partial(measure, models=parser.parse_args().models))
