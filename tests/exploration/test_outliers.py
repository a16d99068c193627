"""Outliers: planted errors rank first, unusual speakers do not, and the threshold is chi-square."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2
from sklearn.covariance import EmpiricalCovariance

from speech.exploration.outliers import find_outliers


def corpus(sessions=20, utterances=20, coefficients=13, seed=0):
    """Make up mean coefficients: correlated Gaussian deviations around each session's own mean."""
    random = np.random.default_rng(seed)
    session = np.repeat(np.arange(sessions), utterances)
    mix = np.eye(coefficients) + random.normal(size=(coefficients, coefficients)) / 4
    centres = random.normal(scale=5, size=(sessions, coefficients))
    means = centres[session] + random.normal(size=(len(session), coefficients)) @ mix
    names = [f"{number:03d}" for number in session]
    ids = [f"{name}-{k:04d}" for k, name in enumerate(names)]
    table = pd.DataFrame({"utterance_id": ids, "speaker_id": names, "chapter_id": "1"})
    return table, means


def outliers_of(found):
    return set(found.loc[found["outlier"], "utterance_id"])


def test_the_threshold_is_the_chi_square_quantile_for_a_whole_corpus():
    table, means = corpus()
    found = find_outliers(table, means, p=0.05)
    assert found["distance"].is_monotonic_decreasing
    assert set(found["utterance_id"]) == set(table["utterance_id"])
    np.testing.assert_allclose(found["threshold"], np.sqrt(chi2.isf(0.05 / 400, df=13)))
    assert (found["outlier"] == (found["distance"] > found["threshold"])).all()


def test_gaussian_corpora_have_hardly_any_outliers():
    counts = [len(outliers_of(find_outliers(*corpus(40, 30, seed=seed)))) for seed in range(3)]
    assert sum(counts) <= 1


@pytest.mark.parametrize("coefficients", [5, 13, 30])
def test_utterances_moved_from_another_speaker_rank_first(coefficients):
    table, means = corpus(coefficients=coefficients)
    means[[100, 300, 390]] = means[[210, 0, 50]]
    found = find_outliers(table, means)
    moved = set(table["utterance_id"][[100, 300, 390]])
    assert set(found["utterance_id"][:3]) == moved <= outliers_of(found)


def test_many_errors_of_one_kind_do_not_hide_each_other():
    table, means = corpus()
    odd = np.arange(0, 400, 20)
    means[odd] += 12
    assert outliers_of(find_outliers(table, means)) >= set(table["utterance_id"][odd])


def test_a_speaker_unlike_all_others_is_no_outlier():
    table, means = corpus()
    means[table["speaker_id"] == "005"] += 50
    assert outliers_of(find_outliers(table, means)) == outliers_of(find_outliers(*corpus()))
    # Chapters of one speaker are compared apart.
    chapters = table.assign(speaker_id="one", chapter_id=table["speaker_id"])
    one, other = (find_outliers(each, means)["distance"] for each in (chapters, table))
    pd.testing.assert_series_equal(one, other)


def test_neither_units_nor_further_coefficients_count():
    table, means = corpus(coefficients=30)
    scaled = find_outliers(table, means * 2.0 ** np.arange(-15, 15))
    pd.testing.assert_frame_equal(scaled, find_outliers(table, means[:, :13]))


def test_few_utterances_are_measured_by_the_empirical_covariance():
    def is_empirical(table, means):
        deviations = means - pd.DataFrame(means).groupby(table["speaker_id"]).transform("median")
        expected = EmpiricalCovariance().fit(deviations).mahalanobis(deviations)
        return np.allclose(find_outliers(table, means)["distance"] ** 2, np.sort(expected)[::-1])

    assert is_empirical(*corpus(4, 15))  # 60 of the 65 utterances that 13 coefficients need
    assert not is_empirical(*corpus(5, 13))


def test_a_constant_and_a_copied_coefficient_change_nothing():
    table, means = corpus(4, 5, coefficients=5)
    constant = np.full((20, 1), 7.0)
    more = find_outliers(table, np.hstack([means, constant, means[:, :1]]))
    pd.testing.assert_frame_equal(more, find_outliers(table, means))


def test_utterances_of_tiny_sessions_are_not_compared():
    table, means = corpus(10, 4)
    small = table.groupby("speaker_id").cumcount() < 2
    few = (table["speaker_id"] > "004") | small
    assert len(find_outliers(table[few], means[few])) == 5 * 4
    assert find_outliers(table[small], means[small]).empty


def test_copies_of_one_recording_lie_at_no_distance():
    table, means = corpus()
    copies = find_outliers(table, np.ones_like(means))
    assert (copies["distance"] == 0).all()
    assert not outliers_of(copies)
    means[:20] = 1
    assert (find_outliers(table, means)["distance"] < np.inf).all()
