"""Speech and what is none: learnt from speech alone, whatever its loudness and its microphone."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter

from speech.audio.conditions import CONDITIONS, MILD
from speech.audio.decode import load_audio
from speech.errors import UserError
from speech.features.mfcc import mfcc
from speech.rejection.speech_likeness import SpeechLikeness, movement_statistics
from speech.rejection.speech_trials import (
    Heard,
    fit_speech_models,
    hear_speaker,
    judged_lengths,
    measure_nonspeech,
)

REFUSED = 0.05


@pytest.fixture(scope="module")
def settings(request):
    from speech.params import load_params

    return load_params(request.config.rootpath / "params.yaml")


@pytest.fixture(scope="module")
def speakers(tiny_corpus):
    folders = sorted({path.parents[1] for path in tiny_corpus.rglob("*.flac")})
    return [(folder.name, sorted(folder.rglob("*.flac"))) for folder in folders]


@pytest.fixture(scope="module")
def heard(speakers, settings):
    hear = partial(hear_speaker, chunks=settings.chunks, settings=settings.mfcc, seed=1)
    parts = [hear(speaker) for speaker in speakers]
    return Heard(
        pd.concat([part.table for part in parts], ignore_index=True),
        np.concatenate([part.statistics for part in parts]),
    )


@pytest.fixture(scope="module")
def fitted(heard, settings):
    groups = heard.table["speaker_id"].astype("category").cat.codes.to_numpy() // 2
    lengths = judged_lengths(settings.chunks, settings.mfcc)
    return fit_speech_models(heard, groups, lengths, REFUSED)


def test_every_speaker_is_heard_under_every_condition(heard, speakers, settings):
    every = heard.table.groupby(["speaker_id", "condition"])["frames"].agg(set)
    assert set(every.index) == {(name, one) for name, _ in speakers for one in CONDITIONS}
    lengths = set(judged_lengths(settings.chunks, settings.mfcc))
    assert all(found == lengths for found in every)
    assert np.isfinite(heard.statistics).all()


def test_a_speaker_is_heard_the_same_twice(heard, speakers, settings):
    name = speakers[0][0]
    again = hear_speaker(speakers[0], settings.chunks, settings.mfcc, seed=1)
    own = (heard.table["speaker_id"] == name).to_numpy()
    np.testing.assert_array_equal(again.statistics, heard.statistics[own])


def test_unheard_voices_are_refused_as_often_as_was_asked(fitted):
    _, judged = fitted
    by_length = judged.groupby("frames")["refused"].mean()
    assert by_length.between(0.3 * REFUSED, 3 * REFUSED).all()
    half = judged["frames"] == judged["frames"].min()
    assert set(judged.loc[half, "condition"]) == set(MILD)


def test_chunks_longer_than_all_utterances_are_said_to_be(heard):
    groups = np.zeros(len(heard.table), np.int64)
    with pytest.raises(UserError, match=r"chunks\.seconds"):
        fit_speech_models(heard, groups, [10_000], REFUSED)


def test_hardly_anything_else_is_taken_for_speech(fitted, settings):
    models, _ = fitted
    tried = measure_nonspeech(models, settings.chunks, settings.mfcc, seed=5)
    assert tried.loc[tried["frames"] == models[0].frames, "accepted"].mean() <= 0.05
    assert set(tried["frames"]) == {model.frames for model in models}


def test_neither_loudness_nor_a_microphone_changes_what_is_said(speakers, settings):
    signal = load_audio(speakers[0][1][0])[: settings.chunks.samples]
    plain = movement_statistics(mfcc(signal, settings.mfcc), settings.mfcc)
    for changed in (0.2 * signal, lfilter([1, -0.5], [1], signal)):
        other = movement_statistics(mfcc(changed.astype(np.float32), settings.mfcc), settings.mfcc)
        assert np.abs(other - plain).max() < 0.5
        assert np.abs(other - plain).mean() < 0.05


def test_what_never_varied_in_training_says_nothing():
    random = np.random.default_rng(0)
    statistics = np.column_stack([random.standard_normal((200, 3)), np.full(200, 7.0)])
    model = SpeechLikeness.learn(statistics)
    odd = statistics[:5].copy()
    odd[:, 3] = 100.0
    np.testing.assert_allclose(model.distances(odd), model.distances(statistics[:5]))


def test_the_distance_is_mahalanobis():
    random = np.random.default_rng(0)
    statistics = random.standard_normal((50_000, 2)) @ np.array([[2.0, 0.0], [1.0, 0.5]])
    model = SpeechLikeness.learn(statistics)
    inverse = np.linalg.inv(np.cov(statistics.T))
    deviation = statistics[:9] - statistics.mean(axis=0)
    expected = np.einsum("cs,st,ct->c", deviation, inverse, deviation) / 2
    np.testing.assert_allclose(model.distances(statistics[:9]), expected, rtol=0.02)
