"""Clusters and their agreement: planted ones are found, scores equal hand computation."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import silhouette_score
from sklearn.preprocessing import StandardScaler

from speech.errors import UserError
from speech.exploration.clusters import (
    NOISE,
    agreement_table,
    average_over_utterances,
    draw_maps,
    find_clusters,
    purity,
    sample_by_speaker,
    true_labels,
)
from speech.params import load_params

SETTINGS = load_params(Path(__file__).parents[2] / "params.yaml").clusters


def voices(speakers=4, each=20, seed=0, spread=0.3):
    """Make up well-separated speakers, the women far from the men, two chapters each."""
    random = np.random.default_rng(seed)
    number = np.repeat(np.arange(speakers), each)
    centres = random.normal(0, 3, (speakers, 6))
    centres[:, 0] += np.where(np.arange(speakers) % 2, -40, 40)
    vectors = centres[number] + random.normal(0, spread, (len(number), 6))
    points = pd.DataFrame(
        {
            "utterance_id": [f"u{k:04d}" for k in range(len(number))],
            "speaker_id": number.astype(str),
            "chapter_id": (np.arange(len(number)) % 2).astype(str),
            "gender": np.where(number % 2, "M", "F"),
        }
    )
    return points, vectors.astype(np.float32)


def value(table, algorithm, label, score):
    return table.set_index(["algorithm", "label", "score"])["value"][algorithm, label, score]


@pytest.fixture(scope="module")
def planted():
    points, vectors = voices()
    return find_clusters(vectors, points, SETTINGS, seed=0)


def test_planted_speakers_are_found_by_every_algorithm(planted):
    for algorithm in ("kmeans", "agglomerative", "hdbscan_without_noise"):
        for score in ("ari", "nmi", "purity"):
            assert value(planted.agreement, algorithm, "speaker", score) == pytest.approx(1)


def test_planted_genders_are_found_by_two_clusters(planted):
    for algorithm in ("kmeans_2", "agglomerative_2"):
        assert value(planted.agreement, algorithm, "gender", "ari") == pytest.approx(1)


def test_a_chapter_is_known_by_its_speaker_too(planted):
    points, _ = voices()
    assert len(np.unique(true_labels(points)["chapter"])) == 8
    assert value(planted.agreement, "kmeans", "chapter", "purity") == pytest.approx(0.5)


def test_purity_by_hand():
    true, found = np.array([0, 0, 1, 1, 1, 2]), np.array([0, 0, 0, 1, 1, 1])
    assert purity(true, found) == pytest.approx((2 + 2) / 6)
    assert purity(true, np.arange(6)) == 1
    assert purity(true, np.zeros(6, int)) == pytest.approx(3 / 6)


def test_noise_counts_as_one_cluster_or_not_at_all():
    truth = {"speaker": np.array([0, 0, 1, 1])}
    found = {"hdbscan": np.array([0, 0, NOISE, NOISE])}
    half = {"hdbscan": np.array([0, NOISE, NOISE, NOISE])}
    distances = np.ones((4, 4)) - np.eye(4)
    assert value(agreement_table(distances, found, truth), "hdbscan", "speaker", "ari") == 1
    table = agreement_table(distances, half, truth)
    assert value(table, "hdbscan", "speaker", "purity") == pytest.approx(3 / 4)
    assert value(table, "hdbscan_without_noise", "speaker", "purity") == 1


def test_a_clustering_that_is_all_noise_has_no_scores_without_it():
    distances = np.ones((4, 4)) - np.eye(4)
    truth = {"speaker": np.array([0, 0, 1, 1])}
    table = agreement_table(distances, {"hdbscan": np.full(4, NOISE)}, truth)
    assert value(table, "hdbscan", "speaker", "ari") == 0
    assert np.isnan(value(table, "hdbscan_without_noise", "speaker", "ari"))
    assert np.isnan(value(table, "hdbscan", "clusters", "silhouette"))


def test_points_without_gender_do_not_enter_its_scores():
    points, vectors = voices()
    points["gender"] = points["gender"].astype(object)
    points.loc[:9, "gender"] = None
    table = find_clusters(vectors, points, SETTINGS, seed=0).agreement
    assert value(table, "kmeans_2", "gender", "ari") == pytest.approx(1)
    space = StandardScaler().fit_transform(vectors)[10:]
    expected = silhouette_score(space, points["gender"][10:])
    assert value(table, "truth", "gender", "silhouette") == pytest.approx(expected, abs=1e-5)


def test_a_corpus_without_any_gender_has_undefined_gender_scores():
    points, vectors = voices()
    table = find_clusters(vectors, points.assign(gender=None), SETTINGS, seed=0).agreement
    assert table[table["label"] == "gender"]["value"].isna().all()
    assert value(table, "kmeans", "speaker", "ari") == pytest.approx(1)


def test_clusters_do_not_depend_on_the_unit_of_a_dimension(planted):
    points, vectors = voices()
    scaled = find_clusters(vectors * np.float32([1, 64, 1, 1 / 64, 1, 1]), points, SETTINGS, 0)
    pd.testing.assert_frame_equal(scaled.agreement, planted.agreement)


def test_the_same_points_give_the_same_result_to_the_last_bit(planted):
    points, vectors = voices()
    again = find_clusters(vectors, points, SETTINGS, seed=0)
    np.testing.assert_array_equal(again.maps.tsne, planted.maps.tsne)
    np.testing.assert_array_equal(again.maps.pca, planted.maps.pca)
    for name, labels in planted.assignments.items():
        np.testing.assert_array_equal(again.assignments[name], labels)


def test_maps_keep_planted_neighbours_together(planted):
    points, _ = voices()
    assert silhouette_score(planted.maps.tsne, points["speaker_id"]) > 0.5
    assert planted.maps.perplexity == pytest.approx(79 / 3)


def test_principal_components_keep_the_wanted_variance_and_no_more():
    random = np.random.default_rng(0)
    space = random.normal(size=(50, 3)) * [10, 1, 0.1]
    assert draw_maps(space, 0.9, 5, seed=0).components == 1
    assert draw_maps(space, 0.999, 5, seed=0).components == 2
    assert draw_maps(space, 0.999999, 5, seed=0).components == 3


def test_four_points_are_enough_and_three_are_not():
    points, vectors = voices(speakers=2, each=2)
    assert find_clusters(vectors, points, SETTINGS, seed=0).maps.perplexity == 1
    with pytest.raises(UserError, match="3 points are too few"):
        find_clusters(vectors[:3], points[:3], SETTINGS, seed=0)


def test_an_utterance_is_the_mean_of_its_chunks_whatever_their_order():
    table = pd.DataFrame(
        {
            "utterance_id": ["b", "a", "b", "b"],
            "speaker_id": ["2", "1", "2", "2"],
            "chapter_id": ["7", "8", "7", "7"],
        }
    )
    names, means = average_over_utterances(table, np.array([[3.0], [5.0], [6.0], [0.0]]))
    assert names.to_dict("list") == {
        "utterance_id": ["a", "b"],
        "speaker_id": ["1", "2"],
        "chapter_id": ["8", "7"],
    }
    np.testing.assert_array_equal(means, [[5], [3]])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=8), st.integers(1, 100))
def test_a_sample_takes_about_the_same_share_of_every_speaker(sizes, most):
    speakers = np.repeat([f"s{k}" for k in range(len(sizes))], sizes)
    chosen = sample_by_speaker(speakers, most, seed=0)
    assert len(chosen) == len(set(chosen)) == min(most, len(speakers))
    assert (np.diff(chosen) > 0).all()
    taken = np.array([(speakers[chosen] == f"s{k}").sum() for k in range(len(sizes))])
    # One share exists that, of every speaker, rounds to what was taken.
    assert ((taken - 0.5) / sizes).max() <= ((taken + 0.5) / sizes).min() + 1e-9
