"""More training speakers: who is drawn, what is averaged, and what the last doubling bought."""

import numpy as np
import pandas as pd
import pytest

from speech.classifiers.protocol import Labelled
from speech.training import learning_curve as training_speakers
from speech.training.learning_curve import (
    last_doubling,
    predict_with_fewer_speakers,
    score_speaker_counts,
)

SPEAKERS, UTTERANCES, CHUNKS, FOLDS = 24, 3, 2, 4
RESAMPLING = {"resamples": 200, "seed": 0}


@pytest.fixture
def small(make_params):
    return make_params(**{"learning_curve.draws": 3, "parallel.jobs": 1})


def corpus(seed=0, distance=4.0, dimensions=12):
    """Draw voices around two genders, and chunks around voices."""
    random = np.random.default_rng(seed)
    speaker = np.repeat(np.arange(SPEAKERS), UTTERANCES * CHUNKS)
    utterance = np.repeat(np.arange(SPEAKERS * UTTERANCES), CHUNKS)
    label = np.array(["F", "M"])[speaker % 2]
    voices = random.normal(size=(SPEAKERS, dimensions))
    voices[:, 0] += distance * (np.arange(SPEAKERS) % 2)
    inputs = voices[speaker] + 0.5 * random.normal(size=(len(speaker), dimensions))
    table = pd.DataFrame(
        {
            "utterance_id": utterance.astype(str),
            "speaker_id": speaker.astype(str),
            "chapter_id": "1",
            "chunk": np.tile(np.arange(CHUNKS), SPEAKERS * UTTERANCES),
        }
    )
    names = table["speaker_id"].to_numpy(str)
    data = Labelled(inputs.astype(np.float32), label, names, names)
    return table, data, speaker // 2 % FOLDS


def test_each_number_is_about_half_of_the_next_and_the_last_is_all(small):
    predictions = predict_with_fewer_speakers(*corpus(), small)
    # 12 of each gender, three in each of four folds: nine are left.
    assert sorted(predictions["speakers"].unique()) == [2, 4, 8, 18]
    sizes = predictions.groupby(["speakers", "draw"]).size()
    assert (sizes == SPEAKERS * UTTERANCES).all()
    assert len(sizes) == 4 * small.learning_curve.draws


def test_training_draws_hold_both_genders_alike_and_nobody_of_the_tested_fold(small, monkeypatch):
    table, data, folds = corpus()
    heard, build = [], training_speakers.build_classifier

    def watched(*arguments, **given):
        classifier = build(*arguments, **given)
        fit = classifier.fit

        def remember(training):
            heard.append(training)
            return fit(training)

        classifier.fit = remember
        return classifier

    monkeypatch.setattr(training_speakers, "build_classifier", watched)
    predict_with_fewer_speakers(table, data, folds, small)
    per_fold = len(heard) // FOLDS
    tested = [set(table["speaker_id"][folds == fold]) for fold in range(FOLDS)]
    for number, training in enumerate(heard):
        assert not set(training.sessions) & tested[number // per_fold]
        drawn = pd.DataFrame({"speaker": training.sessions, "label": training.labels})
        counts = drawn.drop_duplicates()["label"].value_counts()
        assert counts["F"] == counts["M"]
        assert (drawn["speaker"].value_counts() == UTTERANCES * CHUNKS).all()


def test_the_same_seed_gives_the_same_draws_whatever_the_jobs(small, make_params):
    spread = make_params(**{"learning_curve.draws": 3, "parallel.jobs": 2})
    one, two = (predict_with_fewer_speakers(*corpus(), params) for params in (small, spread))
    pd.testing.assert_frame_equal(one, two)


def test_where_voices_differ_more_speakers_help(small):
    predictions = predict_with_fewer_speakers(*corpus(), small)
    curve = score_speaker_counts(predictions, **RESAMPLING)
    assert curve["value"].iloc[-1] > curve["value"].iloc[0] + 0.05
    assert (curve["low"] <= curve["value"]).all()
    assert (curve["value"] <= curve["high"]).all()
    assert (curve["draws"] == small.learning_curve.draws).all()


def told(accuracies, speakers=20, utterances=50):
    """Make predictions up that are right as often as told, for each number of speakers."""
    tables = []
    for heard, accuracy in accuracies.items():
        for draw in range(2):
            speaker = np.repeat(np.arange(speakers), utterances)
            label = np.array(["F", "M"])[speaker % 2]
            right = np.tile(np.arange(utterances) < accuracy * utterances, speakers)
            women = np.where((label == "F") == right, 0.8, 0.2)
            table = pd.DataFrame({"speaker_id": speaker.astype(str), "label": label})
            table["utterance_id"] = np.arange(len(table)).astype(str)
            table = table.assign(p_F=women, p_M=1 - women, speakers=heard, draw=draw)
            tables.append(table)
    return pd.concat(tables, ignore_index=True)


def test_the_curve_is_the_mean_accuracy_of_each_number():
    curve = score_speaker_counts(told({2: 0.6, 4: 0.7, 8: 0.9}), **RESAMPLING)
    assert curve["speakers"].tolist() == [2, 4, 8]
    assert curve["value"].tolist() == pytest.approx([0.6, 0.7, 0.9])


def test_the_gain_is_that_of_the_last_doubling_alone():
    gain = last_doubling(told({2: 0.1, 4: 0.7, 8: 0.9}), **RESAMPLING)
    assert gain == pytest.approx((0.2, 0.2, 0.2))


def test_a_last_step_of_more_than_a_doubling_counts_for_as_many_as_it_is():
    value, _, _ = last_doubling(told({2: 0.5, 8: 0.9}), **RESAMPLING)
    assert value == pytest.approx(0.2)


def test_the_gains_interval_resamples_speakers():
    predictions = told({4: 0.5, 8: 0.5})
    # Half of the speakers gain everything that they had wrong.
    lucky = (predictions["speaker_id"].astype(int) < 10) & (predictions["speakers"] == 8)
    women = np.where(predictions["label"] == "F", 0.9, 0.1)
    predictions.loc[lucky, "p_F"], predictions.loc[lucky, "p_M"] = (
        women[lucky],
        1 - women[lucky],
    )
    value, low, high = last_doubling(predictions, **RESAMPLING)
    assert value == pytest.approx(0.25)
    assert 0.05 < low < 0.2
    assert 0.3 < high < 0.45
