"""A folder of trained models, made in a moment: fitted to noise, complete in every other way."""

from pathlib import Path

import numpy as np
from made_examples import examples_of

from speech.classifiers.calibrated import Calibrated
from speech.classifiers.classical import LogisticModel
from speech.classifiers.registry import save_classifier
from speech.evaluation.headline import Headline, write_headline
from speech.features.examples import chunk_inputs
from speech.features.feature_spec import FeatureSpec, SpecInputs
from speech.features.mfcc import mfcc
from speech.rejection.enrolled_speakers import EnrolledSpeakers
from speech.rejection.model_file import OpenSet, Rejection, write_rejection
from speech.storage.files import read_json
from speech.storage.sealed import digests_of, write_sealed

GENDER, SPEAKER = "gender-mfcc/logistic", "speaker-mfcc/logistic"


def make_models(folder: Path, params) -> Path:
    """Make the headline models of both tasks, on MFCC, and what rejects."""
    spec = FeatureSpec(
        chunks=params.chunks,
        inputs=SpecInputs(mfcc=params.inputs.mfcc.of("gender")),
        mfcc=params.mfcc,
    )
    random = np.random.default_rng(17)
    noise = random.standard_normal(32_000).astype(np.float32)
    frames = {"": mfcc(noise, **params.mfcc.model_dump())}
    (vector,) = chunk_inputs(frames, "", [(0, 32_000)], spec, "pooled")
    vectors = (vector + random.standard_normal((60, len(vector)))).astype(np.float32)
    for task, labels in (("gender", ["F", "M"]), ("speaker", ["ann", "bob", "cyd"])):
        own = np.resize(labels, len(vectors))
        classifier = Calibrated(LogisticModel().fit(examples_of(vectors, own)))
        card = {
            "task": task,
            "features": "mfcc",
            "model": "logistic",
            "spec": spec.model_dump(),
            "trained_on": {"speakers": 3, "utterances": 60, "seconds": 120.0},
        }
        save_classifier(folder / f"{task}-mfcc/logistic", classifier, card)
        write_headline(folder, task, Headline("logistic", "mfcc", "sample", "sample", {}))
    enrolled = EnrolledSpeakers.fit(vectors, np.resize(["ann", "bob", "cyd"], len(vectors)))
    ends = ("", "_low", "_high")
    names = ("equal_error_rate", "known_false_rejection", "unknown_false_acceptance")
    rates = {
        "speech": {f"speech_false_rejection{end}": 0.01 for end in ends},
        "speakers": {"mfcc": {f"{name}{end}": 0.1 for name in names for end in ends}},
    }
    open_set = OpenSet(enrolled, 0.1, 0.2, spec)
    write_rejection(folder / "rejection", Rejection({"mfcc": open_set}, 0.6, rates))
    return folder


def rewrite(card: Path, **changes) -> None:
    """Change values of a sealed file as a forger would, with a seal that fits."""
    content = read_json(card)
    version = content.pop("format")
    del content["seal"]
    write_sealed(card, version, content | changes)


def reseal(folder: Path) -> None:
    """Write a model's card anew for the files that are there now."""
    digests = digests_of(folder, "")
    del digests["model.json"]
    rewrite(folder / "model.json", files=digests)
