"""The stage audit_split on made-up features: its files, their columns, its closing line."""

import json

import numpy as np
import pandas as pd
import pytest
from made_corpus import chunk_table

from speech.evaluation.scores import score_levels
from speech.storage.examples import Examples
from stages import audit_split as stage
from stages.paths import PLOTS, RESULTS

SPLITS = {
    "gender": ["random-chunk", "random-utterance", "chapter-disjoint", "speaker-disjoint"],
    "speaker": ["random-chunk", "random-utterance", "chapter-disjoint"],
}
HEADLINE = {"gender": "mfcc", "speaker": "wav2vec2"}
FOLDS = {"gender": 3, "speaker": 2}


@pytest.fixture
def params(make_params):
    changes = {f"headline_features.{task}": features for task, features in HEADLINE.items()}
    return make_params(**changes, **{"compute.jobs": 1, "evaluate.resamples": 100})


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Replace the features by those of the chapter alone; return what was asked for."""
    monkeypatch.chdir(tmp_path)
    calls = []

    def read_examples(folder, form, *, copies):
        assert copies
        calls.append((folder.name, form))
        task = folder.name.split("-")[0]
        table = chunk_table(task, chapters=2, folds=FOLDS[task])
        # A speaker without a gender on record, or with a single chapter, takes no part.
        table.loc[table["speaker_id"] == "101", "fold"] = -1
        chapter = pd.factorize(table["chapter_id"])[0]
        means = np.random.default_rng(0).normal(size=(24, 30))[chapter]
        noise = np.random.default_rng(1).normal(scale=0.1, size=means.shape)
        return Examples(table, (means + noise).astype(np.float32))

    monkeypatch.setattr(stage, "read_examples", read_examples)
    return calls


def test_every_split_is_scored_at_every_level_and_what_each_careless_one_adds(asked, params):
    line = stage.audit_split(params)
    assert asked == [("gender-mfcc", "pooled"), ("speaker-wav2vec2", "pooled")]
    scores = pd.read_csv(PLOTS / "split_audit.csv")
    metrics = json.loads((RESULTS / "split_audit.json").read_text())
    assert list(scores.columns) == [
        *("task", "split", "system", "features", "level", "score", "value", "low", "high")
    ]
    assert set(scores["score"]) == {"accuracy"}
    assert set(scores["features"]) == {"gender from mfcc", "speaker from wav2vec2"}
    assert set(scores["system"]) == {"logistic · mfcc", "logistic · wav2vec2"}
    assert list(metrics) == list(SPLITS)
    for task, own in metrics.items():
        levels = dict(iter(scores[scores["task"] == task].groupby("level")))
        for level in ("chunk", "utterance"):
            assert levels[level]["split"].tolist() == SPLITS[task]
        names = [split.replace("-", "_") for split in SPLITS[task]]
        assert list(own["accuracy"]) == names
        expected = levels["utterance"]["value"].tolist()
        assert list(own["accuracy"].values()) == pytest.approx(expected, rel=1e-3)
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
