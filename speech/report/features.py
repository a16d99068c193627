"""The section on the MFCC before any model: genders compared, outliers, normalisations."""

import pandas as pd

from speech.report import charts, wording
from speech.report.numbers import numbers
from speech.report.page import Block, Column, Figure, Section, Table
from speech.report.run import Run

NORMALISATIONS = {
    "none": "none",
    "utterance_mean": "own mean",
    "utterance": "own mean, variance",
    "standard": "standard",
    "robust": "robust",
}


def section(run: Run) -> Section:
    """Describe the MFCC."""
    mfcc = run.metrics("mfcc")
    strongest = mfcc["gender"]["strongest"]
    effects = run.plot("mfcc/effect_sizes")
    return Section(
        "Features",
        [
            f"{wording.plural(mfcc['gender']['different_coefficients'], 'coefficient')} of "
            f"{len(effects)} differ between women and men (Mann-Whitney over speakers, Holm, "
            f"p < 0.05); most of all {strongest['coefficient']}, with d = "
            f"{wording.number(strongest['d'])} [{wording.number(strongest['d_low'])}, "
            f"{wording.number(strongest['d_high'])}].",
            _effects(effects),
            numbers(
                "Cohen's d of each coefficient",
                effects,
                {"coefficient": Column("Coefficient")},
                wording.number,
            ),
            *_correlation(run.plot("mfcc/correlation")),
            _densities(run.plot("mfcc/density"), effects),
            *_normalisations(run.plot("mfcc/normalisations")),
            *_outliers(run.plot("mfcc/outliers"), mfcc["outliers"]),
        ],
    )


def _effects(effects: pd.DataFrame) -> Figure:
    drawn = charts.bars(
        effects,
        "coefficient",
        charts.names_axis("coefficient", effects),
        charts.axis("Cohen's d, women to men"),
        show=wording.number,
    )
    return Figure(
        "How far each coefficient separates women from men",
        "Speaker means, with 95 % intervals; above zero where women's values are higher.",
        *drawn,
    )


def _correlation(correlation: pd.DataFrame) -> list[Block]:
    drawn = charts.bars(
        correlation,
        "coefficient",
        charts.names_axis("coefficient", correlation),
        charts.axis("point-biserial r", range=[-1.02, 1.02]),
        show=wording.number,
    )
    title = "Correlation of each coefficient with gender"
    says = "Over speakers, with 95 % intervals; positive where women's values are higher."
    listed = {"coefficient": Column("Coefficient")}
    return [
        Figure(title, says, *drawn, height=300),
        numbers(title, correlation, listed, wording.number),
    ]


def _densities(density: pd.DataFrame, effects: pd.DataFrame) -> Figure:
    order = effects.sort_values("value", key=lambda d: -d.abs(), kind="stable")["coefficient"]
    traces, choices = [], {}
    for coefficient in order[order.isin(density["coefficient"])]:
        own = density[density["coefficient"] == coefficient]
        choices[coefficient] = list(range(len(traces), len(traces) + own["gender"].nunique()))
        for number, (gender, curve) in enumerate(own.groupby("gender", sort=True)):
            called = wording.GENDERS.get(gender, gender)
            more = {"line": {"dash": charts.DASHES[number]}}
            colour = charts.GENDER_COLOURS.get(gender, "@8")
            more["hovertemplate"] = f"{called}, {coefficient} = %{{x:.3g}}<extra></extra>"
            # A picture needs no more.
            points = curve.iloc[::2]
            x = [float(f"{value:.4g}") for value in points["value"]]
            y = [float(f"{value:.3g}") for value in points["density"]]
            traces.append(charts.line(x, y, called, colour, **more))
    layout = {
        "xaxis": charts.axis("value of the coefficient"),
        "yaxis": charts.axis("density", showticklabels=False, rangemode="tozero"),
    }
    return Figure(
        "Distribution of a coefficient by gender",
        "Over all frames. Choose a coefficient; those that differ most come first.",
        traces,
        layout,
        height=300,
        choices={"Coefficient": choices},
    )


def _normalisations(table: pd.DataFrame) -> list[Block]:
    names = {name: NORMALISATIONS.get(name, name) for name in table["normalisation"].unique()}
    inputs = {True: "inputs standardised", False: "inputs as they are"}
    rows = table.assign(
        name=table["normalisation"], group=table["standardised"], value=table["accuracy"]
    )
    drawn = charts.dots_with_intervals(
        rows, names, inputs, charts.axis("utterances right", **charts.WHOLE_SHARE)
    )
    title = "Gender accuracy by normalisation of the frames"
    says = (
        "A logistic regression on four moments of each coefficient, on unheard voices, with 95 % "
        "intervals. Frames are normalised by the utterance's own mean (and variance), or by the "
        "mean and variance (standard) or quartiles (robust) of all training frames."
    )
    listed = {
        "name": Column("Normalisation", lambda name: names[name]),
        "group": Column("Inputs", lambda standardised: inputs[standardised]),
    }
    return [Figure(title, says, *drawn), numbers(title, rows, listed)]


def _outliers(table: pd.DataFrame, told: dict) -> list[Block]:
    sentence = (
        f"{wording.plural(len(table), 'utterance')} of {told['judged']:,} judged stand out from "
        f"their own session (method: {told['method']})."
    )
    if table.empty:
        return [sentence]
    columns = {
        "utterance_id": Column("Utterance"),
        "speaker_id": Column("Speaker"),
        "distance": Column("Distance", lambda d: wording.number(d, 1), numeric=True),
        "p_corrected": Column("p, corrected", lambda p: f"{p:.2g}", numeric=True),
    }
    known = {name: column for name, column in columns.items() if name in table.columns}
    return [sentence, _distances(table), Table("Outliers, in numbers", table, known, folded=True)]


def _distances(table: pd.DataFrame) -> Figure:
    most = table.nlargest(charts.MOST_ON_AN_AXIS // 2, "distance")
    trace = {"type": "bar", "orientation": "h", "x": most["distance"].round(2).tolist()}
    trace |= {"y": most["utterance_id"].tolist(), "marker": {"color": "@1"}}
    trace["hovertemplate"] = "%{y}: %{x:.1f}<extra></extra>"
    layout = {
        "xaxis": charts.axis("distance", rangemode="tozero"),
        "yaxis": charts.names_axis("", most, tickangle=0, autorange="reversed"),
    }
    says = "How far an utterance lies from the others of its session, the furthest first."
    return Figure("Outliers", says, [trace], layout, height=90 + 20 * len(most))
