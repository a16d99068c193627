"""Trials of unheard voices, and the errors made on them, by scikit-learn and by hand."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn import metrics

from speech.errors import UserError
from speech.evaluation.verification import (
    DET_POINTS,
    det_curve,
    draw_trials,
    equal_error_interval,
    equal_error_rate,
    error_rates,
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


def gaussian(targets=20_000, impostors=30_000, distance=2.0, seed=0):
    """Draw normal scores: the equal error rate is known exactly."""
    random = np.random.default_rng(seed)
    scores = random.normal(size=targets + impostors)
    is_target = np.arange(len(scores)) < targets
    scores[is_target] += distance
    return scores, is_target


# Embeddings


def test_vectors_are_of_unit_length_and_centred_by_the_other_folds_alone():
    random = np.random.default_rng(0)
    vectors = random.normal(3, 2, size=(90, 5)).astype(np.float32)
    folds = np.arange(90) % 3
    normalised = normalise_by_other_folds(vectors, folds)
    np.testing.assert_allclose(np.linalg.norm(normalised, axis=1), 1)
    others = vectors[folds != 0]
    expected = (vectors[0] - others.mean(axis=0)) / others.std(axis=0)
    np.testing.assert_allclose(normalised[0], expected / np.linalg.norm(expected), rtol=1e-4)


def test_no_vector_of_a_fold_changes_another_of_it():
    vectors = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    folds = np.arange(30) % 3
    changed = vectors.copy()
    changed[0] += 100
    before, after = (normalise_by_other_folds(one, folds) for one in (vectors, changed))
    np.testing.assert_array_equal(before[folds == 0][1:], after[folds == 0][1:])
    assert (before[folds == 1] != after[folds == 1]).any()


def test_a_dimension_that_never_changes_is_no_division_by_zero():
    vectors = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    vectors[:, 2] = 7
    assert np.isfinite(normalise_by_other_folds(vectors, np.arange(30) % 3)).all()


# Trials


def test_targets_are_of_one_speaker_and_two_chapters_and_impostors_of_two_speakers():
    utterances = corpus()
    trials = draw_trials(utterances, 10, seed=0)
    first, second = (
        utterances.iloc[trials[side]].reset_index(drop=True) for side in ("first", "second")
    )
    target = trials["target"]
    assert ((first["speaker_id"] == second["speaker_id"]) == target).all()
    assert (first["chapter_id"] != second["chapter_id"]).all()
    assert (first["fold"] == second["fold"]).all()


def test_speakers_have_equally_many_targets_or_none_if_they_have_one_chapter():
    utterances = corpus()
    trials = draw_trials(utterances, 10, seed=0)
    targets = trials[trials["target"]]
    counts = utterances["speaker_id"].iloc[targets["first"]].value_counts()
    assert set(counts) == {10}
    assert set(counts.index) == {f"{speaker:02d}" for speaker in range(12) if speaker % 3}


def test_no_pair_is_tried_twice():
    trials = draw_trials(corpus(), 1000, seed=0)
    assert (trials["first"] < trials["second"]).all()
    assert not trials.duplicated(["first", "second"]).any()


def test_without_a_limit_every_pair_there_is_is_tried():
    utterances = corpus(speakers=6, utterances=2, folds=2)
    wanted = {
        (one, two)
        for one, two in itertools.combinations(range(len(utterances)), 2)
        if utterances.loc[one, "fold"] == utterances.loc[two, "fold"]
        and utterances.loc[one, "chapter_id"] != utterances.loc[two, "chapter_id"]
    }
    trials = draw_trials(utterances, 10_000, seed=0)
    assert set(zip(trials["first"], trials["second"], strict=True)) == wanted


def test_the_seed_decides_the_draw():
    one, same, other = (draw_trials(corpus(), 10, seed) for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(one, same)
    assert not one.equals(other)


def test_a_corpus_of_single_chapters_is_refused_with_what_it_lacks():
    with pytest.raises(UserError, match=r"^corpus: no speaker .* two chapters.*second session\.$"):
        draw_trials(corpus(chapters=1), 10, seed=0)


# Errors


def test_the_rates_are_scikit_learns():
    scores, targets = gaussian(300, 500)
    scores = scores.round(1)
    random = np.random.default_rng(1)
    weights = random.integers(1, 4, size=len(scores)).astype(float)
    rates = error_rates(scores, targets, weights)
    false_alarm, miss, _ = metrics.det_curve(targets, scores, sample_weight=weights)
    ours, theirs = (
        {(x, y) for x, y in zip(one.round(9), other.round(9), strict=True) if x > 0 and y > 0}
        for one, other in ((rates.false_alarm, rates.miss), (false_alarm, miss))
    )
    assert ours == theirs


@pytest.mark.parametrize("distance", [0.0, 1.0, 2.0, 3.0])
def test_the_equal_error_rate_of_normal_scores_is_the_known_one(distance):
    rates = error_rates(*gaussian(distance=distance))
    assert equal_error_rate(rates) == pytest.approx(norm.sf(distance / 2), abs=0.005)


@pytest.mark.parametrize(
    ("targets", "impostors", "expected"),
    [
        ([3, 4], [1, 2], 0.0),
        ([1, 2], [3, 4], 1.0),
        ([1, 1], [1, 1], 0.5),
        ([2, 4], [1, 3], 0.5),
        ([2, 4, 5, 6], [0, 1, 1, 3], 0.25),
    ],
)
def test_the_equal_error_rate_of_a_few_scores_is_the_one_by_hand(targets, impostors, expected):
    scores = np.array(targets + impostors, dtype=float)
    is_target = np.arange(len(scores)) < len(targets)
    assert equal_error_rate(error_rates(scores, is_target)) == pytest.approx(expected)


def test_weights_count_like_repetitions():
    scores, targets = gaussian(40, 60)
    times = np.random.default_rng(1).integers(0, 4, size=len(scores))
    weighted = equal_error_rate(error_rates(scores, targets, times.astype(float)))
    repeated = equal_error_rate(error_rates(scores.repeat(times), targets.repeat(times)))
    assert weighted == pytest.approx(repeated)


def test_without_a_target_there_is_no_rate():
    scores, targets = gaussian(5, 5)
    rates = error_rates(scores, targets, np.where(targets, 0.0, 1.0))
    assert np.isnan(equal_error_rate(rates))


def test_the_interval_widens_as_speakers_become_fewer():
    widths = []
    for speakers in (12, 48):
        utterances = corpus(speakers=speakers)
        trials = draw_trials(utterances, 20, seed=0)
        voices = np.random.default_rng(0).normal(size=speakers)
        codes = utterances["speaker_id"].astype(int).to_numpy()
        # Some speakers are easy, some hard, in all of their trials.
        luck = voices[codes[trials["first"]]] + 1.5 * trials["target"].to_numpy()
        noise = np.random.default_rng(1).normal(size=len(trials))
        scores = luck + noise
        low, high = equal_error_interval(
            scores, trials, utterances["speaker_id"].to_numpy(str), resamples=200, seed=0
        )
        value = equal_error_rate(error_rates(scores, trials["target"].to_numpy()))
        assert low < value < high
        widths.append(high - low)
    assert widths[1] < 0.8 * widths[0]


def test_the_det_curve_of_normal_scores_is_a_straight_line():
    curve = det_curve(error_rates(*gaussian(distance=2.0)))
    assert len(curve) <= DET_POINTS
    middle = curve[curve["false_alarm"].between(0.01, 0.9) & curve["miss"].between(0.01, 0.9)]
    sums = middle["false_alarm_probit"] + middle["miss_probit"]
    np.testing.assert_allclose(sums, -2.0, atol=0.05)


def test_the_det_curve_is_finite_and_runs_one_way():
    curve = det_curve(error_rates(*gaussian(50, 70)))
    assert np.isfinite(curve.to_numpy()).all()
    assert curve["threshold"].is_monotonic_increasing
    assert curve["miss"].is_monotonic_increasing
    assert curve["false_alarm"].is_monotonic_decreasing
    np.testing.assert_allclose(norm.cdf(curve["miss_probit"]), curve["miss"])


def test_where_no_threshold_makes_both_errors_the_det_curve_has_no_points():
    rates = error_rates(np.array([1.0, 2.0, 3.0]), np.array([False, False, True]))
    assert det_curve(rates).empty
