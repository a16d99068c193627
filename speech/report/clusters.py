"""The section without labels: maps of both feature spaces, and what clusters agree with."""

from typing import Any

import pandas as pd
from plotly import graph_objects as go

from speech.report import wording
from speech.report.charts import SYMBOLS, Attributes, Columns, Figure, Table
from speech.report.run import Run

VIEWS = {"tsne": "t-SNE", "pca": "PCA"}
KINDS = ("mfcc", "wav2vec2")
DRAWN = {"kmeans": "k-means", "agglomerative": "Ward", "hdbscan": "HDBSCAN"}
DRAWN |= {"kmeans_2": "k-means, 2", "agglomerative_2": "Ward, 2"}
REFERENCES = {"hdbscan_without_noise": "HDBSCAN without noise", "one_cluster": "one cluster"}
REFERENCES |= {"truth": "true labels"}
NOISE = "-1"
PALETTE = 8
"""How many colours the page draws with; the last is grey."""


def clusters_section(run: Run, results: dict[str, Any]) -> dict[str, Any]:
    """Make the maps with the scores that explain them, and the drawing of agreement."""
    agreement = {kind: run.read_plot(f"clusters/{kind}_agreement") for kind in KINDS}
    scores = {
        kind: table.set_index(["algorithm", "label", "score"])["value"]
        for kind, table in agreement.items()
    }
    noise = {kind: results[f"clusters_{kind}"]["hdbscan_noise"] for kind in KINDS}
    return {
        "maps": {kind: feature_map(run.read_plot(f"clusters/{kind}_map")) for kind in KINDS},
        "scores": scores,
        "agreement": _agreement(
            pd.concat([table.assign(features=kind) for kind, table in agreement.items()]), noise
        ),
    }


def feature_map(table: pd.DataFrame) -> Figure:
    """Draw one kind of features in two dimensions, coloured as the reader chooses.

    Parameters
    ----------
    table
        One row per point and map: ``map``, ``x``, ``y``, the utterance, its labels and clusters.
    """
    views = {name: table[table["map"] == name] for name in VIEWS}
    places = {
        called: {axis: [views[name][axis].round(3).tolist()] for axis in ("x", "y")}
        for name, called in VIEWS.items()
    }
    points = views["pca"]
    chapters = points["speaker_id"] + "/" + points["chapter_id"]
    genders = points["gender"].map(wording.name)
    groups = {"speaker": points["speaker_id"], "gender": genders, "chapter": chapters}
    for name in ("kmeans", "agglomerative", "hdbscan"):
        groups[f"{DRAWN[name]} cluster"] = points[f"cluster_{name}"].astype(str)
    colours = {name: _coloured(group.tolist()) for name, group in groups.items()}
    colours["gender"]["key"] = [wording.gender(one) for one in colours["gender"]["key"]]
    about = [
        f"{row.utterance_id}, speaker {row.speaker_id} ({wording.name(row.gender)}), "
        f"chapter {row.chapter_id}"
        for row in points.itertuples()
    ]
    place, colour = places[VIEWS["tsne"]], colours["speaker"]
    marker = {"size": 6, "opacity": 0.75, "cmin": 0, "cmax": PALETTE}
    marker |= {"color": colour["marker.color"][0], "symbol": colour["marker.symbol"][0]}
    trace = go.Scatter(x=place["x"][0], y=place["y"][0], text=about, mode="markers", marker=marker)
    trace.hovertemplate = "%{text}<extra></extra>"
    layout = {
        f"{axis}axis": {"title": f"dimension {n}", "zeroline": False}
        for n, axis in enumerate("xy", 1)
    }
    return Figure(go.Figure(trace, layout), 460, choices={"Map": places, "Colour by": colours})


def _coloured(names: list[str]) -> Attributes:
    """Give groups colours, more groups than colours other symbols too; noise is grey."""
    known = sorted({*names} - {NOISE}, key=lambda name: (len(name), name))
    colours = PALETTE - 1
    place = {name: divmod(number, colours) for number, name in enumerate(known)}
    symbols = [SYMBOLS[place[n][0] % len(SYMBOLS)] if n in place else "circle-open" for n in names]
    # In the middle of a colour's step.
    steps = [(place[name][1] if name in place else colours) + 0.5 for name in names]
    return {"marker.color": [steps], "marker.symbol": [symbols], "key": known}


def _agreement(table: pd.DataFrame, noise: dict[str, float]) -> Figure:
    """Draw the adjusted Rand indices; the numbers have all scores, and what HDBSCAN leaves out."""
    drawing = go.Figure(layout={"barmode": "group", "yaxis": {"title": "adjusted Rand index"}})
    rand = table[(table["score"] == "ari") & table["algorithm"].isin(DRAWN)].dropna()
    # As many clusters as there are genders, or as speakers; the table has every pair.
    two = rand["algorithm"].str.endswith("_2") == (rand["label"] == "gender")
    rand = rand[two | (rand["algorithm"] == "hdbscan")]
    for kind, own in rand.groupby("features", sort=False):
        # Algorithms within labels: what a cluster agrees with is the question.
        x = [own["label"].tolist(), own["algorithm"].map(DRAWN).tolist()]
        drawing.add_bar(x=x, y=own["value"], name=wording.features(str(kind)))
    drawing.update_xaxes(type="multicategory", tickangle=-60)
    keys = ["features", "algorithm", "label"]
    wide = table.pivot_table("value", keys, "score", sort=False).reset_index()
    of_hdbscan = wide["algorithm"].str.startswith("hdbscan")
    wide["noise"] = wide["features"].map(noise).where(of_hdbscan)
    wide["features"] = wide["features"].map(wording.features)
    wide["algorithm"] = wide["algorithm"].replace(DRAWN | REFERENCES)
    called = {"ari": "adjusted Rand index", "nmi": "normalised mutual information"}
    wide = wide.rename(columns=called)
    scores = [name for name in (*called.values(), "purity", "silhouette") if name in wide]
    columns: Columns = dict.fromkeys(keys) | dict.fromkeys(scores, wording.number)
    columns |= {"noise": wording.percent}
    return Figure(drawing, 420, numbers=Table(wide, columns))
