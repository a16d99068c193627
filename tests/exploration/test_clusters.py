"""Clusters and their agreement: planted ones are found, scores equal hand computation."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import silhouette_score
from threadpoolctl import threadpool_limits

from speech.errors import UserError
from speech.exploration.clusters import (
    NOISE,
    agreement_table,
    draw_maps,
    find_clusters,
    purity,
    standardise,
    true_labels,
)


def corpus(speakers=4, each=20):
    """Make up well-separated speakers, the women far from the men, two chapters each."""
    random = np.random.default_rng(0)
    number = np.repeat(np.arange(speakers), each)
    centres = random.normal(0, 3, (speakers, 6))
    centres[:, 0] += np.where(np.arange(speakers) % 2, -40, 40)
    vectors = centres[number] + random.normal(0, 0.3, (len(number), 6))
    points = pd.DataFrame({"speaker_id": number.astype(str)})
    points["chapter_id"] = (np.arange(len(number)) % 2).astype(str)
    points["gender"] = np.where(number % 2, "M", "F")
    return points, vectors.astype(np.float32)


def cluster(points, vectors):
    """Cluster and score points: assignments, and values by algorithm, label and score."""
    space = standardise(vectors)
    found = find_clusters(space, speakers=points["speaker_id"].nunique())
    return found, values_of(agreement_table(space, found, true_labels(points)))


def values_of(table):
    return table.set_index(["algorithm", "label", "score"])["value"]


@pytest.fixture(scope="module")
def planted():
    return cluster(*corpus())


def test_planted_speakers_and_genders_are_found(planted):
    """A chapter is identified by its speaker too."""
    _, agreement = planted
    for algorithm in ("kmeans", "agglomerative", "hdbscan_without_noise"):
        for score in ("ari", "nmi", "purity"):
            assert agreement[algorithm, "speaker", score] == 1
        assert agreement[algorithm, "chapter", "purity"] == 0.5
    for algorithm in ("kmeans_2", "agglomerative_2"):
        assert agreement[algorithm, "gender", "ari"] == 1


def test_purity_by_hand():
    true, found = np.array([0, 0, 1, 1, 1, 2]), np.array([0, 0, 0, 1, 1, 1])
    assert purity(true, found) == pytest.approx((2 + 2) / 6)
    assert purity(true, np.arange(6)) == 1
    assert purity(true, np.zeros(6, int)) == pytest.approx(3 / 6)


def test_noise_counts_as_one_cluster_or_not_at_all():
    truth, space = {"speaker": np.array([0, 0, 1, 1])}, np.eye(4)
    half = {"hdbscan": np.array([0, 0, NOISE, NOISE])}
    most = {"hdbscan": np.array([0, NOISE, NOISE, NOISE])}
    everything = {"hdbscan": np.full(4, NOISE)}
    assert values_of(agreement_table(space, half, truth))["hdbscan", "speaker", "ari"] == 1
    values = values_of(agreement_table(space, most, truth))
    assert values["hdbscan", "speaker", "purity"] == pytest.approx(3 / 4)
    assert values["hdbscan_without_noise", "speaker", "purity"] == 1
    values = values_of(agreement_table(space, everything, truth))
    assert values["hdbscan", "speaker", "ari"] == 0
    assert np.isnan(values["hdbscan_without_noise", "speaker", "ari"])
    assert np.isnan(values["hdbscan", "clusters", "silhouette"])


def test_points_without_gender_are_left_out_of_its_scores():
    points, vectors = corpus()
    points["gender"] = points["gender"].astype(object)
    points.loc[:9, "gender"] = None
    _, agreement = cluster(points, vectors)
    assert agreement["kmeans_2", "gender", "ari"] == pytest.approx(1)
    expected = silhouette_score(standardise(vectors)[10:], points["gender"][10:])
    assert agreement["truth", "gender", "silhouette"] == pytest.approx(expected, abs=1e-5)
    _, agreement = cluster(points.assign(gender=None), vectors)
    assert agreement.xs("gender", level="label").isna().all()
    assert agreement["kmeans", "speaker", "ari"] == pytest.approx(1)


def test_clusters_do_not_depend_on_the_unit_of_a_dimension(planted):
    points, vectors = corpus()
    found, agreement = cluster(points, vectors * np.float32([1, 64, 1, 1 / 64, 1, 1]))
    pd.testing.assert_series_equal(agreement, planted[1])
    for name, labels in planted[0].items():
        np.testing.assert_array_equal(found[name], labels)


def test_maps_keep_planted_neighbours_together_and_are_the_same_to_the_last_bit():
    points, vectors = corpus()
    with threadpool_limits(1):
        one, other = (draw_maps(standardise(vectors)) for _ in range(2))
    assert silhouette_score(one.tsne, points["speaker_id"]) > 0.5
    assert one.perplexity == pytest.approx(79 / 3)
    np.testing.assert_array_equal(one.tsne, other.tsne)
    np.testing.assert_array_equal(one.pca, other.pca)


@pytest.mark.parametrize(("share", "components"), [(0.9, 1), (0.999, 2), (0.999999, 3)])
def test_principal_components_keep_the_wanted_variance_and_no_more(share, components):
    space = np.random.default_rng(0).normal(size=(50, 3)) * [10, 1, 0.1]
    assert draw_maps(space, pca_variance=share, perplexity=5).components == components


def test_four_points_are_enough_and_three_are_not():
    points, vectors = corpus(speakers=2, each=2)
    assert draw_maps(standardise(vectors)).perplexity == 1
    cluster(points, vectors)
    # Points that coincide make fewer clusters.
    assert (cluster(points, np.zeros_like(vectors))[0]["agglomerative"] == 0).all()
    with pytest.raises(UserError, match="3 points are too few"):
        standardise(vectors[:3])
