"""The stage reduce_and_cluster on made-up features: its files, their columns, determinism."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from speech.features.examples import Examples
from speech.params import load_params
from stages import reduce_and_cluster as stage
from stages.paths import METRICS, PLOTS, UTTERANCES

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")
SPEAKERS = 5
CHUNKS = 2


@pytest.fixture
def inputs(tmp_path, monkeypatch):
    """Stand in for the features: what is tested here begins where examples are loaded."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    number = np.repeat(np.arange(SPEAKERS), 30)
    table = pd.DataFrame(
        {
            "utterance_id": [f"u{k:03d}" for k in range(len(number))],
            "speaker_id": number.astype(str),
            "chapter_id": (np.arange(len(number)) % 2).astype(str),
            "gender": [["F", "M", "F", "M", None][k] for k in number],
        }
    )
    UTTERANCES.parent.mkdir()
    table.to_parquet(UTTERANCES)
    voices = random.normal(0, 5, (SPEAKERS, 8))
    vectors = np.repeat(voices[number], CHUNKS, axis=0)
    vectors = (vectors + random.normal(0, 0.5, vectors.shape)).astype(np.float32)
    chunks = table.drop(columns="gender").loc[np.repeat(table.index, CHUNKS)]
    chunks = chunks.assign(chunk=np.tile(range(CHUNKS), len(table))).reset_index(drop=True)
    monkeypatch.setattr(stage, "load_examples", lambda *_: Examples(chunks, vectors))
    return table


def with_clusters(**changes):
    return PARAMS.model_copy(update={"clusters": PARAMS.clusters.model_copy(update=changes)})


def test_metrics_say_what_was_found(inputs):
    words = stage.reduce_and_cluster(PARAMS, "mfcc")
    assert words.startswith("150 of 150 utterances mapped; adjusted Rand index with the speaker 1")
    metrics = json.loads((METRICS / "clusters_mfcc.json").read_text())
    assert metrics["points"] == metrics["points_available"] == 150
    assert metrics["kmeans"]["clusters"] == metrics["speakers"] == SPEAKERS
    assert metrics["kmeans"]["speaker"]["ari"] == 1
    assert 0 <= metrics["hdbscan"]["noise"] < 1
    agreement = pd.read_csv(PLOTS / "clusters" / "mfcc_agreement.csv")
    keys = agreement.set_index(["algorithm", "label", "score"])["value"]
    assert keys["truth", "speaker", "silhouette"] > 0.5
    assert ("kmeans_2", "gender", "ari") in keys.index


def test_tables_have_their_columns(inputs):
    stage.reduce_and_cluster(PARAMS, "mfcc")
    points = pd.read_csv(PLOTS / "clusters" / "mfcc_map.csv", dtype={"gender": str})
    assert list(points) == [
        *("map", "x", "y", "utterance_id", "speaker_id", "chapter_id", "gender"),
        *("cluster_kmeans", "cluster_agglomerative", "cluster_hdbscan"),
    ]
    assert points["map"].value_counts().to_dict() == {"pca": 150, "tsne": 150}
    assert points["gender"].isna().sum() == 2 * 30
    agreement = pd.read_csv(PLOTS / "clusters" / "mfcc_agreement.csv")
    assert list(agreement) == ["algorithm", "label", "score", "value"]
    assert not agreement.duplicated(["algorithm", "label", "score"]).any()


def test_chunks_can_be_mapped_and_a_sample_of_them_is_said(inputs):
    words = stage.reduce_and_cluster(with_clusters(level="chunk", max_points=100), "wav2vec2")
    assert words.startswith("100 of 300 chunks mapped")
    metrics = json.loads((METRICS / "clusters_wav2vec2.json").read_text())
    assert (metrics["points"], metrics["points_available"]) == (100, 300)
    points = pd.read_csv(PLOTS / "clusters" / "wav2vec2_map.csv")
    assert points["speaker_id"].value_counts().to_dict() == dict.fromkeys(range(SPEAKERS), 40)


def test_files_are_identical_when_run_again(inputs):
    def files():
        paths = [METRICS / "clusters_mfcc.json", *sorted((PLOTS / "clusters").iterdir())]
        return [path.read_bytes() for path in paths]

    stage.reduce_and_cluster(PARAMS, "mfcc")
    first = files()
    stage.reduce_and_cluster(PARAMS, "mfcc")
    assert files() == first


def test_undefined_scores_are_null_not_nan(inputs):
    inputs.assign(gender=None).to_parquet(UTTERANCES)
    stage.reduce_and_cluster(PARAMS, "mfcc")
    metrics = json.loads((METRICS / "clusters_mfcc.json").read_text())
    assert metrics["kmeans"]["gender"] == {"ari": None, "nmi": None, "purity": None}
