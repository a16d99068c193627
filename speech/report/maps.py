"""The two-dimensional maps: places, names and groups of every point, for the page's script."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from speech.report import wording
from speech.report.page import Attributes, Figure

VIEWS = {"tsne": "t-SNE", "pca": "PCA"}
CLUSTERINGS = {"kmeans": "k-means", "agglomerative": "Ward", "hdbscan": "HDBSCAN"}
NOISE = "-1"


def feature_map(table: pd.DataFrame, features: str, points_available: int) -> Figure:
    """Draw one kind of features in two dimensions, coloured as the reader likes.

    Parameters
    ----------
    table
        ``plots/clusters/<features>_map.csv``.
    features
        Which.
    points_available
        How many points there are, of which the table may hold a sample.
    """
    views = {name: own.reset_index(drop=True) for name, own in table.groupby("map", sort=False)}
    first = next(iter(views.values()))
    groups = {
        "gender": _groups(first["gender"].map(lambda g: wording.GENDERS.get(g, "not on record"))),
        "speaker": _groups(first["speaker_id"]),
        "chapter": _groups(first["speaker_id"] + "/" + first["chapter_id"]),
        **{
            f"{called} cluster": _groups(first[f"cluster_{name}"].astype(str))
            for name, called in CLUSTERINGS.items()
        },
    }
    about = [
        f"{row.utterance_id}<br>speaker {row.speaker_id} ({wording.name(row.gender)}), "
        f"chapter {row.chapter_id}"
        for row in first.itertuples()
    ]
    sample = ""
    if len(first) < points_available:
        sample = f" A sample of {wording.count(points_available)}, every speaker in proportion."
    points = {
        "views": {
            called: {
                "x": views[name]["x"].round(3).tolist(),
                "y": views[name]["y"].round(3).tolist(),
            }
            for name, called in VIEWS.items()
            if name in views
        },
        "groups": groups,
        "about": about,
    }
    return Figure(
        f"{wording.features(features)} in two dimensions",
        f"{wording.plural(len(first), 'dot')}, near each other where they sound alike to these "
        f"features.{sample} Distances on a map are for looking only; all scores are computed in "
        "the full space.",
        [],
        _bare(),
        height=440,
        points=points,
    )


def _bare() -> Attributes:
    # The axes of a map have no units.
    return {name: {"visible": False} for name in ("xaxis", "yaxis")}


def _groups(names: Sequence[str]) -> dict[str, Any]:
    """Give every group a number; noise is -1."""
    known = sorted({name for name in names if name != NOISE}, key=lambda name: (len(name), name))
    place = {name: number for number, name in enumerate(known)} | {NOISE: -1}
    return {"of": [place[name] for name in names], "names": known}
