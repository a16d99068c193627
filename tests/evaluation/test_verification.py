"""Speaker verification: embeddings, trials, and the interval of the equal error rate."""

import itertools

import numpy as np
import pandas as pd
import pytest

from speech.errors import UserError
from speech.evaluation.roc import equal_error_rate, error_rates
from speech.evaluation.verification import (
    draw_trials,
    equal_error_interval,
    normalise_by_other_folds,
)


def corpus(speakers=12, chapters=2, utterances=5, folds=3):
    """List utterances; every third speaker has a single chapter."""
    rows = [
        (f"{speaker:02d}", f"{speaker}-{0 if speaker % 3 == 0 else chapter}", speaker % folds)
        for speaker in range(speakers)
        for chapter in range(chapters)
        for _ in range(utterances)
    ]
    return pd.DataFrame(rows, columns=["speaker_id", "chapter_id", "fold"])


def test_vectors_are_of_unit_length_and_standardised_by_the_other_folds_alone():
    vectors = np.random.default_rng(0).normal(3, 2, size=(90, 5)).astype(np.float32)
    vectors[:, 2] = 7
    folds = np.arange(90) % 3
    before = normalise_by_other_folds(vectors, folds)
    np.testing.assert_allclose(np.linalg.norm(before, axis=1), 1)
    others = vectors[folds != 0]
    # A dimension that never changes is no division by zero.
    expected = (vectors[0] - others.mean(axis=0)) / np.where(
        np.ptp(others, axis=0), others.std(0), 1
    )
    expected /= np.linalg.norm(expected)
    np.testing.assert_allclose(before[0], expected, rtol=1e-3, atol=1e-5)
    changed = vectors.copy()
    changed[0] += 100
    after = normalise_by_other_folds(changed, folds)
    np.testing.assert_array_equal(before[folds == 0][1:], after[folds == 0][1:])
    assert (before[folds == 1] != after[folds == 1]).any()


def test_targets_are_of_one_speaker_and_two_chapters_and_impostors_of_two_speakers():
    utterances = corpus()
    trials = draw_trials(utterances, most=10)
    first, second = (
        utterances.iloc[trials[side]].reset_index(drop=True) for side in ("first", "second")
    )
    target = trials["target"]
    assert ((first["speaker_id"] == second["speaker_id"]) == target).all()
    assert (first["chapter_id"] != second["chapter_id"]).all()
    assert (first["fold"] == second["fold"]).all()
    # Speakers have equally many targets, or none with one chapter.
    counts = first.loc[target, "speaker_id"].value_counts()
    assert counts.to_dict() == {f"{speaker:02d}": 10 for speaker in range(12) if speaker % 3}


def test_without_a_limit_every_possible_pair_is_tried_once():
    utterances = corpus(speakers=6, utterances=2, folds=2)
    wanted = {
        (one, two)
        for one, two in itertools.combinations(range(len(utterances)), 2)
        if utterances.loc[one, "fold"] == utterances.loc[two, "fold"]
        and utterances.loc[one, "chapter_id"] != utterances.loc[two, "chapter_id"]
    }
    trials = draw_trials(utterances, most=10_000)[["first", "second"]]
    assert sorted(map(tuple, trials.to_numpy().tolist())) == sorted(wanted)


def test_a_corpus_of_single_chapters_is_refused_with_what_it_lacks():
    with pytest.raises(UserError, match=r"^corpus: no speaker .* two chapters.*second session\.$"):
        draw_trials(corpus(chapters=1), most=10)


def test_the_interval_widens_as_speakers_become_fewer():
    widths = []
    for speakers in (12, 48):
        utterances = corpus(speakers=speakers)
        trials = draw_trials(utterances, most=20)
        random = np.random.default_rng(0)
        # Some speakers are easy, some hard, in all of their trials.
        luck = random.normal(size=speakers)[utterances["speaker_id"].astype(int)]
        scores = luck[trials["first"]] + 1.5 * trials["target"] + random.normal(size=len(trials))
        scores = scores.to_numpy()
        low, high = equal_error_interval(
            scores, trials, utterances["speaker_id"].to_numpy(str), resamples=200, seed=0
        )
        value = equal_error_rate(error_rates(scores, trials["target"].to_numpy()))
        assert low < value < high
        widths.append(high - low)
    assert widths[1] < 0.8 * widths[0]
