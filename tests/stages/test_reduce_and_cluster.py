"""The stage reduce_and_cluster on made-up features: its files, their columns, determinism."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from speech.params import load_params
from speech.storage.examples import Examples
from stages import reduce_and_cluster as stage
from stages.paths import PLOTS, RESULTS

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")
SPEAKERS = 5
CHUNKS = 2
FEATURES = ("mfcc", "wav2vec2")


@pytest.fixture
def chunks(tmp_path, monkeypatch):
    """Stand in for the features: the stage is tested from where chunks are read."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    number = np.repeat(np.arange(SPEAKERS), 30 * CHUNKS)
    utterance = np.arange(len(number)) // CHUNKS
    table = pd.DataFrame(
        {
            "utterance_id": [f"u{k:03d}" for k in utterance],
            "speaker_id": number.astype(str),
            "chapter_id": (utterance % 2).astype(str),
            "gender": [["F", "M", "F", "M", None][k] for k in number],
        }
    )
    centres = random.normal(0, 5, (SPEAKERS, 8))
    vectors = (centres[number] + random.normal(0, 0.5, (len(number), 8))).astype(np.float32)
    of = {"mfcc": vectors, "wav2vec2": vectors[:, :6]}
    monkeypatch.setattr(
        stage, "read_examples", lambda folder: Examples(table, of[folder.name.split("-")[1]])
    )
    return table


def with_changes(**changes):
    clusters = PARAMS.clusters.model_copy(update=changes)
    return PARAMS.model_copy(update={"clusters": clusters})


def read(features):
    metrics = json.loads((RESULTS / f"clusters_{features}.json").read_text())
    points = pd.read_csv(PLOTS / "clusters" / f"{features}_map.csv")
    return metrics, points, pd.read_csv(PLOTS / "clusters" / f"{features}_agreement.csv")


def test_metrics_and_tables_say_what_was_found(chunks):
    words = stage.reduce_and_cluster(PARAMS)
    assert words.startswith("mfcc: 150 of 150 utterances mapped, adjusted Rand index 1.00 with the")
    for features, dimensions in zip(FEATURES, (8, 6), strict=True):
        metrics, points, agreement = read(features)
        assert metrics["points"] == metrics["points_available"] == 150
        assert metrics["dimensions"] == dimensions
        assert metrics["speakers"] == SPEAKERS
        found = points["cluster_hdbscan"]
        assert metrics["hdbscan_noise"] == pytest.approx((found == -1).mean(), rel=1e-3)
        assert metrics["hdbscan_clusters"] == found[found != -1].nunique()
        keys = agreement.set_index(["algorithm", "label", "score"])["value"]
        assert keys["kmeans", "speaker", "ari"] == 1
        assert keys["truth", "speaker", "silhouette"] > 0.5
        assert ("kmeans_2", "gender", "ari") in keys.index
        assert list(points) == [
            *("map", "x", "y", "utterance_id", "speaker_id", "chapter_id", "gender"),
            *("cluster_kmeans", "cluster_agglomerative", "cluster_hdbscan"),
        ]
        assert points["map"].value_counts().to_dict() == {"pca": 150, "tsne": 150}
        assert points["gender"].isna().sum() == 2 * 30
        assert list(agreement) == ["algorithm", "label", "score", "value"]
        assert not agreement.duplicated(["algorithm", "label", "score"]).any()


def test_chunks_can_be_mapped_and_a_sample_of_them_is_reported(chunks):
    words = stage.reduce_and_cluster(with_changes(level="chunk", max_points=100))
    assert "wav2vec2: 100 of 300 chunks mapped" in words
    metrics, points, _ = read("wav2vec2")
    assert (metrics["points"], metrics["points_available"]) == (100, 300)
    assert points["speaker_id"].value_counts().to_dict() == dict.fromkeys(range(SPEAKERS), 40)


def test_files_do_not_depend_on_the_number_of_workers(chunks):
    files = []
    for jobs in (1, 2):
        parallel = PARAMS.parallel.model_copy(update={"jobs": jobs})
        stage.reduce_and_cluster(PARAMS.model_copy(update={"parallel": parallel}))
        paths = [*sorted(RESULTS.iterdir()), *sorted((PLOTS / "clusters").iterdir())]
        files.append({path: path.read_bytes() for path in paths})
    assert files[0] == files[1]
    assert len(files[0]) == 6


def test_without_genders_their_scores_are_empty(chunks):
    chunks["gender"] = None
    stage.reduce_and_cluster(PARAMS)
    _, _, agreement = read("mfcc")
    assert agreement.loc[agreement["label"] == "gender", "value"].isna().all()
