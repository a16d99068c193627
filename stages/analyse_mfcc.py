"""Look at the MFCC before any model: distributions, gender differences, outliers, normalisation."""

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
from speech.exploration.outliers import Outliers, find_outliers
from speech.features.store import read_speaker, speaker_file
from speech.params import Params
from speech.storage.results import write_metrics, write_plot
from speech.storage.tables import read_folds, read_parquet
from stages.console import bar, run_stage
from stages.paths import FOLDS, METRICS, MFCC, PLOTS, UTTERANCES

SIGNIFICANCE = 0.05


def analyse_mfcc(params: Params) -> str:
    """Analyse the static coefficients of the whole corpus."""
    names = coefficient_names(params.mfcc.coefficients, energy=params.mfcc.energy)
    folds = read_folds(FOLDS / "gender.csv")
    summary = summarise(
        read_parquet(UTTERANCES).merge(folds, on="utterance_id", how="left"),
        lambda speaker: read_speaker(speaker_file(MFCC, speaker)),
        params.mfcc.coefficients,
        bar("speaker"),
    )

    resampling = {"resamples": params.analysis.resamples, "seed": params.seed}
    differences = gender_differences(summary, names, **resampling)
    outliers = find_outliers(summary, names, p=params.analysis.outlier_p)
    normalisations = compare_normalisations(
        summary, params.logistic, **resampling, progress=bar("cross-validation")
    )

    counts = {
        "speakers": summary.utterances["speaker_id"].nunique(),
        "utterances": len(summary.utterances),
        "utterances_without_gender": int(summary.utterances["fold"].isna().sum()),
        "frames": int(summary.utterances["frames"].sum()),
    }
    metrics = counts | {
        "outliers": _outlier_metrics(outliers),
        "gender": _gender_metrics(differences),
        "accuracy": _accuracy_metrics(normalisations),
    }
    write_metrics(METRICS / "mfcc.json", metrics)
    plots = {
        "distributions": distributions(summary.by_gender, names),
        "density": densities(summary.by_gender, names),
        "effect_sizes": differences[["coefficient", "value", "low", "high"]],
        "correlation": _correlation(differences),
        "outliers": outliers.table,
        "normalisations": normalisations,
    }
    for name, table in plots.items():
        write_plot(PLOTS / "mfcc" / f"{name}.csv", table)

    strongest = metrics["gender"]["strongest"]
    return (
        f"{counts['utterances']} utterances of {counts['speakers']} speakers; "
        f"{strongest['coefficient']} differs most between genders (d = {strongest['d']:.2f}); "
        f"{len(outliers.table)} outliers by {outliers.method}"
    )


def _outlier_metrics(outliers: Outliers) -> dict[str, Any]:
    return {"count": len(outliers.table), "judged": outliers.judged, "method": outliers.method}


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
    """Give the point-biserial correlation the column names that the plot template reads."""
    columns = ["coefficient", "r", "r_low", "r_high", "rank_biserial", "p", "p_corrected"]
    names = {"r": "value", "r_low": "low", "r_high": "high"}
    return differences[columns].rename(columns=names)


def _accuracy_metrics(normalisations: pd.DataFrame) -> dict[str, float]:
    """Give the accuracy after each normalisation, inputs standardised; the CSV has the rest."""
    return {
        row.normalisation: row.accuracy for row in normalisations.itertuples() if row.standardised
    }


if __name__ == "__main__":
    run_stage(analyse_mfcc)
