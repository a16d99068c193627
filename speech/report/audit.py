"""The section that checks the scores: splits, layers, labels, speakers, rejection."""

import base64
import io
from statistics import NormalDist
from typing import Any

import pandas as pd
import soundfile
from markupsafe import Markup
from plotly import graph_objects as go

from speech.audio import SAMPLE_RATE
from speech.audio.decode import decode_audio
from speech.report import charts, wording
from speech.report.charts import Columns, Figure, Table
from speech.report.run import Run, read

LAYER = "hidden state"
NESTED: Columns = {"task": None, "fold": None, "layer": wording.count}
NESTED |= {"validation_accuracy": wording.percent, "utterance_accuracy": wording.percent}
MOST_DOUBTFUL = 20
CLIP_SECONDS = 5.0
RATES = [0.001, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8]
"""Error rates at the ticks of the DET curve; it is drawn from the first to the last."""


def audit_section(run: Run, metrics: dict[str, Any], *, audio: bool) -> dict[str, Any]:
    """Make the drawings and tables of the audits.

    Parameters
    ----------
    run
        The run.
    metrics
        All of them.
    audio
        Whether a reader can play those speakers whose labels are most doubtful.
    """
    labels = run.read_plot("gender/suspects")
    growth = run.read_plot("learning_curve").rename(columns={"speakers": "training speakers"})
    growth["features"] = growth["features"].map(wording.features)
    layers = run.read_plot("layers").query("level == 'utterance'").rename(columns={"layer": LAYER})
    splits = run.read_plot("split_audit")
    return {
        "model": splits["system"].iloc[0].partition(" · ")[0],
        "splits": _splits(splits),
        "layers": charts.intervals(layers, LAYER, "task", lines=True),
        "layers_nested": Table(run.read_plot("layers_nested"), NESTED),
        "suspects": labels.loc[labels["suspect"], "speaker_id"].tolist(),
        "labels_of": len(labels),
        "labels": _labels(run, labels.head(MOST_DOUBTFUL), audio=audio),
        "growth": charts.intervals(growth, "training speakers", "features", lines=True),
        "verification": _det(run.read_plot("det"), metrics["verification"]),
        "rejection": _rejection(metrics["rejection"]["speakers"]),
    }


def _splits(table: pd.DataFrame) -> Figure:
    rows = table.query("level == 'utterance' and score == 'accuracy'")
    order = {name: place for place, name in enumerate(wording.SPLITS)}
    rows = rows.sort_values("split", key=lambda split: split.map(order), kind="stable")
    rows = rows.assign(split=rows["split"].replace(wording.SPLITS))
    return charts.intervals(rows, "split", "task", upright=False)


def _labels(run: Run, table: pd.DataFrame, *, audio: bool) -> Table:
    table = table.rename(columns={"median_f0_hz": "median F0 (Hz)"})
    shares = ["label_probability", "utterances_against"]
    columns: Columns = dict.fromkeys(["speaker_id", "label"])
    columns |= dict.fromkeys(shares, wording.percent)
    columns |= dict.fromkeys(["systems_against", "systems", "median F0 (Hz)"], wording.count)
    if audio:
        utterances = run.read_utterances().sort_values("utterance_id")
        first = utterances.drop_duplicates("speaker_id").set_index("speaker_id")["path"]
        clips = [_player(read(run.audio / first[one]), one) for one in table["speaker_id"]]
        # As objects, because pandas would make plain text of markup.
        players = pd.Series(clips, table.index, dtype=object)
        table, columns = table.assign(clip=players), columns | {"clip": None}
    return Table(table, {name: one for name, one in columns.items() if name in table})


def _player(recording: bytes, speaker: str) -> Markup:
    """Make a player of the beginning of a recording, about 30 kB of page."""
    signal = decode_audio(recording)[: round(CLIP_SECONDS * SAMPLE_RATE)]
    packed = io.BytesIO()
    soundfile.write(packed, signal, SAMPLE_RATE, format="MP3")
    data = base64.b64encode(packed.getvalue()).decode()
    player = (
        '<audio controls preload="none" aria-label="speaker {}" src="data:audio/mpeg;base64,{}">'
    )
    return Markup(player + "</audio>").format(speaker, data)


def _det(table: pd.DataFrame, metrics: dict[str, Any]) -> Figure:
    ticks = [round(NormalDist().inv_cdf(rate), 4) for rate in RATES]
    low, high = ticks[0], ticks[-1]
    axis = {"tickvals": ticks, "ticktext": [f"{100 * rate:g} %" for rate in RATES]}
    axis |= {"range": [low - 0.02, high + 0.02], "zeroline": False}
    names = {
        kind: f"{wording.features(kind)}: {wording.interval(metrics[kind], 'equal_error_rate')}"
        for kind in table["features"].unique()
    }
    about = [
        f"false positives {row.false_alarm:.1%}, false negatives {row.miss:.1%}"
        for row in table.itertuples()
    ]
    rows = table.assign(features=table["features"].map(names), about=about)
    traces = charts.curves(rows, "false_alarm_probit", "miss_probit", "features")
    x, y = axis | {"title": "false positive rate"}, axis | {"title": "false negative rate"}
    layout = {"xaxis": x, "yaxis": y, **charts.diagonal(low, high)}
    return Figure(go.Figure(traces, layout), 480, square=True)


def _rejection(speakers: dict[str, Any]) -> Table:
    names = ["equal_error_rate", "known_false_rejection", "unknown_false_acceptance"]
    rows = [
        {"features": wording.features(kind), **{n: wording.interval(own, n) for n in names}}
        for kind, own in speakers.items()
    ]
    return Table(pd.DataFrame(rows), dict.fromkeys(["features", *names]))
