"""Enrol the speakers, and measure how often speech and speakers are rejected wrongly."""

from stages.console import bar, run_stage

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from speech.features.feature_spec import read_spec
from speech.folds import check_folds, deal_units
from speech.parallel import spread
from speech.params import FEATURES_OF, Features, Params
from speech.rejection.model_file import OpenSet, Rejection, write_rejection
from speech.rejection.open_set import fit_open_set
from speech.rejection.speech_trials import speech_false_rejection, speech_trials
from speech.storage.examples import read_examples
from speech.storage.files import read_json
from speech.storage.results import percent, percent_with_ends, rounded, write_metrics
from speech.storage.tables import read_parquet
from stages.paths import CORPUS_AUDIO, EXAMPLES, MODELS, RESULTS, UTTERANCES

MOST_SPEAKERS = 100
"""Whose speech is tried; more would take time and change little."""


def fit_rejection(params: Params) -> str:
    """Write models/rejection, which predict.py needs, and data/results/rejection.json."""
    utterances = read_parquet(UTTERANCES)
    # Speakers are enrolled for the speaker task; what is no speech is rejected for either.
    names = FEATURES_OF["speaker"] if "speaker" in params.tasks else ()
    fit = partial(_fit_open_set, params=params)
    fitted = dict(
        zip(names, spread(fit, names, params.compute.jobs, prefer="threads"), strict=True)
    )
    errors = {features: measured for features, (_, measured) in fitted.items()}
    rates = rounded({"speech": _measure_speech(utterances, params), "speakers": errors})
    write_metrics(RESULTS / "rejection.json", rates)
    speakers: dict[str, OpenSet] = {kind: open_set for kind, (open_set, _) in fitted.items()}
    rejection = Rejection(speakers, params.rejection.low_confidence, rates)
    write_rejection(MODELS / "rejection", rejection)
    return _summary_line(rates)


def _measure_speech(utterances: pd.DataFrame, params: Params) -> dict[str, Any]:
    speakers = [
        (str(name), [CORPUS_AUDIO / path for path in own["path"]])
        for name, own in utterances.groupby("speaker_id")
    ]
    drawn = np.random.default_rng(params.seed).permutation(len(speakers))[:MOST_SPEAKERS]
    trials = spread(
        partial(speech_trials, seconds=params.chunks.seconds, seed=params.seed),
        [speakers[number] for number in sorted(drawn)],
        params.compute.jobs,
        bar("speaker"),
        prefer="threads",
    )
    return speech_false_rejection(
        pd.concat(trials), resamples=params.evaluate.resamples, seed=params.seed
    )


def _fit_open_set(features: Features, params: Params) -> tuple[OpenSet, dict[str, float]]:
    folder = EXAMPLES / f"speaker-{features}"
    examples = read_examples(folder)
    check_folds(examples.table, "speaker")
    speakers = list(examples.table["speaker_id"])
    return fit_open_set(
        # The group and the session that each chunk is held out by.
        examples.table.assign(
            group=deal_units(speakers, [""] * len(speakers), params.folds.gender, params.seed),
            session=examples.table["fold"],
        ),
        examples.inputs,
        read_spec(read_json(folder / "spec.json"), folder / "spec.json"),
        unknown_false_acceptance=params.rejection.unknown_false_acceptance,
        resamples=params.evaluate.resamples,
        seed=params.seed,
    )


def _summary_line(rates: dict[str, Any]) -> str:
    by_features = [
        f"{percent_with_ends(own, 'equal_error_rate')} with {features}"
        for features, own in rates["speakers"].items()
    ]
    return (
        f"{percent(rates['speech']['speech_false_rejection'])} of clean speech rejected; "
        "enrolled or unknown speaker: "
        + (f"equal error rate {', '.join(by_features)}" if by_features else "not asked for")
    )


if __name__ == "__main__":
    run_stage(fit_rejection)
