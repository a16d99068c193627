"""The sections on both tasks: every model, the headline in full, every speaker."""

from collections.abc import Iterable

import pandas as pd

from speech.folds import ALL_FOLDS
from speech.params import Task
from speech.report import charts, wording
from speech.report.answer import Settings
from speech.report.numbers import numbers
from speech.report.page import Attributes, Block, Column, Figure, Section, Table
from speech.report.run import Run

TITLES: dict[Task, str] = {"gender": "Gender", "speaker": "Speakers"}
CALIBRATION = ["expected_calibration_error", "calibration_error_by_chance"]

MOST_PAIRS = 20
"""Of speakers taken for each other, that are listed."""


def section(run: Run, task: Task, settings: Settings) -> Section:
    """Describe the scores of one task."""
    counts = run.metrics(task)["counts"]
    unheard = {"gender": "voices never heard in training", "speaker": "chapters never heard"}[task]
    features = settings[f"headline_features.{task}"]
    headline = f"{wording.model(settings['model'])} on {wording.features(features)}"
    folds = wording.plural(settings[f"folds.{task}"], "fold")
    picks = run.plot(f"{task}/picked")
    return Section(
        TITLES[task],
        [
            f"Scored on {unheard}: {wording.plural(counts['speakers'], 'speaker')}, "
            f"{wording.plural(counts['utterances'], 'utterance')}, "
            f"{wording.plural(counts['chunks'], 'chunk')}, in {folds}. "
            f"Where one model is shown, it is the headline's: {headline}.",
            models_figure({"": run.plot(f"{task}/models")}, task),
            _all_scores(run.plot(f"{task}/models"), task),
            *_confusion(run.plot(f"{task}/confusion"), task),
            _roc(run.plot(f"{task}/roc"), task, features),
            _reliability(run.plot(f"{task}/reliability"), task, f"{_kept(picks)} · {features}"),
            *_by_length(run.plot(f"{task}/by_length"), task),
            *_by_gender(run.plot(f"{task}/genders"), task),
            *_speakers(run.plot(f"{task}/speakers"), task),
            *_training(run.plot(f"{task}/curves"), task),
            *_picks(picks, task),
            *_tuning(run.plot(f"{task}/tuning"), task),
        ],
    )


def _title(task: Task, what: str) -> str:
    """Name a drawing or table of one task, so that no other on the page is called the same."""
    return f"{TITLES[task]}: {what}"


def models_figure(tables: dict[str, pd.DataFrame], task: Task) -> Figure:
    """Compare all models on all features, by accuracy of utterances.

    Parameters
    ----------
    tables
        ``plots/<task>/models.csv`` of one or more revisions, by the revision's name.
    task
        Which.
    """
    rows = pd.concat(
        [
            table.query("level == 'utterance' and score == 'accuracy'").assign(revision=name)
            for name, table in tables.items()
        ]
    )
    rows = rows.assign(name=rows["model"], group=rows["features"])
    called = {name: wording.features(name) for name in rows["features"].unique()}
    if len(tables) > 1:
        rows["name"] = rows["system"]
        rows["group"] = rows["revision"]
        called = {name: name for name in tables}
    names = {
        name: wording.system(name) if len(tables) > 1 else wording.short_model(name)
        for name in rows["name"].unique()
    }
    drawn = charts.dots_with_intervals(
        rows, names, called, charts.axis("utterances right", **charts.WHOLE_SHARE)
    )
    says = "Share of utterances that are right, with 95 % intervals over speakers."
    return Figure(_title(task, "every model"), says, *drawn)


def _all_scores(models: pd.DataFrame, task: Task) -> Table:
    keys = ["model", "features", "level"]
    wide = models.pivot_table("value", keys, "score", sort=False, dropna=False).reset_index()
    ends = models[models["score"] == "accuracy"].set_index(keys)[["low", "high"]]
    wide = wide.join(ends, on=keys).dropna(subset="accuracy")
    share = {"show": wording.percent, "numeric": True}
    shown = {
        "model": Column("Model", wording.model),
        "features": Column("Features", wording.features),
        "level": Column("Level"),
        "accuracy": Column("Accuracy", **share),
        "low": Column("from", **share),
        "high": Column("to", **share),
        "balanced_accuracy": Column("Balanced", **share),
        "f1": Column("F1", **share),
        "roc_auc": Column("ROC AUC", lambda v: wording.number(v, 3), numeric=True),
        "log_loss": Column("Log loss", lambda v: wording.number(v, 3), numeric=True),
    }
    columns = {name: column for name, column in shown.items() if name in wide.columns}
    return Table(_title(task, "scores of every model"), wide, columns, folded=True)


def _confusion(table: pd.DataFrame, task: Task) -> list[Block]:
    classes = sorted(set(table["actual"]) | set(table["predicted"]), key=lambda n: (len(n), n))
    right = (table["actual"] == table["predicted"]).sum()
    says = (
        f"{right:,} of {len(table):,} utterances are right. Each row adds up to all of its class."
    )
    wrong = table[table["actual"] != table["predicted"]]
    pairs = wrong.groupby(["actual", "predicted"]).size().rename("times").reset_index()
    pairs = pairs.sort_values(["times", "actual", "predicted"], ascending=[False, True, True])
    # A gender has one pair either way, which the picture tells.
    listed: list[Block] = []
    if task == "speaker" and len(pairs):
        most = pairs.head(MOST_PAIRS)
        columns = {
            "actual": Column("Speaker"),
            "predicted": Column("Taken for"),
            "times": Column("Utterances", wording.count, numeric=True),
        }
        caption = wording.plural(len(pairs), "confusion")
        if len(most) < len(pairs):
            caption = f"The {len(most)} most frequent of {caption}"
        listed = [Table(caption, most, columns, folded=len(classes) <= charts.MOST_ON_AN_AXIS)]
    if len(classes) > charts.MOST_ON_AN_AXIS:
        return [f"{says} A matrix of {len(classes)} classes would not be legible.", *listed]
    drawn = charts.confusion(table, classes)
    height = 260 if task == "gender" else max(320, 110 + 20 * len(classes))
    square = len(classes) <= charts.FEW
    figure = Figure(
        _title(task, "who is taken for whom"), says, *drawn, height=height, square=square
    )
    return [figure, *listed]


def _with_first(names: Iterable[str], first: str) -> list[str]:
    """Put one name before the others."""
    return sorted(names, key=lambda name: name != first)


def _roc(table: pd.DataFrame, task: Task, features: str) -> Figure:
    claim = {
        "gender": "“this is a woman”, at every threshold of the probability",
        "speaker": "“this is speaker X”, for every utterance and speaker, at every threshold",
    }[task]
    traces, choices = [charts.diagonal(0, 1, "chance")], {}
    for kind in _with_first(table["features"].unique(), features):
        by_model = table[table["features"] == kind].groupby("model", sort=False)
        choices[wording.features(kind)] = [0, *range(len(traces), len(traces) + len(by_model))]
        for number, (model, own) in enumerate(by_model):
            traces.append(
                charts.line(
                    own["false_positive"].round(4),
                    own["true_positive"].round(4),
                    wording.short_model(model),
                    f"@{number + 1}",
                    hovertemplate=f"{wording.short_model(model)}: finds %{{y:.1%}}, wrongly claims "
                    "%{x:.1%}<extra></extra>",
                    line={"dash": charts.DASHES[number % len(charts.DASHES)]},
                )
            )
    layout = {
        "xaxis": charts.axis("wrongly claimed", **charts.PERCENT, range=[-0.01, 1.01]),
        "yaxis": charts.axis("found", **charts.PERCENT, range=[-0.01, 1.02]),
    }
    return Figure(
        _title(task, "ROC curves"),
        f"What share of true cases is found, against what share is wrongly claimed: {claim}. All "
        "folds together, so a model whose probabilities drift between folds can fall below chance.",
        traces,
        layout,
        height=420,
        square=True,
        choices={"Features": choices},
    )


def _reliability(table: pd.DataFrame, task: Task, headline: str) -> Figure:
    own = table[table["level"] == "utterance"]
    traces, choices = [charts.diagonal(0, 1, "calibrated")], {}
    for name in _with_first(own["system"].unique(), headline):
        bins = own[own["system"] == name]
        error, chance = bins[CALIBRATION].iloc[0]
        choices[wording.system(name)] = [0, len(traces)]
        told = [
            f"says {wording.percent(row.confidence)}, right "
            f"{wording.interval(row.value, row.low, row.high)}; "
            f"{row.rows:,} utterances"
            for row in bins.itertuples()
        ]
        sizes = (4 + 20 * (bins["rows"] / own["rows"].max()) ** 0.5).round(1)
        trace = {"type": "scatter", "mode": "markers", "x": charts.values(bins["confidence"])}
        trace |= {"y": charts.values(bins["value"]), "error_y": charts.error_bars(bins, "@1")}
        trace |= {"marker": {"color": "@1", "size": sizes.tolist()}, "hovertext": told}
        trace |= {"hovertemplate": "%{hovertext}<extra></extra>", "showlegend": True}
        trace["name"] = f"calibration error {error:.1%}, by chance {chance:.1%}"
        traces.append(trace)
    layout = {
        "xaxis": charts.axis("how sure", **charts.PERCENT, range=[0, 1.02]),
        "yaxis": charts.axis("how often right", **charts.PERCENT, range=[0, 1.02]),
    }
    return Figure(
        _title(task, "how sure and how right"),
        "On the dotted line, 80 % sure means right in 80 % of cases. Size: how many utterances; "
        "bars: 95 % intervals over speakers. The expected calibration error is the mean distance "
        "from the line; by chance: what a calibrated model would show on as many utterances.",
        traces,
        layout,
        height=420,
        square=True,
        choices={"Model": choices},
    )


def _by_length(table: pd.DataFrame, task: Task) -> list[Block]:
    drawn = charts.bars(table, "length", charts.axis("speech heard", type="category"), _share())
    says = (
        "Half a chunk from the middle of each utterance, runs of whole chunks, and whole "
        "utterances; with 95 % intervals over speakers."
    )
    title = _title(task, "accuracy by seconds of speech")
    listed = numbers(title, table, {"length": Column("Speech heard")})
    return [Figure(title, says, *drawn, height=300), listed]


def _by_gender(table: pd.DataFrame, task: Task) -> list[Block]:
    rows = table.assign(name=table["level"], group=table["gender"])
    names = {name: f"{name}s" for name in rows["name"].unique()}
    groups = {name: wording.GENDERS.get(name, name) for name in rows["group"].unique()}
    x = charts.axis("right", **charts.WHOLE_SHARE)
    drawn = charts.dots_with_intervals(rows, names, groups, x, charts.GENDER_COLOURS)
    title = _title(task, "women and men apart")
    listed = {"level": Column("Level"), "gender": Column("Gender", lambda name: groups[name])}
    return [
        Figure(title, "With 95 % intervals over speakers.", *drawn),
        numbers(title, table, listed),
    ]


def _speakers(table: pd.DataFrame, task: Task) -> list[Block]:
    share = {"show": wording.percent, "numeric": True}
    columns = {
        "speaker_id": Column("Speaker"),
        "gender": Column("Gender"),
        "chapters": Column("Chapters", wording.count, numeric=True),
        "utterances": Column("Utterances", wording.count, numeric=True),
        "utterance_accuracy": Column("Utterances right", **share),
        "chunk_accuracy": Column("Chunks right", **share),
        "true_probability": Column("Mean probability of the truth", **share),
    }
    if task == "gender":
        columns["predicted"] = Column("By vote")
    listed = Table(_title(task, "voice by voice"), table, columns, folded=True)
    worst = table.sort_values(["utterance_accuracy", "speaker_id"], kind="stable")
    says = (
        f"The lowest: {wording.percent(worst['utterance_accuracy'].iloc[0])} for speaker "
        f"{worst['speaker_id'].iloc[0]}; the median "
        f"{wording.percent(table['utterance_accuracy'].median())}."
    )
    title = _title(task, "utterances right, by voice")
    if len(table) > charts.MOST_ON_AN_AXIS:
        drawn = charts.histogram(
            table["utterance_accuracy"].round(4).tolist(),
            charts.axis("utterances right", **charts.WHOLE_SHARE),
            charts.axis("speakers"),
            start=0,
            end=1.05,
            size=0.05,
        )
        return [Figure(title, says, *drawn, height=280), listed]
    trace = {"type": "bar", "x": worst["speaker_id"].tolist(), "marker": {"color": "@1"}}
    trace |= {"y": worst["utterance_accuracy"].round(4).tolist()}
    trace["hovertemplate"] = "speaker %{x}: %{y:.1%}<extra></extra>"
    layout = {"xaxis": charts.names_axis("speaker", worst), "yaxis": _share()}
    return [Figure(title, says, [trace], layout, height=300), listed]


def _share() -> Attributes:
    return charts.axis("right", **charts.WHOLE_SHARE)


def _training(table: pd.DataFrame, task: Task) -> list[Block]:
    if table.empty:
        return []
    traces, choices = [], {}
    parts = {"training": "@1", "validation": "@2"}
    for name in table["system"].unique():
        own = table[table["system"] == name]
        start = len(traces)
        for (part, fold), curve in own.groupby(["part", "fold"], sort=True):
            first = fold == own["fold"].min()
            told = f"{part}, fold {fold}, epoch %{{x}}: %{{y:.3f}}<extra></extra>"
            more = {"legendgroup": part, "showlegend": bool(first), "hovertemplate": told}
            more["line"] = {"width": 1.5, "dash": "solid" if part == "training" else "dot"}
            x, y = charts.values(curve["epoch"]), charts.values(curve["loss"].round(4))
            traces.append(charts.line(x, y, part, parts.get(part, "@3"), **more))
        choices[wording.system(name)] = list(range(start, len(traces)))
    layout = {
        "xaxis": charts.whole_numbers("epoch", table["epoch"].max()),
        "yaxis": charts.axis("loss", rangemode="tozero"),
    }
    return [
        Figure(
            _title(task, "how the networks learnt"),
            "One line per fold. Validation is a part of the training data; where patience is "
            "limited, the best epoch by it is kept, else the last.",
            traces,
            layout,
            height=300,
            choices={"Network": choices},
        )
    ]


def _kept(picks: pd.DataFrame) -> str:
    return picks.loc[picks["picked"] & (picks["fold"] == ALL_FOLDS), "model"].item()


def _picks(table: pd.DataFrame, task: Task) -> list[Block]:
    if len(set(table["model"])) == 1:
        # Of a single candidate there was nothing to pick.
        return []
    columns = {
        "fold": Column(
            "Scored on", lambda fold: "to keep" if fold == ALL_FOLDS else f"fold {fold}"
        ),
        "model": Column("Model", wording.model),
        "log_loss": Column("Log loss", lambda v: wording.number(v, 3), numeric=True),
        "accuracy": Column("Accuracy", wording.percent, numeric=True),
    }
    says = (
        "The headline model is picked for each fold by its log loss on the others, and the one to "
        "keep by that on all; the scores are those it was picked by."
    )
    caption = _title(task, "which model was picked")
    return [says, Table(caption, table[table["picked"]], columns, folded=True)]


def _tuning(table: pd.DataFrame, task: Task) -> list[Block]:
    if table.empty:
        return []
    columns = {
        "system": Column("Model", wording.system),
        "fold": Column("Fold"),
        "settings": Column("Settings"),
        "log_loss": Column("Log loss", lambda v: wording.number(v, 3), numeric=True),
        "accuracy": Column("Accuracy", wording.percent, numeric=True),
    }
    says = (
        "Hyperparameters are tuned by cross-validation inside each fold's training part; the "
        "scores here are of that, and so a little flattered."
    )
    return [
        says,
        Table(_title(task, "what tuning chose"), table[table["chosen"]], columns, folded=True),
    ]
