"""Analyse the MFCC before any model: distributions, gender, outliers, normalisations."""

import math
from typing import Any

import pandas as pd

from speech.exploration.mfcc_analysis import (
    coefficient_names,
    compare_normalisations,
    densities,
    distributions,
    gender_differences,
    summarise,
)
from speech.exploration.outliers import find_outliers
from speech.features.store import read_speaker, speaker_file
from speech.params import Params
from speech.storage.results import write_metrics, write_plot
from speech.storage.tables import read_folds, read_parquet
from stages.console import bar, run_stage
from stages.paths import FOLDS, METRICS, MFCC, PLOTS, UTTERANCES

SIGNIFICANCE = 0.05

MOST_FRAMES = 100_000
"""In the sample of frames, about; it bounds the memory."""

MOST_LISTED = 200
"""Utterances in outliers.csv, the furthest first."""


def analyse_mfcc(params: Params) -> str:
    """Analyse the static coefficients of the whole corpus."""
    names = coefficient_names(params.mfcc.coefficients, energy=params.mfcc.energy)
    folds = read_folds(FOLDS / "gender.csv")
    utterances = read_parquet(UTTERANCES).merge(folds, on="utterance_id", how="left")
    frames = utterances["seconds"].sum() / params.mfcc.hop_seconds
    summary = summarise(
        utterances,
        lambda speaker: read_speaker(speaker_file(MFCC, speaker)),
        coefficients=params.mfcc.coefficients,
        every=math.ceil(frames / MOST_FRAMES),
        progress=bar("speaker"),
    )

    resampling = {"resamples": params.analysis.resamples, "seed": params.seed}
    differences = gender_differences(summary, names, **resampling)
    outliers = find_outliers(
        summary.utterances,
        summary.moments[:, 0],
        p=params.analysis.outlier_p,
        seed=params.seed,
    )
    normalisations = compare_normalisations(
        summary, **params.logistic.model_dump(), **resampling, progress=bar("normalisation")
    )

    tables = {
        "distributions": distributions(summary, names),
        "density": densities(summary, names),
        "effect_sizes": differences[["coefficient", "value", "low", "high"]],
        "correlation": _correlation(differences),
        "outliers": outliers.head(MOST_LISTED),
        "normalisations": normalisations,
    }
    for name, table in tables.items():
        write_plot(PLOTS / "mfcc" / f"{name}.csv", table)

    counts = {
        "speakers": summary.utterances["speaker_id"].nunique(),
        "utterances": len(summary.utterances),
        "utterances_without_gender": int(summary.utterances["fold"].isna().sum()),
        "frames": int(summary.utterances["frames"].sum()),
    }
    found = {"count": int(outliers["outlier"].sum()), "scored": len(outliers)}
    gender = _gender_metrics(differences)
    standardised = normalisations[normalisations["standardised"]]
    accuracy = dict(zip(standardised["normalisation"], standardised["accuracy"], strict=True))
    metrics = {**counts, "outliers": found, "gender": gender, "accuracy": accuracy}
    write_metrics(METRICS / "mfcc.json", metrics)

    strongest = gender["strongest"]
    return (
        f"{counts['utterances']} utterances of {counts['speakers']} speakers; "
        f"{strongest['coefficient']} differs most between genders (d = {strongest['d']:.2f}); "
        f"{found['count']} utterances stand out from their session"
    )


def _gender_metrics(differences: pd.DataFrame) -> dict[str, Any]:
    strongest = differences.loc[differences["value"].abs().idxmax()]
    return {
        "different_coefficients": int((differences["p_corrected"] < SIGNIFICANCE).sum()),
        "strongest": {
            "coefficient": strongest["coefficient"],
            "d": strongest["value"],
            "d_low": strongest["low"],
            "d_high": strongest["high"],
            "p_corrected": strongest["p_corrected"],
        },
    }


def _correlation(differences: pd.DataFrame) -> pd.DataFrame:
    """Name the columns of the point-biserial correlation as the plot template reads them."""
    columns = ["coefficient", "r", "r_low", "r_high", "rank_biserial", "p", "p_corrected"]
    names = {"r": "value", "r_low": "low", "r_high": "high"}
    return differences[columns].rename(columns=names)


if __name__ == "__main__":
    run_stage(analyse_mfcc)
