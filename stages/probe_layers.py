"""Probe each hidden state of wav2vec 2.0 for gender and speaker by a linear head."""

from stages.console import bar, run_stage

from typing import Any

import pandas as pd

from speech.evaluation.scores import score_levels
from speech.folds import ALL_FOLDS, check_folds
from speech.params import Params, Task
from speech.storage.examples import draw_in_proportion
from speech.storage.predictions import utterance_level
from speech.storage.results import named_with_ends, percent, write_metrics, write_plot
from speech.storage.tables import read_folds, read_parquet
from speech.training.layer_probe import Probed, kept_layers, probe_task
from stages.paths import FOLDS, PLOTS, RESULTS, UTTERANCES, WAV2VEC2

MOST_UTTERANCES = 5000
"""Of more, a sample: every speaker in proportion."""

LABEL = {"gender": "gender", "speaker": "speaker_id"}


def probe_layers(params: Params) -> str:
    """Score every layer for each task, and what choosing one inside training would give."""
    corpus = read_parquet(UTTERANCES)
    layers = kept_layers(WAV2VEC2, corpus, params.wav2vec2.layers)
    scores, chosen = {}, {}
    metrics: dict[str, Any] = {}
    for task in params.tasks:
        probed = probe_task(
            WAV2VEC2,
            _labelled(corpus, task, params),
            task,
            layers,
            C=params.probe.C,
            max_iter=params.probe.max_iter,
            inner=params.probe.inner_folds,
            seed=params.seed,
            jobs=params.compute.workers,
            progress=bar("layer"),
        )
        scores[task] = pd.concat(
            [
                _accuracy(own, task, params).assign(layer=layer)
                for layer, own in probed.layers.items()
            ]
        )[["layer", "level", "value", "low", "high"]]
        chosen[task] = probed.chosen
        metrics[task] = _metrics(
            probed, scores[task], _accuracy(probed.nested, task, params), params
        )
    write_metrics(RESULTS / "layers.json", metrics)
    for name, tables in {"layers": scores, "layers_nested": chosen}.items():
        by_task = pd.concat(tables, names=["task"]).reset_index("task")
        write_plot(PLOTS / f"{name}.csv", by_task)
    summaries = [
        f"{task} {percent(own['accuracy_in_use'])} with layer {own['layer_in_use']}, "
        f"{percent(own['nested_accuracy'])} with a layer chosen in training "
        f"(by all data: {own['chosen_layer']})"
        for task, own in metrics.items()
    ]
    sampled = len(corpus) > MOST_UTTERANCES
    share = f", {MOST_UTTERANCES:,} of {len(corpus):,} utterances" if sampled else ""
    return f"{len(layers)} layers{share}; utterance accuracy: {', '.join(summaries)}"


def _labelled(corpus: pd.DataFrame, task: Task, params: Params) -> pd.DataFrame:
    utterances = corpus.merge(read_folds(FOLDS / f"{task}.csv"), on="utterance_id")
    check_folds(utterances, task)
    speakers = utterances["speaker_id"]
    chapters = speakers + "/" + utterances["chapter_id"]
    drawn = draw_in_proportion(chapters, speakers, most=MOST_UTTERANCES, seed=params.seed)
    utterances = utterances.iloc[drawn]
    names = utterances[["utterance_id", "speaker_id", "chapter_id", "fold"]]
    return names.assign(label=utterances[LABEL[task]])


def _accuracy(predictions: pd.DataFrame, task: Task, params: Params) -> pd.DataFrame:
    scores = score_levels(
        predictions,
        utterance_level(predictions),
        task,
        resamples=params.evaluate.resamples,
        seed=params.seed,
    )
    return scores.loc[scores["score"] == "accuracy", ["level", "value", "low", "high"]]


def _metrics(
    probed: Probed, layers: pd.DataFrame, nested: pd.DataFrame, params: Params
) -> dict[str, Any]:
    """Report the layer in use, the one that validation favours, and what choosing would give."""
    in_use = params.inputs.wav2vec2.layer
    by_layer = layers[layers["level"] == "utterance"].set_index("layer")["value"]
    of_nested = nested.set_index("level").loc["utterance"]
    return {
        "layer_in_use": in_use,
        "accuracy_in_use": by_layer[in_use],
        "chosen_layer": int(probed.chosen.set_index("fold")["layer"][ALL_FOLDS]),
        **named_with_ends("nested_accuracy", of_nested[["value", "low", "high"]]),
    }


if __name__ == "__main__":
    run_stage(probe_layers)
