"""Feature spaces without labels: maps to look at, and clusters compared with the true labels.

Clusters are found and scored in the standardised feature space itself. The two-dimensional maps
are for looking only: they keep neither distances nor densities.

A chapter is one recording session of one speaker. Features that carry the session agree better
with the chapter than with the speaker.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler

from speech.errors import UserError

# Algorithms are imported where they are used: other stages need the averages only. The import of
# StandardScaler loads the OpenMP library, so that `speech.parallel.spread` can limit its threads.

Floats = NDArray[np.float64]
Labels = NDArray[np.integer]

NOISE = -1
"""HDBSCAN's label of a point that belongs to no cluster."""

UNKNOWN = -1
"""The code of a missing true label."""

_GENDERS = 2

_FEWEST_POINTS = 4
"""t-SNE's smallest sensible perplexity is 1, a third of the other points."""


@dataclass(frozen=True)
class Maps:
    """Two-dimensional views of a feature space.

    Attributes
    ----------
    pca, tsne
        Shape (points, 2).
    components
        Number of principal components that t-SNE was given.
    variance
        Share of the variance in the PCA map.
    perplexity
        Of t-SNE.
    """

    pca: Floats
    tsne: Floats
    components: int
    variance: float
    perplexity: float


def standardise(vectors: NDArray[np.floating]) -> Floats:
    """Bring each dimension to mean 0 and variance 1.

    Parameters
    ----------
    vectors
        Shape (points, dimensions).

    Returns
    -------
    ndarray of shape (points, dimensions)

    Raises
    ------
    UserError
        If there are fewer than four points.
    """
    if len(vectors) < _FEWEST_POINTS:
        raise UserError(
            f"clusters: {len(vectors)} points are too few to map, {_FEWEST_POINTS} are needed; "
            "add recordings or set clusters.level to chunk."
        )
    return StandardScaler().fit_transform(vectors.astype(np.float64))


def draw_maps(
    space: Floats, *, pca_variance: float = 0.95, perplexity: float = 30, seed: int = 0
) -> Maps:
    """Project a standardised feature space to two dimensions.

    Parameters
    ----------
    space
        Shape (points, dimensions), from `standardise`.
    pca_variance
        Share of the variance that the principal components given to t-SNE keep.
    perplexity
        Of t-SNE: roughly how many neighbours of a point count. At most a third of the other
        points is used.
    seed
        Of t-SNE, which starts from the two first principal components.

    Returns
    -------
    Maps
        Both projections. They are the same to the last bit only on one OpenMP thread, because
        t-SNE magnifies rounding errors.

    Notes
    -----
    Van der Maaten & Hinton (2008), "Visualizing data using t-SNE"; started from the principal
    components as in Kobak & Berens (2019), "The art of using t-SNE for single-cell
    transcriptomics".
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    pca = PCA(svd_solver="full")
    scores = pca.fit_transform(space)
    cumulated = np.cumsum(pca.explained_variance_ratio_)
    # The sum of all may be just below 1.
    kept = min(int(np.searchsorted(cumulated, pca_variance)) + 1, scores.shape[1])
    used = min(perplexity, (len(space) - 1) / 3)
    tsne = TSNE(perplexity=used, init="pca", random_state=seed)
    return Maps(
        pca=scores[:, :2],
        tsne=tsne.fit_transform(scores[:, : max(kept, 2)]).astype(np.float64),
        components=kept,
        variance=float(cumulated[1]),
        perplexity=used,
    )


def find_clusters(
    space: Floats, *, speakers: int, min_cluster_size: int = 5, seed: int = 0
) -> dict[str, Labels]:
    """Cluster a standardised feature space by three algorithms.

    k-means and Ward's method are given the number of speakers, and the number of genders; HDBSCAN
    finds the number of clusters itself.

    Parameters
    ----------
    space
        Shape (points, dimensions), from `standardise`. Memory grows with the square of the number
        of points: 5,000 take about 1 GB.
    speakers
        How many there are.
    min_cluster_size
        Of HDBSCAN.
    seed
        Of k-means.

    Returns
    -------
    dict
        Cluster of each point by algorithm: ``kmeans``, ``agglomerative`` (as many clusters as
        speakers), ``hdbscan`` (-1: noise), ``kmeans_2``, ``agglomerative_2`` (two clusters).

    Notes
    -----
    Ward (1963), "Hierarchical grouping to optimize an objective function"; Campello, Moulavi &
    Sander (2013), "Density-based clustering based on hierarchical density estimates".

    Examples
    --------
    >>> two_groups = np.repeat([[0.0, 0.0], [1.0, 1.0]], 4, axis=0)
    >>> find_clusters(standardise(two_groups), speakers=2, min_cluster_size=2)["agglomerative"]
    array([0, 0, 0, 0, 1, 1, 1, 1])
    """
    from scipy.cluster.hierarchy import fcluster, ward
    from sklearn.cluster import HDBSCAN, KMeans

    tree = ward(space)
    smallest = min(min_cluster_size, len(space))
    density = HDBSCAN(min_cluster_size=smallest, algorithm="brute", copy=True)

    def kmeans(number: int) -> Labels:
        return KMeans(number, n_init=10, random_state=seed).fit_predict(space)

    def agglomerative(number: int) -> Labels:
        # Fewer clusters where points coincide.
        return fcluster(tree, number, "maxclust") - 1

    return {
        "kmeans": kmeans(speakers),
        "agglomerative": agglomerative(speakers),
        "hdbscan": density.fit_predict(space),
        "kmeans_2": kmeans(_GENDERS),
        "agglomerative_2": agglomerative(_GENDERS),
    }


def true_labels(points: pd.DataFrame) -> dict[str, Labels]:
    """Code the true speaker, gender and chapter of each point as numbers, -1 where unknown.

    A chapter is identified by its speaker and its id together.
    """
    columns = {
        "speaker": points["speaker_id"],
        "gender": points["gender"],
        "chapter": points["speaker_id"] + "/" + points["chapter_id"],  # no speaker id has a slash
    }
    return {label: pd.factorize(column, sort=True)[0] for label, column in columns.items()}


def agreement_table(
    space: Floats, found: Mapping[str, Labels], truth: Mapping[str, Labels]
) -> pd.DataFrame:
    """Score every clustering against every true label.

    HDBSCAN may leave points out as noise. Under its own name all noise counts as one more
    cluster; ``hdbscan_without_noise`` scores the clustered points only. Points without a true
    label are left out of that label's scores. ``one_cluster`` puts all points together: the naive
    baseline of the purity.

    Parameters
    ----------
    space
        Shape (points, dimensions), from `standardise`.
    found
        Cluster of each point by algorithm, -1 for noise, from `find_clusters`.
    truth
        True label of each point by the label's name, -1 where unknown, from `true_labels`.

    Returns
    -------
    DataFrame
        algorithm, label, score, value. Scores of a clustering against a label: ``ari``, ``nmi``,
        ``purity``. ``silhouette`` has the label ``clusters`` for the clusters themselves (noise
        left out), and the algorithm ``truth`` for the true labels taken as clusters. A score that
        is not defined, for want of two groups or of any point, is NaN.

    Notes
    -----
    Adjusted Rand index: Hubert & Arabie (1985), "Comparing partitions"; 0 by chance, 1 for
    identical partitions. Normalised mutual information: Strehl & Ghosh (2002), with the arithmetic
    mean of entropies; not corrected for chance. Silhouette: Rousseeuw (1987).
    """
    from sklearn.metrics import (
        adjusted_rand_score,
        normalized_mutual_info_score,
        pairwise_distances,
    )

    scores = {"ari": adjusted_rand_score, "nmi": normalized_mutual_info_score, "purity": purity}
    everywhere = np.full(len(space), True)
    compared = {name: (labels, everywhere) for name, labels in found.items()}
    compared["hdbscan_without_noise"] = (found["hdbscan"], found["hdbscan"] != NOISE)
    compared["one_cluster"] = (np.zeros(len(space), dtype=np.int64), everywhere)
    rows: list[tuple[str, str, str, float]] = []
    for name, (labels, counted) in compared.items():
        for label, true in truth.items():
            both = counted & (true != UNKNOWN)
            for score, function in scores.items():
                value = function(true[both], labels[both]) if both.any() else np.nan
                rows.append((name, label, score, value))
    distances = pairwise_distances(space)
    for name, labels in found.items():
        rows.append((name, "clusters", "silhouette", _silhouette(distances, labels)))
    for label, true in truth.items():
        rows.append(("truth", label, "silhouette", _silhouette(distances, true)))
    return pd.DataFrame(rows, columns=["algorithm", "label", "score", "value"])


def purity(true: Labels, found: Labels) -> float:
    """Compute the share of points that have the most frequent true label of their cluster.

    It rises with the number of clusters, to 1 when each point is its own: compare only clusterings
    of the same number.

    Parameters
    ----------
    true, found
        True label and cluster of each point, shape (points,); not empty.

    Returns
    -------
    float
        Above 0, at most 1.

    Notes
    -----
    Manning, Raghavan & Schütze (2008), "Introduction to Information Retrieval", section 16.3.
    """
    from sklearn.metrics.cluster import contingency_matrix

    counts = contingency_matrix(true, found)
    return float(counts.max(axis=0).sum() / counts.sum())


def _silhouette(distances: Floats, labels: Labels) -> float:
    """Average the silhouettes of the points that have a label, NaN if that is not defined."""
    from sklearn.metrics import silhouette_score

    kept = labels >= 0
    groups = len(np.unique(labels[kept]))
    if not 2 <= groups < kept.sum():
        return float("nan")
    return float(
        silhouette_score(distances[np.ix_(kept, kept)], labels[kept], metric="precomputed")
    )
