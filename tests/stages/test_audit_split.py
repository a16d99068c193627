"""The stage audit_split on made-up features: its files and their columns."""

import json

import numpy as np
import pandas as pd
import pytest

from speech.evaluation.scores import score_levels
from speech.folds import gender_folds, speaker_folds
from speech.storage.examples import Examples, with_labels
from stages import audit_split as stage
from stages.paths import PLOTS, RESULTS

CHUNKS = 2
SPLITS = {
    "gender": ["random-chunk", "random-utterance", "chapter-disjoint", "speaker-disjoint"],
    "speaker": ["random-chunk", "random-utterance", "chapter-disjoint"],
}


@pytest.fixture
def params(make_params):
    changes = {"folds.gender": 3, "folds.speaker": 2, "parallel.jobs": 1}
    changes |= {"headline_features.gender": "mfcc", "headline_features.speaker": "wav2vec2"}
    return make_params(**changes, **{"evaluate.resamples": 100})


@pytest.fixture
def asked(tmp_path, monkeypatch, params):
    """Replace the features by those of the chapter alone; return what was asked for."""
    monkeypatch.chdir(tmp_path)
    corpus = pd.DataFrame(
        [
            (f"{speaker}-{chapter}-{number}", str(speaker), str(chapter), "FM"[speaker % 2], 4.0)
            for speaker in range(100, 112)
            for chapter in range(2)
            for number in range(4)
        ],
        columns=["utterance_id", "speaker_id", "chapter_id", "gender", "seconds"],
    )
    # A speaker without a gender on record, and one with a single chapter, take part in one task.
    folds = {
        "gender": gender_folds(corpus[corpus["speaker_id"] != "100"], 3, params.seed),
        "speaker": speaker_folds(corpus[corpus["speaker_id"] != "101"], 2),
    }
    random = np.random.default_rng(0)
    means = {key: random.normal(size=30) for key, _ in corpus.groupby(["speaker_id", "chapter_id"])}
    calls = []

    def read_examples(folder, form, *, copies):
        assert copies
        calls.append((folder.name, form))
        table = corpus.loc[np.repeat(corpus.index, CHUNKS)].reset_index(drop=True)
        table = table.assign(chunk=np.tile(range(CHUNKS), len(corpus)))
        own = [means[key] for key in zip(table["speaker_id"], table["chapter_id"], strict=True)]
        noise = np.random.default_rng(1).normal(scale=0.1, size=(len(table), 30))
        task = folder.name.split("-")[0]
        examples = Examples(table, (np.stack(own) + noise).astype(np.float32))
        return with_labels(examples, folds[task], task)

    monkeypatch.setattr(stage, "read_examples", read_examples)
    return calls


def written():
    scores = pd.read_csv(PLOTS / "split_audit.csv")
    return scores, json.loads((RESULTS / "split_audit.json").read_text())


def test_each_task_has_every_split_at_every_level_on_its_headline_features(asked, params):
    stage.audit_split(params)
    assert asked == [("gender-mfcc", "pooled"), ("speaker-wav2vec2", "pooled")]
    scores, _ = written()
    assert list(scores.columns) == [
        *("task", "split", "system", "features", "level", "score", "value", "low", "high")
    ]
    for task, splits in SPLITS.items():
        own = scores[scores["task"] == task]
        for level in ("chunk", "utterance"):
            assert own[own["level"] == level]["split"].tolist() == splits
    assert set(scores["score"]) == {"accuracy"}
    assert set(scores["features"]) == {"gender from mfcc", "speaker from wav2vec2"}
    assert set(scores["system"]) == {"logistic · mfcc", "logistic · wav2vec2"}


def test_metrics_are_utterance_accuracies_and_the_optimism_of_each_careless_split(asked, params):
    line = stage.audit_split(params)
    scores, metrics = written()
    assert list(metrics) == list(SPLITS)
    for task, own in metrics.items():
        names = [split.replace("-", "_") for split in SPLITS[task]]
        assert list(own["accuracy"]) == names
        utterances = scores.query("task == @task and level == 'utterance'").set_index("split")
        for split, name in zip(SPLITS[task], names, strict=True):
            assert own["accuracy"][name] == pytest.approx(utterances.loc[split, "value"], rel=1e-3)
        # No split of speakers that must be in training.
        assert list(own["optimism"]) == names[:-1]
        careful = own["accuracy"][names[-1]]
        for name, points in own["optimism"].items():
            assert points == pytest.approx(100 * (own["accuracy"][name] - careful), abs=0.02)
    assert metrics["speaker"]["optimism"]["random_chunk"] > 50
    assert line.startswith("utterance accuracy of logistic: gender ")
    assert f"speaker {100 * metrics['speaker']['accuracy']['random_chunk']:.1f} % random" in line


def test_an_utterance_whose_chunks_are_in_several_folds_is_scored_once(asked, params, monkeypatch):
    scored = []

    def keep(chunks, utterances, *arguments, **named):
        scored.append((chunks, utterances))
        return score_levels(chunks, utterances, *arguments, **named)

    monkeypatch.setattr(stage, "score_levels", keep)
    stage.audit_split(params)
    chunks, utterances = scored[0]
    assert chunks.groupby("utterance_id")["fold"].nunique().max() > 1
    assert utterances["utterance_id"].is_unique
    assert len(utterances) == chunks["utterance_id"].nunique()
