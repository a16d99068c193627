"""Look at one feature space without labels: maps, clusters, and what the clusters agree with."""

import argparse
from functools import partial
from typing import Any, get_args

import numpy as np
import pandas as pd

from speech.exploration.clusters import (
    NOISE,
    Clustering,
    average_over_utterances,
    find_clusters,
    sample_by_speaker,
)
from speech.features.examples import load_examples
from speech.params import Params, WithoutPitch
from speech.storage.results import write_metrics, write_plot
from speech.storage.tables import read_parquet
from speech.training.layer_choice import with_unchosen_layer
from stages.console import bar, run_stage
from stages.paths import FEATURES, METRICS, PLOTS, UTTERANCES

ALGORITHMS = ("kmeans", "agglomerative", "hdbscan")


def reduce_and_cluster(params: Params, features: WithoutPitch) -> str:
    """Map and cluster the pooled features of the whole corpus."""
    if features == "wav2vec2":
        params = with_unchosen_layer(params)
    utterances = read_parquet(UTTERANCES)
    examples = load_examples(FEATURES[features], features, utterances, params, "pooled")
    points, vectors = examples.table, examples.inputs
    if params.clusters.level == "utterance":
        points, vectors = average_over_utterances(points, vectors)
    chosen = sample_by_speaker(points["speaker_id"], params.clusters.max_points, params.seed)
    available = len(points)
    points, vectors = points.iloc[chosen].reset_index(drop=True), vectors[chosen]
    genders = utterances.set_index("utterance_id")["gender"]
    points = points.assign(gender=points["utterance_id"].map(genders))

    clustering = find_clusters(vectors, points, params.clusters, params.seed, bar("step"))

    counts = {
        "points": len(points),
        "points_available": available,
        "speakers": int(points["speaker_id"].nunique()),
        "dimensions": vectors.shape[1],
        "principal_components": clustering.maps.components,
        "variance_in_map": clustering.maps.variance,
        "perplexity": clustering.maps.perplexity,
    }
    write_metrics(METRICS / f"clusters_{features}.json", counts | _metrics(clustering))
    plots = {"map": _map_table(points, clustering), "agreement": clustering.agreement}
    for name, table in plots.items():
        write_plot(PLOTS / "clusters" / f"{features}_{name}.csv", table)

    ari = clustering.agreement.set_index(["algorithm", "label", "score"])["value"]
    return (
        f"{len(points)} of {available} {params.clusters.level}s mapped; adjusted Rand index with "
        f"the speaker {ari['kmeans', 'speaker', 'ari']:.2f} (k-means), "
        f"with the gender {ari['kmeans_2', 'gender', 'ari']:.2f} (k-means, two clusters)"
    )


def _metrics(clustering: Clustering) -> dict[str, Any]:
    """Nest the agreement of the three algorithms by label; the CSV has every row of it."""
    metrics: dict[str, Any] = {}
    for name in ALGORITHMS:
        labels = clustering.assignments[name]
        metrics[name] = {"clusters": len(np.unique(labels[labels != NOISE]))}
    metrics["hdbscan"]["noise"] = np.mean(clustering.assignments["hdbscan"] == NOISE)
    for row in clustering.agreement.itertuples():
        if row.algorithm in ALGORITHMS:
            place = metrics[row.algorithm]
            if row.label != "clusters":
                place = place.setdefault(row.label, {})
            place[row.score] = row.value
    return metrics


def _map_table(points: pd.DataFrame, clustering: Clustering) -> pd.DataFrame:
    names = points[["utterance_id", "speaker_id", "chapter_id", "gender"]]
    clusters = {f"cluster_{name}": clustering.assignments[name] for name in ALGORITHMS}
    maps = {"pca": clustering.maps.pca, "tsne": clustering.maps.tsne}
    tables = []
    for name, coordinates in maps.items():
        view = pd.DataFrame({"map": name, "x": coordinates[:, 0], "y": coordinates[:, 1]})
        tables.append(pd.concat([view, names], axis=1).assign(**clusters))
    return pd.concat(tables, ignore_index=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("features", choices=get_args(WithoutPitch))
    run_stage(partial(reduce_and_cluster, features=parser.parse_args().features))
