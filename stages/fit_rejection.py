"""Fit what tells speech from other sounds and known voices from others, and measure both."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from speech.training.layer_choice import with_unchosen_layer

from speech.evaluation.scores import share_with_interval
from speech.features.examples import load_examples
from speech.features.feature_spec import read_recipe, recipe_of
from speech.folds import deal_units
from speech.parallel import spread
from speech.params import FEATURES_OF, Features, Params
from speech.rejection.enrolled_speakers import EnrolledSpeakers
from speech.rejection.model_file import SpeechModel, VoiceModel, write_rejection
from speech.rejection.open_set import accepting_threshold, open_set_errors, open_set_trials
from speech.rejection.speech_trials import (
    Heard,
    fit_speech_models,
    hear_speaker,
    judged_lengths,
    measure_nonspeech,
)
from speech.storage.results import rounded, write_metrics
from speech.storage.tables import read_folds, read_parquet
from stages.console import bar, run_stage
from stages.paths import CORPUS_AUDIO, FEATURES, FOLDS, METRICS, MODELS, UTTERANCES

SPEECH_GROUPS = 10
"""Held out in turn to set the threshold for speech. With few, the models that it is set by would
have learnt from much less than the final one, and it would let too much pass."""

MOST_SPEAKERS = 200
"""Whose speech is listened to; more would take time and memory and change little."""


def fit_rejection(params: Params) -> str:
    """Write what predict.py needs to say that it does not know, and how often that is wrong."""
    params = with_unchosen_layer(params)
    utterances = read_parquet(UTTERANCES)
    groups = _groups(utterances["speaker_id"], params.folds.gender, params.seed)
    speech, of_speech = _fit_speech(utterances, params)
    voices, of_voices = {}, {}
    for features in FEATURES_OF["speaker"]:
        voices[features], of_voices[features] = _fit_voices(features, utterances, groups, params)
    rates = rounded({"speech": of_speech, "voices": of_voices})
    write_metrics(METRICS / "rejection.json", rates)
    recipe = recipe_of(params, "mfcc", FEATURES["mfcc"])
    write_rejection(
        MODELS / "rejection", recipe, speech, voices, params.rejection.low_confidence, rates
    )
    return _told(rates)


def _groups(speakers: pd.Series, groups: int, seed: int) -> pd.Series:
    """Deal whole speakers to groups that are held out in turn; by speaker."""
    names = sorted(speakers.unique())
    return pd.Series(deal_units(names, [""] * len(names), groups, seed), index=names)


def _fit_speech(
    utterances: pd.DataFrame, params: Params
) -> tuple[list[SpeechModel], dict[str, Any]]:
    speakers = [(str(name), own) for name, own in utterances.groupby("speaker_id")]
    drawn = np.random.default_rng(params.seed).permutation(len(speakers))[:MOST_SPEAKERS]
    jobs = [
        (name, [CORPUS_AUDIO / path for path in own["path"]])
        for name, own in (speakers[number] for number in sorted(drawn))
    ]
    hear = partial(hear_speaker, chunks=params.chunks, settings=params.mfcc, seed=params.seed)
    parts = spread(hear, jobs, params.parallel.jobs, bar("speaker"))
    heard = Heard(
        pd.concat([part.table for part in parts], ignore_index=True),
        np.concatenate([part.statistics for part in parts if len(part.statistics)]),
    )
    groups = _groups(heard.table["speaker_id"], SPEECH_GROUPS, params.seed)
    group = heard.table["speaker_id"].map(groups).to_numpy(np.int64)
    frames = judged_lengths(params.chunks, params.mfcc)
    models, judged = fit_speech_models(heard, group, frames, params.rejection.speech_refused)
    tried = measure_nonspeech(models, params.chunks, params.mfcc, params.seed)
    lengths = dict(zip(("chunk", "half_chunk"), models, strict=True))
    return models, {
        name: _speech_rates(
            judged[judged["frames"] == model.frames], tried[tried["frames"] == model.frames], params
        )
        for name, model in lengths.items()
    }


def _speech_rates(judged: pd.DataFrame, tried: pd.DataFrame, params: Params) -> dict[str, Any]:
    clean = judged[judged["condition"] == "clean"]
    refused, low, high = share_with_interval(
        clean["refused"].to_numpy(),
        clean["speaker_id"].to_numpy(str),
        resamples=params.evaluate.resamples,
        seed=params.seed,
    )
    by_condition = judged.groupby("condition")["refused"].mean()
    return {
        "speech_refused": refused,
        "speech_refused_low": low,
        "speech_refused_high": high,
        "speech_refused_when": {name.replace(" ", "_"): v for name, v in by_condition.items()},
        "nonspeech_accepted": tried["accepted"].mean(),
        "nonspeech_accepted_of": tried.groupby("family")["accepted"].mean().to_dict(),
        "signals": len(tried),
    }


def _fit_voices(
    features: Features, utterances: pd.DataFrame, groups: pd.Series, params: Params
) -> tuple[VoiceModel, dict[str, float]]:
    examples = load_examples(FEATURES[features], features, utterances, params, "pooled")
    dealt = read_folds(FOLDS / "speaker.csv").set_index("utterance_id")["fold"]
    session = examples.table["utterance_id"].map(dealt).fillna(-1).astype(int)
    chunks = examples.table.assign(group=examples.table["speaker_id"].map(groups), session=session)
    trials = open_set_trials(chunks, examples.inputs)
    accepted = params.rejection.unknown_accepted
    errors = open_set_errors(
        trials["utterance"], accepted, resamples=params.evaluate.resamples, seed=params.seed
    )
    known = (session >= 0).to_numpy()
    speakers: NDArray[np.str_] = chunks.loc[known, "speaker_id"].to_numpy(str)
    model = VoiceModel(
        EnrolledSpeakers.learn(examples.inputs[known], speakers),
        accepting_threshold(trials["chunk"], accepted),
        accepting_threshold(trials["utterance"], accepted),
        read_recipe(recipe_of(params, features, FEATURES[features]), MODELS / "rejection"),
    )
    rates = {
        f"{name}{end}": value
        for name, values in errors._asdict().items()
        for end, value in zip(("", "_low", "_high"), values, strict=True)
    }
    return model, rates


def _told(rates: dict[str, Any]) -> str:
    speech = rates["speech"]["chunk"]
    by_features = [
        f"{100 * told['eer']:.1f} % [{100 * told['eer_low']:.1f}, {100 * told['eer_high']:.1f}] "
        f"with {features}"
        for features, told in rates["voices"].items()
    ]
    return (
        f"{100 * speech['nonspeech_accepted']:.1f} % of {speech['signals']} sounds that are no "
        f"speech taken for it, {100 * speech['speech_refused']:.1f} % of clean speech refused; "
        f"known voice or not: equal error rate {', '.join(by_features)}"
    )


if __name__ == "__main__":
    run_stage(fit_rejection)
