"""Analyse the MFCC before any model: distributions, gender, outliers, normalisations."""

from stages.console import bar, run_stage

import math

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
from speech.features.store import read_speaker
from speech.folds import check_folds
from speech.params import Params
from speech.storage.results import write_plot
from speech.storage.tables import read_folds, read_parquet
from stages.paths import FOLDS, MFCC, PLOTS, UTTERANCES

MOST_FRAMES = 100_000
"""In the sample of frames, about; it bounds the memory."""


def analyse_mfcc(params: Params) -> str:
    """Analyse the static coefficients of the whole corpus."""
    names = coefficient_names(params.mfcc.coefficients, energy=params.mfcc.energy)
    folds = read_folds(FOLDS / "gender.csv")
    utterances = read_parquet(UTTERANCES).merge(folds, on="utterance_id", how="left")
    check_folds(utterances, "gender")
    if "gender" not in params.tasks:
        # What is not on record cannot be compared: all that has to do with gender comes out empty.
        utterances["gender"] = None
    frames = utterances["seconds"].sum() / params.mfcc.hop_seconds
    summary = summarise(
        utterances,
        lambda speaker: read_speaker(MFCC, speaker),
        coefficients=params.mfcc.coefficients,
        every=math.ceil(frames / MOST_FRAMES),
        progress=bar("speaker"),
    )

    resampling = {"resamples": params.evaluate.resamples, "seed": params.seed}
    differences = gender_differences(summary, names, **resampling)
    means = summary.moments[:, 0]
    outliers = find_outliers(summary.utterances, means, seed=params.seed)
    logistic = params.hyperparameters("logistic")
    normalisations = compare_normalisations(
        summary,
        # One row per utterance: so few that none is drawn.
        **{name: logistic[name] for name in ("C", "max_iter")},
        **resampling,
        progress=bar("normalisation"),
    )

    tables = {
        "distributions": distributions(summary, names),
        "density": densities(summary, names),
        "correlation": differences,
        "outliers": outliers,
        "normalisations": normalisations,
    }
    for name, table in tables.items():
        write_plot(PLOTS / "mfcc" / f"{name}.csv", table)
    return (
        f"{len(utterances)} utterances of {utterances['speaker_id'].nunique()} speakers; "
        f"{_strongest(differences)}; {outliers['outlier'].sum()} stand out from their session"
    )


def _strongest(differences: pd.DataFrame) -> str:
    if differences.empty:
        return "women and men are not compared"
    row = differences.loc[differences["d"].abs().idxmax()]
    return f"{row['coefficient']} differs most between genders (d = {row['d']:.2f})"


if __name__ == "__main__":
    run_stage(analyse_mfcc)
