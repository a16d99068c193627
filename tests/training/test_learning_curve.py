"""Fewer training speakers: who is drawn, and what is predicted."""

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import NearestCentroid

from speech.classifiers.protocol import Labelled
from speech.training.learning_curve import predict_with_fewer_speakers

SPEAKERS, UTTERANCES, CHUNKS, FOLDS = 24, 3, 2, 4
DRAWS = 3


@pytest.fixture
def fitted():
    return []


@pytest.fixture
def build(fitted):
    class Remembering(NearestCentroid):
        """A classifier that remembers what it was fitted on, for the test to see."""

        classes = ("F", "M")

        def fit(self, training):
            fitted.append(training)
            return super().fit(training.inputs, training.labels)

    return Remembering


def corpus():
    """Draw speakers around two genders, and chunks around speakers."""
    random = np.random.default_rng(0)
    speaker = np.repeat(np.arange(SPEAKERS), UTTERANCES * CHUNKS)
    means = random.normal(size=(SPEAKERS, 12))
    means[:, 0] += 4.0 * (np.arange(SPEAKERS) % 2)
    inputs = means[speaker] + 0.5 * random.normal(size=(len(speaker), 12))
    names = speaker.astype(str)
    table = pd.DataFrame({"speaker_id": names, "chapter_id": "1"})
    table["utterance_id"] = (np.arange(len(table)) // CHUNKS).astype(str)
    label = np.array(["F", "M"])[speaker % 2]
    data = Labelled(inputs.astype(np.float32), label, names, names)
    return table, data, speaker // 2 % FOLDS


def test_each_number_is_about_half_of_the_next_and_more_speakers_help(build, fitted):
    table, data, folds = corpus()
    predictions = predict_with_fewer_speakers(build, table, data, folds, draws=DRAWS, jobs=1)
    # 12 of each gender, three in each of four folds: nine are left.
    assert sorted(predictions["speakers"].unique()) == [2, 4, 8, 18]
    sizes = predictions.groupby(["speakers", "draw"]).size()
    assert (sizes == SPEAKERS * UTTERANCES).all()
    assert len(sizes) == 4 * DRAWS
    right = (predictions["p_F"] > 0.5) == (predictions["label"] == "F")
    accuracy = right.groupby(predictions["speakers"]).mean()
    assert accuracy[18] > accuracy[2] + 0.05
    # Draws hold both genders alike and nobody of the tested fold.
    for number, training in enumerate(fitted):
        tested = table["speaker_id"][folds == number // (len(fitted) // FOLDS)]
        assert not set(training.sessions) & set(tested)
        drawn = pd.DataFrame({"speaker": training.sessions, "label": training.labels})
        counts = drawn.drop_duplicates()["label"].value_counts()
        assert counts["F"] == counts["M"]
        assert (drawn["speaker"].value_counts() == UTTERANCES * CHUNKS).all()


def test_the_seed_decides_the_draws_whatever_the_jobs(build):
    one, two, other = (
        predict_with_fewer_speakers(build, *corpus(), seed=seed, jobs=jobs)
        for seed, jobs in ((0, 1), (0, 2), (1, 1))
    )
    pd.testing.assert_frame_equal(one, two)
    assert not one.equals(other)
