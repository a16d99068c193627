"""The section without labels: maps of both feature spaces, and what clusters agree with."""

import pandas as pd

from speech.report import charts, maps, wording
from speech.report.page import Block, Column, Figure, Section, Table
from speech.report.run import Run

KINDS = ("mfcc", "wav2vec2")
ALGORITHMS = {
    "kmeans": "k-means, as many clusters as speakers",
    "agglomerative": "Ward, as many as speakers",
    "hdbscan": "HDBSCAN, finds the number",
    "kmeans_2": "k-means, two clusters",
    "agglomerative_2": "Ward, two clusters",
    "hdbscan_without_noise": "HDBSCAN, noise left out",
    "one_cluster": "all in one cluster",
    "truth": "true labels",
}
DRAWN = {"kmeans": "k-means", "agglomerative": "Ward", "hdbscan": "HDBSCAN"}
DRAWN |= {"kmeans_2": "k-means, 2", "agglomerative_2": "Ward, 2"}
"""The first two with as many clusters as there are speakers, the last two with two."""


def section(run: Run) -> Section:
    """Describe the clusters."""
    tables = {kind: run.plot(f"clusters/{kind}_agreement") for kind in KINDS}
    figures: list[Block] = [
        maps.feature_map(
            run.plot(f"clusters/{kind}_map"),
            kind,
            run.metrics(f"clusters_{kind}")["points_available"],
        )
        for kind in KINDS
    ]
    return Section(
        "Clusters",
        [
            "What the features show by themselves, without any label or training.",
            *figures,
            _agreement(tables),
            _table(tables),
        ],
    )


def _agreement(tables: dict[str, pd.DataFrame]) -> Figure:
    both = pd.concat([table.assign(kind=kind) for kind, table in tables.items()])
    rand = both[(both["score"] == "ari") & both["algorithm"].isin(DRAWN)]
    traces = []
    for number, kind in enumerate(tables, 1):
        own = rand[rand["kind"] == kind]
        x = [
            own["algorithm"].map(DRAWN).tolist(),
            own["label"].tolist(),
        ]
        # Algorithms within labels: what a cluster agrees with is the question.
        trace = {"type": "bar", "x": x[::-1], "y": charts.values(own["value"])}
        trace |= {"name": wording.features(kind), "marker": {"color": f"@{number}"}}
        trace["hovertemplate"] = "%{x}: %{y:.2f}<extra>%{fullData.name}</extra>"
        traces.append(trace)
    layout = {"xaxis": {"type": "multicategory", "tickangle": -60}, "barmode": "group"}
    layout["yaxis"] = charts.axis("adjusted Rand index")
    says = (
        "Adjusted Rand index: 1 where clusters and labels are the same partition, 0 by chance. "
        "k-means and Ward's method are given the number of speakers, or 2; HDBSCAN finds a number."
    )
    return Figure("What clusters agree with", says, traces, layout, height=380)


def _table(tables: dict[str, pd.DataFrame]) -> Table:
    both = pd.concat([table.assign(kind=kind) for kind, table in tables.items()])
    keys = ["kind", "algorithm", "label"]
    wide = both.pivot_table("value", keys, "score", sort=False).reset_index()
    score = {"show": wording.number, "numeric": True}
    columns = {
        "kind": Column("Features", wording.features),
        "algorithm": Column("Clusters by", lambda name: ALGORITHMS.get(name, name)),
        "label": Column("Compared with"),
        "ari": Column("Adjusted Rand", **score),
        "nmi": Column("Mutual information", **score),
        "purity": Column("Purity", **score),
        "silhouette": Column("Silhouette", **score),
    }
    shown = {name: column for name, column in columns.items() if name in wide.columns}
    return Table("Agreement of clusters with labels", wide, shown, folded=True)
