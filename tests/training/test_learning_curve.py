"""Fewer training speakers: who is drawn, and what is predicted."""

from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from made_corpus import chunk_table
from sklearn.neighbors import NearestCentroid

from speech.storage.examples import Examples
from speech.training.learning_curve import predict_with_fewer_speakers

SPEAKERS, FOLDS, CHUNKS = 24, 4, 6
DRAWS = 3


@pytest.fixture
def build():
    class Remembering(NearestCentroid):
        """A classifier that remembers what it was fitted on, for the test to see."""

        classes = ("F", "M")
        seen: ClassVar[list[Examples]] = []

        def fit(self, training):
            self.seen.append(training)
            return super().fit(training.inputs, training.labels)

    return Remembering


def corpus():
    """Draw speakers around two genders, and chunks around speakers."""
    random = np.random.default_rng(0)
    table = chunk_table("gender", SPEAKERS, chapters=1, utterances=3, folds=FOLDS)
    means = random.normal(size=(SPEAKERS, 12))
    means[:, 0] += 4.0 * (np.arange(SPEAKERS) % 2)
    inputs = np.repeat(means, CHUNKS, axis=0) + 0.5 * random.normal(size=(len(table), 12))
    return Examples(table, inputs.astype(np.float32))


def test_each_number_is_about_half_of_the_next_and_more_speakers_help(build):
    examples = corpus()
    predictions = predict_with_fewer_speakers(build, examples, draws=DRAWS, jobs=1)
    # 12 of each gender, three in each of four folds: nine are left.
    assert sorted(predictions["speakers"].unique()) == [2, 4, 8, 18]
    sizes = predictions.groupby(["speakers", "draw"]).size()
    assert (sizes == SPEAKERS * 3).all()
    assert len(sizes) == 4 * DRAWS
    right = (predictions["p_F"] > 0.5) == (predictions["label"] == "F")
    accuracy = right.groupby(predictions["speakers"]).mean()
    assert accuracy[18] > accuracy[2] + 0.05
    # Draws hold both genders alike and nobody of the tested fold.
    for number, training in enumerate(build.seen):
        assert number // (len(build.seen) // FOLDS) not in set(training.table["fold"])
        counts = training.table.drop_duplicates("speaker_id")["label"].value_counts()
        assert counts["F"] == counts["M"]
        assert (training.table["speaker_id"].value_counts() == CHUNKS).all()


def test_the_seed_decides_the_draws_whatever_the_jobs(build):
    one, two, other = (
        predict_with_fewer_speakers(build, corpus(), seed=seed, jobs=jobs)
        for seed, jobs in ((0, 1), (0, 2), (1, 1))
    )
    pd.testing.assert_frame_equal(one, two)
    assert not one.equals(other)
