"""Analyse the MFCC before any model: distributions, gender, outliers, normalisations."""

from stages.console import bar, run_stage

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
    means = summary.moments[:, 0]
    outliers = find_outliers(
        summary.utterances, means, p=params.analysis.outlier_p, seed=params.seed
    )
    normalisations = compare_normalisations(
        summary,
        **params.hyperparameters("logistic"),
        **resampling,
        progress=bar("normalisation"),
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
    metrics = _metrics(summary.utterances, differences, outliers, normalisations)
    write_metrics(METRICS / "mfcc.json", metrics)

    strongest = metrics["gender"]["strongest"]
    return (
        f"{metrics['utterances']} utterances of {metrics['speakers']} speakers; "
        f"{strongest['coefficient']} differs most between genders (d = {strongest['d']:.2f}); "
        f"{metrics['outliers']['count']} utterances stand out from their session"
    )


def _metrics(
    utterances: pd.DataFrame,
    differences: pd.DataFrame,
    outliers: pd.DataFrame,
    normalisations: pd.DataFrame,
) -> dict[str, Any]:
    strongest = differences.loc[differences["value"].abs().idxmax()]
    named = {"value": "d", "low": "d_low", "high": "d_high"}
    keys = ["coefficient", "value", "low", "high", "p_corrected"]
    # With standardised inputs; the CSV has the rest.
    accuracy = normalisations[normalisations["standardised"]].set_index("normalisation")
    return {
        "speakers": utterances["speaker_id"].nunique(),
        "utterances": len(utterances),
        "utterances_without_gender": int(utterances["fold"].isna().sum()),
        "frames": int(utterances["frames"].sum()),
        "outliers": {"count": int(outliers["outlier"].sum()), "scored": len(outliers)},
        "gender": {
            "different_coefficients": int((differences["p_corrected"] < SIGNIFICANCE).sum()),
            "strongest": strongest[keys].rename(named).to_dict(),
        },
        "accuracy": accuracy["accuracy"].to_dict(),
    }


def _correlation(differences: pd.DataFrame) -> pd.DataFrame:
    """Name the columns of the point-biserial correlation as the plot template reads them."""
    columns = ["coefficient", "r", "r_low", "r_high", "rank_biserial", "p", "p_corrected"]
    names = {"r": "value", "r_low": "low", "r_high": "high"}
    return differences[columns].rename(columns=names)


if __name__ == "__main__":
    run_stage(analyse_mfcc)
