"""Measure what each hidden state of wav2vec 2.0 knows of gender and speaker."""

from typing import Any, get_args

import pandas as pd

from speech.folds import ALL_FOLDS
from speech.params import Params, Task
from speech.storage.results import write_metrics, write_plot
from speech.storage.tables import read_folds, read_parquet, write_csv
from speech.training.layer_choice import layers_in_use
from speech.training.layer_probe import Probed, kept_layers, probe_task
from stages.console import bar, run_stage
from stages.paths import FOLDS, LAYERS, METRICS, PLOTS, UTTERANCES, WAV2VEC2

LABEL = {"gender": "gender", "speaker": "speaker_id"}


def probe_layers(params: Params) -> str:
    """Probe every layer for both tasks, and say which is to be used."""
    corpus = read_parquet(UTTERANCES)
    layers = kept_layers(WAV2VEC2, corpus, params.wav2vec2.layers)
    probed = {
        task: probe_task(WAV2VEC2, _labelled(corpus, task), task, layers, params, bar("layer"))
        for task in get_args(Task)
    }
    in_use = {task: layers_in_use(own.chosen, task, params) for task, own in probed.items()}
    for task, own in in_use.items():
        write_csv(LAYERS / f"{task}.csv", own)
    metrics = {task: _metrics(own, in_use[task], params) for task, own in probed.items()}
    write_metrics(METRICS / "layers.json", metrics)
    plots = {
        "layers": {task: own.layers for task, own in probed.items()},
        "layers_chosen": {task: own.chosen for task, own in probed.items()},
    }
    for name, tables in plots.items():
        by_task = pd.concat(tables, names=["task"]).reset_index("task")
        write_plot(PLOTS / f"{name}.csv", by_task)
    told = [
        f"{task} {100 * own['accuracy']:.1f} % (layer {own['layer']}; in use: "
        f"{_told(in_use[task])})"
        for task, own in metrics.items()
    ]
    return (
        f"{len(layers)} layers; utterance accuracy with the layer chosen in training: "
        f"{', '.join(told)}"
    )


def _told(in_use: pd.DataFrame) -> str:
    """Say which layers the folds use, the least first."""
    return ", ".join(map(str, sorted(set(in_use["layer"]))))


def _labelled(corpus: pd.DataFrame, task: Task) -> pd.DataFrame:
    utterances = corpus.merge(read_folds(FOLDS / f"{task}.csv"), on="utterance_id")
    names = utterances[["utterance_id", "speaker_id", "chapter_id", "fold"]]
    return names.assign(label=utterances[LABEL[task]])


def _metrics(probed: Probed, in_use: pd.DataFrame, params: Params) -> dict[str, Any]:
    """Say which layer validation chose, what choosing gives, and what the layer in use gives."""
    chosen = probed.chosen.set_index("fold")["layer"]
    nested = probed.nested.set_index("level").loc["utterance"]
    layers = probed.layers.set_index(["layer", "level"])["value"]
    of_all = in_use.set_index("fold")["layer"][ALL_FOLDS]
    # The best point of a curve would flatter whoever chose it.
    auto = params.inputs.wav2vec2.layer == "auto"
    return {
        "layer": int(chosen[ALL_FOLDS]),
        "accuracy": nested["value"],
        "accuracy_low": nested["low"],
        "accuracy_high": nested["high"],
        "layer_in_use": int(of_all),
        "accuracy_in_use": nested["value"] if auto else layers[of_all, "utterance"],
    }


if __name__ == "__main__":
    run_stage(probe_layers)
