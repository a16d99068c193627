"""Map and cluster each feature space without labels, and compare the clusters with the labels."""

from stages.console import bar, run_stage

from functools import partial
from typing import get_args

import numpy as np
import pandas as pd

from speech.exploration.clusters import (
    NOISE,
    Labels,
    Maps,
    agreement_table,
    draw_maps,
    find_clusters,
    standardise,
    true_labels,
)
from speech.parallel import spread
from speech.params import Params, WithoutPitch
from speech.storage.examples import average_over_utterances, draw_in_proportion, read_examples
from speech.storage.results import write_metrics, write_plot
from stages.paths import EXAMPLES, PLOTS, RESULTS

ALGORITHMS = ("kmeans", "agglomerative", "hdbscan")


def reduce_and_cluster(params: Params) -> str:
    """Map and cluster the pooled features of the whole corpus, both features at once."""
    names = get_args(WithoutPitch)
    # Threads, because t-SNE and k-means release the interpreter lock. Each has one OpenMP thread,
    # so that results do not depend on the number of cores.
    made = spread(
        partial(_cluster, params=params), names, params.compute.jobs, bar("feature"), "threads"
    )
    return "; ".join(made)


def _cluster(features: WithoutPitch, params: Params) -> str:
    settings = params.clusters
    # Of either task: both have all speakers, those who take no part in it, too.
    examples = read_examples(EXAMPLES / f"{params.tasks[-1]}-{features}")
    points, vectors = examples.table, examples.inputs
    if settings.level == "utterance":
        points, vectors = average_over_utterances(points, vectors)
        genders = examples.table.groupby("utterance_id")["gender"].first()
        points = points.assign(gender=points["utterance_id"].map(genders))
    drawn = draw_in_proportion(points["speaker_id"], most=settings.max_points, seed=params.seed)
    available = len(points)
    points, space = points.iloc[drawn].reset_index(drop=True), standardise(vectors[drawn])

    speakers = int(points["speaker_id"].nunique())
    maps = draw_maps(
        space,
        pca_variance=settings.pca_variance,
        perplexity=settings.perplexity,
        seed=params.seed,
    )
    found = find_clusters(space, speakers=speakers, seed=params.seed)
    agreement = agreement_table(space, found, true_labels(points))

    counts = {
        "points": len(points),
        "points_available": available,
        "speakers": speakers,
        "dimensions": space.shape[1],
        "principal_components": maps.components,
        "variance_in_map": maps.variance,
        "perplexity": maps.perplexity,
        "hdbscan_clusters": len(np.unique(found["hdbscan"][found["hdbscan"] != NOISE])),
        "hdbscan_noise": np.mean(found["hdbscan"] == NOISE),
    }
    write_metrics(RESULTS / f"clusters_{features}.json", counts)
    write_plot(PLOTS / "clusters" / f"{features}_map.csv", _map_table(points, maps, found))
    write_plot(PLOTS / "clusters" / f"{features}_agreement.csv", agreement)

    ari = agreement.set_index(["algorithm", "label", "score"])["value"]
    of_gender = ari["kmeans_2", "gender", "ari"]
    return (
        f"{features}: {len(points)} of {available} {settings.level}s mapped, adjusted Rand index "
        f"{ari['kmeans', 'speaker', 'ari']:.2f} with the speaker"
        + (f" and {of_gender:.2f} with the gender" if "gender" in params.tasks else "")
        + " (k-means)"
    )


def _map_table(points: pd.DataFrame, maps: Maps, found: dict[str, Labels]) -> pd.DataFrame:
    names = points[["utterance_id", "speaker_id", "chapter_id", "gender"]]
    clusters = {f"cluster_{name}": found[name] for name in ALGORITHMS}
    views = []
    for name, coordinates in (("pca", maps.pca), ("tsne", maps.tsne)):
        view = pd.DataFrame({"map": name, "x": coordinates[:, 0], "y": coordinates[:, 1]})
        views.append(pd.concat([view, names], axis=1).assign(**clusters))
    return pd.concat(views, ignore_index=True)


if __name__ == "__main__":
    run_stage(reduce_and_cluster)
