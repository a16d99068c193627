"""The stage reduce_and_cluster on made-up features: its files, their columns, its closing line."""

import json

import numpy as np
import pandas as pd
import pytest
from made_corpus import chunk_table

from speech.storage.examples import Examples
from stages import reduce_and_cluster as stage
from stages.paths import PLOTS, RESULTS


@pytest.fixture(autouse=True)
def chunks(tmp_path, monkeypatch):
    """Stand in for the features of five speakers, one without a gender on record."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    table = chunk_table("speaker", 5, chapters=2, utterances=15, folds=2)
    table.loc[table["speaker_id"] == "105", "gender"] = None
    centres = random.normal(0, 5, (5, 8))[table["speaker_id"].astype(int) - 101]
    vectors = (centres + random.normal(0, 0.5, centres.shape)).astype(np.float32)
    of = {"mfcc": vectors, "wav2vec2": vectors[:, :6]}
    monkeypatch.setattr(
        stage, "read_examples", lambda folder: Examples(table, of[folder.name.split("-")[1]])
    )


def read(features):
    metrics = json.loads((RESULTS / f"clusters_{features}.json").read_text())
    points = pd.read_csv(PLOTS / "clusters" / f"{features}_map.csv")
    return metrics, points, pd.read_csv(PLOTS / "clusters" / f"{features}_agreement.csv")


def test_both_features_are_mapped_and_their_clusters_compared_with_the_labels(params):
    words = stage.reduce_and_cluster(params)
    assert words.startswith("mfcc: 150 of 150 utterances mapped, adjusted Rand index 1.00 with the")
    for features, dimensions in (("mfcc", 8), ("wav2vec2", 6)):
        metrics, points, agreement = read(features)
        own = {"points": 150, "points_available": 150, "dimensions": dimensions, "speakers": 5}
        assert own.items() <= metrics.items()
        found = points["cluster_hdbscan"]
        assert metrics["hdbscan_noise"] == pytest.approx((found == -1).mean(), rel=1e-3)
        assert metrics["hdbscan_clusters"] == found[found != -1].nunique()
        assert list(points) == [
            *("map", "x", "y", "utterance_id", "speaker_id", "chapter_id", "gender"),
            *("cluster_kmeans", "cluster_agglomerative", "cluster_hdbscan"),
        ]
        assert points["map"].value_counts().to_dict() == {"pca": 150, "tsne": 150}
        assert points["gender"].isna().sum() == 2 * 30
        assert list(agreement) == ["algorithm", "label", "score", "value"]
        keys = agreement.set_index(["algorithm", "label", "score"])["value"]
        assert keys.index.is_unique
        assert keys["kmeans", "speaker", "ari"] == 1
        assert keys["truth", "speaker", "silhouette"] > 0.5
        assert ("kmeans_2", "gender", "ari") in keys.index


def test_a_sample_of_chunks_is_mapped_the_same_by_any_number_of_workers(make_params):
    files = []
    for jobs in (1, 2):
        changes = {"clusters.level": "chunk", "clusters.max_points": 100, "compute.jobs": jobs}
        words = stage.reduce_and_cluster(make_params(**changes))
        paths = [*sorted(RESULTS.iterdir()), *sorted((PLOTS / "clusters").iterdir())]
        files.append({path: path.read_bytes() for path in paths})
    assert files[0] == files[1]
    assert "wav2vec2: 100 of 300 chunks mapped" in words
    metrics, points, _ = read("wav2vec2")
    assert (metrics["points"], metrics["points_available"]) == (100, 300)
    assert points["speaker_id"].value_counts().to_dict() == dict.fromkeys(range(101, 106), 40)
