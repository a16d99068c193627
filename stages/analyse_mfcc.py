"""Analyse the MFCC before any model: distributions, gender, outliers, normalisations."""

from stages.console import bar, run_stage

import math
from typing import Any

import pandas as pd

from speech.exploration.mfcc_analysis import (
    Summary,
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
from stages.paths import FOLDS, MFCC, PLOTS, RESULTS, UTTERANCES
from stages.tasks import leave_out

SIGNIFICANCE = 0.05

MOST_FRAMES = 100_000
"""In the sample of frames, about; it bounds the memory."""

MOST_LISTED = 200
"""Utterances in outliers.csv, the furthest first."""

_INTERVAL = ["coefficient", "value", "low", "high"]
OF_GENDER = {
    "effect_sizes": _INTERVAL,
    "correlation": [*_INTERVAL, "rank_biserial", "p", "p_corrected"],
    "normalisations": [
        *("normalisation", "standardised", "accuracy", "low", "high"),
        *("difference", "difference_low", "difference_high"),
    ],
}
"""The tables that need the gender task, with their columns."""


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

    means = summary.moments[:, 0]
    outliers = find_outliers(
        summary.utterances, means, p=params.analysis.outlier_p, seed=params.seed
    )
    by_gender = "gender" in params.tasks
    tables = {
        "distributions": distributions(summary, names, by_gender=by_gender),
        "density": densities(summary, names, by_gender=by_gender),
        "outliers": outliers.head(MOST_LISTED),
    }
    metrics = _metrics(summary.utterances, outliers)
    line = (
        f"{metrics['utterances']} utterances of {metrics['speakers']} speakers; "
        f"{metrics['outliers']['count']} stand out from their session"
    )
    for name, table in tables.items():
        write_plot(PLOTS / "mfcc" / f"{name}.csv", table)
    if by_gender:
        of_gender = _compare_genders(summary, names, params)
        strongest = of_gender["gender"]["strongest"]
        metrics |= of_gender | {
            "utterances_without_gender": int(summary.utterances["fold"].isna().sum())
        }
        line += (
            f"; {strongest['coefficient']} differs most between genders (d = {strongest['d']:.2f})"
        )
    else:
        line += "; " + leave_out(
            "gender", tables={PLOTS / "mfcc" / f"{name}.csv": c for name, c in OF_GENDER.items()}
        )
    write_metrics(RESULTS / "mfcc.json", metrics)
    return line


def _metrics(utterances: pd.DataFrame, outliers: pd.DataFrame) -> dict[str, Any]:
    return {
        "speakers": utterances["speaker_id"].nunique(),
        "utterances": len(utterances),
        "frames": int(utterances["frames"].sum()),
        "outliers": {"count": int(outliers["outlier"].sum()), "scored": len(outliers)},
    }


def _compare_genders(summary: Summary, names: list[str], params: Params) -> dict[str, Any]:
    """Write what the coefficients have to do with gender; return the metrics."""
    resampling = {"resamples": params.analysis.resamples, "seed": params.seed}
    differences = gender_differences(summary, names, **resampling)
    normalisations = compare_normalisations(
        summary,
        **params.hyperparameters("logistic"),
        **resampling,
        progress=bar("normalisation"),
    )
    tables = {
        "effect_sizes": differences,
        "correlation": _correlation(differences),
        "normalisations": normalisations,
    }
    for name, table in tables.items():
        write_plot(PLOTS / "mfcc" / f"{name}.csv", table[OF_GENDER[name]])
    strongest = differences.loc[differences["value"].abs().idxmax()]
    named = {"value": "d", "low": "d_low", "high": "d_high"}
    keys = ["coefficient", "value", "low", "high", "p_corrected"]
    # With standardised inputs; the CSV has the rest.
    accuracy = normalisations[normalisations["standardised"]].set_index("normalisation")
    return {
        "gender": {
            "different_coefficients": int((differences["p_corrected"] < SIGNIFICANCE).sum()),
            "strongest": strongest[keys].rename(named).to_dict(),
        },
        "accuracy": accuracy["accuracy"].to_dict(),
    }


def _correlation(differences: pd.DataFrame) -> pd.DataFrame:
    """Name the columns of the point-biserial correlation as the plot template reads them."""
    of_d = ["value", "low", "high"]
    names = {"r": "value", "r_low": "low", "r_high": "high"}
    return differences.drop(columns=of_d).rename(columns=names)


if __name__ == "__main__":
    run_stage(analyse_mfcc)
