"""Known voices and strangers: who is held out, what is scored, where the threshold lies."""

import numpy as np
import pandas as pd
import pytest

from speech.rejection import open_set
from speech.rejection.enrolled_speakers import EnrolledSpeakers
from speech.rejection.open_set import accepting_threshold, open_set_errors, open_set_trials

SPEAKERS, SESSIONS, UTTERANCES, CHUNKS, DIMENSIONS = 9, 3, 4, 3, 12


def corpus(apart, seed=0):
    """Make voices that lie so far apart; the last speaker has a single session."""
    random = np.random.default_rng(seed)
    rows, vectors = [], []
    for speaker in range(SPEAKERS):
        centre = apart * random.standard_normal(DIMENSIONS)
        sessions = SESSIONS if speaker < SPEAKERS - 1 else 1
        for session in range(sessions):
            for utterance in range(UTTERANCES):
                name = f"{speaker}-{session}-{utterance}"
                known_in = session if sessions > 1 else -1
                row = (name, str(speaker), f"{speaker}{session}", speaker // 3, known_in)
                rows += CHUNKS * [row]
                vectors.append(centre + random.standard_normal((CHUNKS, DIMENSIONS)))
    columns = ["utterance_id", "speaker_id", "chapter_id", "group", "session"]
    return pd.DataFrame(rows, columns=columns), np.concatenate(vectors).astype(np.float32)


def eer(trials):
    return open_set_errors(trials, 0.1, resamples=50, seed=0).eer


def test_voices_far_apart_are_told_from_strangers():
    trials = open_set_trials(*corpus(apart=20.0))
    assert eer(trials["utterance"])[0] < 0.02


def test_voices_that_are_all_alike_cannot_be_told():
    value, low, high = eer(open_set_trials(*corpus(apart=0.0))["utterance"])
    assert value == pytest.approx(0.5, abs=0.15)
    assert low <= value <= high


def test_whoever_is_tested_was_not_heard(monkeypatch):
    """A stranger is in no part of the training, a known voice not by the session tested."""
    table, vectors = corpus(apart=1.0)
    learnt, scored = [], []
    whole = EnrolledSpeakers.learn

    class Watched(EnrolledSpeakers):
        @classmethod
        def learn(cls, some, speakers):
            rows = {vector.tobytes() for vector in some}
            learnt.append(table[[vector.tobytes() in rows for vector in vectors]])
            return whole.__func__(cls, some, speakers)

        def scores(self, some):
            rows = {vector.tobytes() for vector in np.asarray(some, np.float32)}
            heard = table[[vector.tobytes() in rows for vector in vectors]]
            if len(heard):
                scored.append((learnt[-1], heard))
            return super().scores(some)

    monkeypatch.setattr(open_set, "EnrolledSpeakers", Watched)
    open_set_trials(table, vectors)
    kinds = set()
    for training, tested in scored:
        assert not set(training["chapter_id"]) & set(tested["chapter_id"])
        strangers = set(tested["speaker_id"]) - set(training["speaker_id"])
        assert strangers in (set(), set(tested["speaker_id"]))
        kinds.add(bool(strangers))
        assert str(SPEAKERS - 1) not in set(training["speaker_id"])
    assert kinds == {True, False}


def test_everyone_is_unknown_once_in_every_session_and_known_but_for_the_single_session():
    trials = open_set_trials(*corpus(apart=1.0))["utterance"]
    unknown = trials[~trials["known"]].groupby("speaker_id").size()
    known = trials[trials["known"]].groupby("speaker_id").size()
    assert set(unknown.index) == set(map(str, range(SPEAKERS)))
    assert set(known.index) == set(map(str, range(SPEAKERS - 1)))
    # Each utterance is known while one of the two other groups is held out.
    assert set(known) == {2 * SESSIONS * UTTERANCES}


def test_the_threshold_lets_as_many_strangers_in_as_was_asked():
    trials = open_set_trials(*corpus(apart=1.0))["chunk"]
    threshold = accepting_threshold(trials, 0.1)
    strangers = trials.loc[~trials["known"], "score"]
    assert (strangers >= threshold).mean() == pytest.approx(0.1, abs=0.01)
    errors = open_set_errors(trials, 0.1, resamples=50, seed=0)
    value, low, high = errors.unknown_accepted
    assert 0 <= low <= value <= high <= 1
    assert value == pytest.approx(0.1, abs=0.08)


def test_scores_are_cosines_and_do_not_depend_on_company():
    table, vectors = corpus(apart=3.0)
    voices = EnrolledSpeakers.learn(vectors, table["speaker_id"].to_numpy(str))
    scores = voices.scores(vectors)
    assert scores.max() <= 1 + 1e-6
    assert scores.min() >= -1
    np.testing.assert_allclose(voices.scores(vectors[5:6]), scores[5:6], atol=1e-6)


def test_a_feature_that_never_varies_says_nothing():
    table, vectors = corpus(apart=3.0)
    constant = np.column_stack([vectors, np.full(len(vectors), 5, np.float32)])
    voices = EnrolledSpeakers.learn(constant, table["speaker_id"].to_numpy(str))
    odd = constant[:4].copy()
    odd[:, -1] = 1e6
    np.testing.assert_allclose(voices.scores(odd), voices.scores(constant[:4]), atol=1e-6)
