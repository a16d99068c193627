"""The unsupervised look at a feature space: maps to see it, clusters to measure what it groups by.

Clusters are found, and their quality is measured, in the standardised feature space itself. The
two-dimensional maps are for looking only: neither distances nor densities survive in them.

Every score compares a grouping with the true speaker, gender and chapter. A chapter is one
recording session of one speaker, so features that know the session agree with it *better* than
with the speaker.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.metrics import (
    adjusted_rand_score,
    normalized_mutual_info_score,
    pairwise_distances,
    silhouette_score,
)
from sklearn.metrics.cluster import contingency_matrix
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from speech.errors import UserError
from speech.parallel import Progress, silent
from speech.params import Clusters

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

LABELS = ("speaker", "gender", "chapter")

NOISE = -1
"""What HDBSCAN calls a point that belongs to no cluster."""

UNKNOWN = -1
"""The code of a missing true label."""

_GENDERS = 2

_FEWEST_POINTS = 4
"""t-SNE's smallest sensible perplexity is 1, and that is a third of the other points."""


@dataclass(frozen=True)
class Maps:
    """Two-dimensional views of a feature space.

    Attributes
    ----------
    pca, tsne
        Shape (points, 2).
    components
        Number of principal components that keep the wanted share of the variance; t-SNE sees these.
    variance
        Share of the variance that the two of the PCA map show.
    perplexity
        The one t-SNE was run with.
    """

    pca: Floats
    tsne: Floats
    components: int
    variance: float
    perplexity: float


@dataclass(frozen=True)
class Clustering:
    """What was found in a feature space.

    Attributes
    ----------
    maps
        Two-dimensional views.
    assignments
        Cluster of each point by algorithm: ``kmeans``, ``agglomerative`` (as many clusters as
        speakers), ``hdbscan`` (-1: noise), ``kmeans_2``, ``agglomerative_2`` (two clusters).
    agreement
        algorithm, label, score, value; see `agreement_table`.
    """

    maps: Maps
    assignments: Mapping[str, Labels]
    agreement: pd.DataFrame


def average_over_utterances(
    table: pd.DataFrame, vectors: NDArray[np.floating]
) -> tuple[pd.DataFrame, Floats]:
    """Average the vectors of each utterance's chunks.

    Parameters
    ----------
    table
        One row per chunk, with utterance_id, speaker_id and chapter_id.
    vectors
        Shape (chunks, dimensions).

    Returns
    -------
    table : DataFrame
        One row per utterance, in order of utterance_id: utterance_id, speaker_id, chapter_id.
    vectors : ndarray of shape (utterances, dimensions)
    """
    utterances = table.groupby("utterance_id", sort=True)
    means = pd.DataFrame(vectors.astype(np.float64)).groupby(table["utterance_id"].to_numpy())
    names = utterances[["speaker_id", "chapter_id"]].first().reset_index()
    return names, means.mean().to_numpy()


def sample_by_speaker(speakers: Sequence[str], most: int, seed: int) -> NDArray[np.intp]:
    """Choose points at random, of each speaker about the same share.

    Parameters
    ----------
    speakers
        Of each point.
    most
        How many points may be chosen.
    seed
        Of the choice.

    Returns
    -------
    ndarray
        Positions of the chosen points, in order: all, or exactly `most`.
    """
    if len(speakers) <= most:
        return np.arange(len(speakers))
    points = pd.DataFrame({"speaker": np.asarray(speakers, dtype=object)})
    points["random"] = np.random.default_rng(seed).random(len(points))
    by_speaker = points.groupby("speaker")["random"]
    # How far along the own speaker's points each one comes: cutting all speakers at the same
    # place takes the same share of each, rounded.
    place = (by_speaker.rank(method="first") - 0.5) / by_speaker.transform("size")
    chosen = np.lexsort([points["random"], place])[:most]
    return np.sort(chosen)


def find_clusters(
    vectors: NDArray[np.floating],
    points: pd.DataFrame,
    settings: Clusters,
    seed: int,
    progress: Progress = silent,
) -> Clustering:
    """Map and cluster a feature space, and say what its clusters agree with.

    The number of speakers is given to k-means and Ward's method, which is more than a truly
    unsupervised look would know; HDBSCAN finds the number itself.

    Parameters
    ----------
    vectors
        Shape (points, dimensions).
    points
        speaker_id, chapter_id and gender (F, M or missing) of each point.
    settings
        ``pca_variance``, ``perplexity``, ``min_cluster_size``. Memory grows with the square of
        the number of points: 5,000 take about 1 GB.
    seed
        Of k-means and t-SNE.
    progress
        Shown over the steps.

    Returns
    -------
    Clustering
        Everything found.

    Raises
    ------
    UserError
        If there are fewer than four points.

    Notes
    -----
    Ward (1963), "Hierarchical grouping to optimize an objective function"; Campello, Moulavi &
    Sander (2013), "Density-based clustering based on hierarchical density estimates".
    """
    if len(vectors) < _FEWEST_POINTS:
        raise UserError(
            f"clusters: {len(vectors)} points are too few to map, {_FEWEST_POINTS} are needed; "
            "add recordings or set clusters.level to chunk."
        )
    speakers = points["speaker_id"].nunique()
    space = StandardScaler().fit_transform(vectors.astype(np.float64))
    distances = pairwise_distances(space)
    steps: dict[str, Callable[[], Any]] = {
        "maps": lambda: draw_maps(space, settings.pca_variance, settings.perplexity, seed),
        "kmeans": lambda: [_kmeans(space, number, seed) for number in (speakers, _GENDERS)],
        "agglomerative": lambda: _ward(distances, (speakers, _GENDERS)),
        "hdbscan": lambda: _hdbscan(distances, settings.min_cluster_size),
    }
    # With several threads sums are taken in the order in which threads finish, and t-SNE makes a
    # visible difference of a rounding error.
    with threadpool_limits(limits=1, user_api="openmp"):
        done = {name: steps[name]() for name in progress(list(steps), total=len(steps))}
    found = {
        "kmeans": done["kmeans"][0],
        "agglomerative": done["agglomerative"][0],
        "hdbscan": done["hdbscan"],
        "kmeans_2": done["kmeans"][1],
        "agglomerative_2": done["agglomerative"][1],
    }
    return Clustering(done["maps"], found, agreement_table(distances, found, true_labels(points)))


def draw_maps(space: Floats, variance: float, perplexity: float, seed: int) -> Maps:
    """Project a standardised feature space to two dimensions.

    Parameters
    ----------
    space
        Shape (points, dimensions).
    variance
        Share that the principal components given to t-SNE keep.
    perplexity
        Of t-SNE: roughly how many neighbours a point looks at. With few points it is lowered to a
        third of the other points, as every point would otherwise neighbour every other.
    seed
        Of t-SNE, which starts from the two first principal components.

    Returns
    -------
    Maps
        Both projections.

    Notes
    -----
    Van der Maaten & Hinton (2008), "Visualizing data using t-SNE"; started from the principal
    components as Kobak & Berens (2019), "The art of using t-SNE for single-cell transcriptomics".
    """
    pca = PCA(svd_solver="full")
    scores = pca.fit_transform(space)
    cumulated = np.cumsum(pca.explained_variance_ratio_)
    # A rounding error below 1 must not ask for a component that is not there.
    kept = min(int(np.searchsorted(cumulated, variance)) + 1, scores.shape[1])
    used = min(perplexity, (len(space) - 1) / 3)
    tsne = TSNE(perplexity=used, init="pca", random_state=seed)
    return Maps(
        pca=scores[:, :2],
        tsne=tsne.fit_transform(scores[:, : max(kept, 2)]).astype(np.float64),
        components=kept,
        variance=float(cumulated[1]),
        perplexity=used,
    )


def true_labels(points: pd.DataFrame) -> dict[str, Labels]:
    """Code the true speaker, gender and chapter of each point as numbers, -1 where unknown.

    A chapter is known by its speaker and its id together.
    """
    chapters = points["speaker_id"] + "/" + points["chapter_id"]  # no speaker id has a slash
    columns = (points["speaker_id"], points["gender"], chapters)
    return {
        label: pd.factorize(column, sort=True)[0].astype(np.int64)
        for label, column in zip(LABELS, columns, strict=True)
    }


def agreement_table(
    distances: Floats, found: Mapping[str, Labels], truth: Mapping[str, Labels]
) -> pd.DataFrame:
    """Score every clustering against every true label.

    HDBSCAN may leave points out as noise. Under its own name all noise counts as one more
    cluster, so that refusing to decide is not rewarded; ``hdbscan_without_noise`` scores the
    clustered points alone. Points without a true label (gender) do not enter that label's scores.
    ``one_cluster`` puts all points together: the naive baseline of the purity.

    Parameters
    ----------
    distances
        Between all points, shape (points, points).
    found
        Cluster of each point by algorithm, -1 for noise.
    truth
        True label of each point by the label's name, -1 where unknown.

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
    mean of entropies; *not* corrected for chance. Silhouette: Rousseeuw (1987).
    """
    everywhere = np.full(len(distances), True)
    compared = {name: (labels, everywhere) for name, labels in found.items()}
    compared["hdbscan_without_noise"] = (found["hdbscan"], found["hdbscan"] != NOISE)
    compared["one_cluster"] = (np.zeros(len(distances), dtype=np.int64), everywhere)
    rows: list[tuple[str, str, str, float]] = []
    for name, (labels, counted) in compared.items():
        for label, true in truth.items():
            both = counted & (true != UNKNOWN)
            for score, function in _SCORES.items():
                value = function(true[both], labels[both]) if both.any() else np.nan
                rows.append((name, label, score, value))
    for name, labels in found.items():
        rows.append((name, "clusters", "silhouette", _silhouette(distances, labels)))
    for label, true in truth.items():
        rows.append(("truth", label, "silhouette", _silhouette(distances, true)))
    return pd.DataFrame(rows, columns=["algorithm", "label", "score", "value"])


def purity(true: Labels, found: Labels) -> float:
    """Compute the share of points that have the most frequent true label of their cluster.

    It rises with the number of clusters, to 1 when each point is its own: compare only clusterings
    of the same number, and never below the share of the most frequent label.

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
    counts = contingency_matrix(true, found)
    return float(counts.max(axis=0).sum() / counts.sum())


_SCORES: dict[str, Callable[[Labels, Labels], float]] = {
    "ari": adjusted_rand_score,
    "nmi": normalized_mutual_info_score,
    "purity": purity,
}


def _kmeans(space: Floats, clusters: int, seed: int) -> Labels:
    return KMeans(clusters, n_init=10, random_state=seed).fit_predict(space).astype(np.int64)


def _ward(distances: Floats, numbers: Sequence[int]) -> list[Labels]:
    """Cut one tree into each number of clusters, or fewer where points coincide."""
    tree = linkage(squareform(distances, checks=False), "ward")
    return [fcluster(tree, number, "maxclust").astype(np.int64) - 1 for number in numbers]


def _hdbscan(distances: Floats, min_cluster_size: int) -> Labels:
    smallest = min(min_cluster_size, len(distances))
    found = HDBSCAN(min_cluster_size=smallest, metric="precomputed", copy=True).fit(distances)
    return found.labels_.astype(np.int64)


def _silhouette(distances: Floats, labels: Labels) -> float:
    """Average the silhouettes of the points that have a label, NaN if that is not defined."""
    kept = labels >= 0
    groups = len(np.unique(labels[kept]))
    if not 2 <= groups < kept.sum():
        return float("nan")
    own = distances if kept.all() else distances[np.ix_(kept, kept)]
    return float(silhouette_score(own, labels[kept], metric="precomputed"))
