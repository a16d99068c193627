"""Enrolled and unknown speakers: who is held out, what is scored, where the threshold lies."""

import numpy as np
import pandas as pd
import pytest
from sklearn.covariance import LedoitWolf

from speech.rejection import open_set
from speech.rejection.enrolled_speakers import EnrolledSpeakers
from speech.rejection.open_set import (
    accepting_threshold,
    fit_open_set,
    open_set_errors,
    open_set_trials,
)

SPEAKERS, SESSIONS, UTTERANCES, CHUNKS, DIMENSIONS = 9, 3, 4, 3, 12
SINGLE = str(SPEAKERS - 1)
"""Has one session."""


def corpus(distance, seed=0, speakers=SPEAKERS, sessions=SESSIONS):
    """Make speakers that lie so far from each other, dealt to three groups."""
    random = np.random.default_rng(seed)
    rows, vectors = [], []
    for speaker in map(str, range(speakers)):
        centre = distance * random.standard_normal(DIMENSIONS)
        for session in range(1 if speaker == SINGLE else sessions):
            fold = -1 if speaker == SINGLE else session
            for utterance in range(UTTERANCES):
                name = f"{speaker}-{session}-{utterance}"
                rows += CHUNKS * [
                    (name, speaker, f"{speaker}{session}", int(speaker) * 3 // speakers, fold)
                ]
                vectors.append(centre + random.standard_normal((CHUNKS, DIMENSIONS)))
    columns = ["utterance_id", "speaker_id", "chapter_id", "group", "session"]
    return pd.DataFrame(rows, columns=columns), np.concatenate(vectors).astype(np.float32)


@pytest.mark.parametrize(("distance", "expected"), [(20.0, 0.0), (0.0, 0.5)])
def test_the_equal_error_rate_falls_as_speakers_move_apart(distance, expected):
    trials = open_set_trials(*corpus(distance))["utterance"]
    errors = open_set_errors(trials, 0.1, resamples=50)
    assert errors["equal_error_rate"] == pytest.approx(expected, abs=0.15)
    low, high = (errors[f"equal_error_rate_{end}"] for end in ("low", "high"))
    assert low <= errors["equal_error_rate"] <= high


def test_no_tested_session_is_in_training(monkeypatch):
    """Unknown speakers are not in training at all, enrolled ones not with the tested session."""
    table, vectors = corpus(distance=1.0)
    trained, tested = [], []

    def rows_of(some):
        known = {vector.tobytes() for vector in np.asarray(some, np.float32)}
        return table[[vector.tobytes() in known for vector in vectors]]

    class Watched(EnrolledSpeakers):
        @classmethod
        def fit(cls, some, speakers):
            trained.append(rows_of(some))
            return super().fit(some, speakers)

        def scores(self, some):
            if len(rows := rows_of(some)):
                tested.append((trained[-1], rows))
            return super().scores(some)

    monkeypatch.setattr(open_set, "EnrolledSpeakers", Watched)
    open_set_trials(table, vectors)
    kinds = set()
    for training, rows in tested:
        assert not set(training["chapter_id"]) & set(rows["chapter_id"])
        unknown = set(rows["speaker_id"]) - set(training["speaker_id"])
        assert unknown in (set(), set(rows["speaker_id"]))
        assert SINGLE not in set(training["speaker_id"])
        kinds.add(bool(unknown))
    assert kinds == {True, False}


def test_the_shipped_threshold_accepts_no_more_new_speakers_than_it_says():
    """By trials against two thirds of the enrolled speakers, it would accept 0.27 of them."""
    accepted = []
    for seed in range(6):
        table, vectors = corpus(1.0, seed, speakers=18, sessions=2)
        asked = {"unknown_false_acceptance": 0.2, "resamples": 2}
        open_set, _ = fit_open_set(table, vectors, None, **asked)
        unknown, voices = corpus(1.0, seed + 100, speakers=200, sessions=1)
        means = pd.DataFrame(voices).groupby(unknown["utterance_id"].to_numpy()).mean().to_numpy()
        scores = open_set.enrolled.scores(means)
        accepted.append((scores >= open_set.utterance_threshold).mean())
    assert 0.1 < np.mean(accepted) < 0.2


def test_every_speaker_is_unknown_and_all_but_those_with_one_session_are_enrolled():
    table, vectors = corpus(distance=1.0)
    open_set, _ = fit_open_set(table, vectors, None, resamples=10)
    assert len(open_set.enrolled.centroids) == SPEAKERS - 1
    trials = open_set_trials(table, vectors)["utterance"]
    unknown = trials[~trials["enrolled"]].groupby("speaker_id").size()
    enrolled = trials[trials["enrolled"]].groupby("speaker_id").size()
    assert set(unknown.index) == set(map(str, range(SPEAKERS)))
    assert set(enrolled.index) == set(unknown.index) - {SINGLE}
    # Each utterance is tested while each of the two other groups is held out.
    assert set(enrolled) == {2 * SESSIONS * UTTERANCES}


def test_the_threshold_accepts_as_many_unknown_speakers_as_were_asked_for():
    trials = open_set_trials(*corpus(distance=1.0))["chunk"]
    threshold = accepting_threshold(trials, 0.1)
    unknown = trials.loc[~trials["enrolled"], "score"]
    assert (unknown >= threshold).mean() == pytest.approx(0.1, abs=0.01)
    errors = open_set_errors(trials, 0.1, resamples=50)
    name = "unknown_false_acceptance"
    assert 0 <= errors[f"{name}_low"] <= errors[name] <= errors[f"{name}_high"] <= 1
    assert errors[name] == pytest.approx(0.1, abs=0.08)


def test_scores_are_cosines_of_features_whitened_within_speakers():
    table, vectors = corpus(distance=3.0)
    names = table["speaker_id"].to_numpy(str)
    speakers = EnrolledSpeakers.fit(vectors, names)
    scores = speakers.scores(vectors)
    assert np.abs(scores).max() <= 1 + 1e-6
    np.testing.assert_allclose(speakers.scores(vectors[5:6]), scores[5:6], atol=1e-6)
    scaled = (vectors - speakers.mean) / speakers.scale
    within = pd.DataFrame(scaled).groupby(names).transform(lambda column: column - column.mean())
    expected = LedoitWolf(assume_centered=True).fit(within.to_numpy()).precision_
    np.testing.assert_allclose(speakers.whitening @ speakers.whitening.T, expected, rtol=0.01)


def test_a_feature_that_never_varies_does_not_count():
    table, vectors = corpus(distance=3.0)
    constant = np.column_stack([vectors, np.full(len(vectors), 5, np.float32)])
    speakers = EnrolledSpeakers.fit(constant, table["speaker_id"].to_numpy(str))
    odd = constant[:4].copy()
    odd[:, -1] = 1e6
    np.testing.assert_allclose(speakers.scores(odd), speakers.scores(constant[:4]), atol=1e-6)
