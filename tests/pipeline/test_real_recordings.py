"""Twenty real speakers, none of them in training: the promise on real recordings."""

import json

import numpy as np
import pandas as pd
import pytest


@pytest.fixture(scope="module")
def project(dev_clean_20, new_project, tmp_path_factory):
    """Index and split real recordings; features come later, of as many as a test needs."""
    project = new_project(tmp_path_factory.mktemp("real") / "project")
    project.set(corpus=str(dev_clean_20), models=["lda"], model="lda")
    # One worker: those of an earlier stage in this process would work in another folder.
    project.set(**{"folds.gender": 5, "folds.speaker": 3, "compute.jobs": 1})
    project.stages("check_params", "fetch_corpus", "index_corpus", "split_by_speaker")
    return project


def test_the_corpus_is_what_it_is_known_to_be(project):
    corpus, split = (
        json.loads((project.root / "data/results" / f"{name}.json").read_text("utf-8"))
        for name in ("corpus", "split")
    )
    known = {"utterances": 1313, "speakers": 20, "chapters": 48}
    assert known.items() <= corpus.items()
    assert corpus["minutes"] == pytest.approx(162, abs=1)
    assert corpus["female"]["speakers"] == 9
    assert corpus["male"]["speakers"] == 11
    assert corpus["rejected"]["files"] == 0
    assert split["gender"]["speakers"] == 20
    known = {"speakers": 16, "speakers_left_out": 4, "left_out": "1919, 2078, 422, 777"}
    assert known.items() <= split["speaker"].items()


def test_the_gender_of_speakers_not_in_training_from_a_minute_of_their_mfcc(project):
    project.set(**{"subset.minutes_per_speaker": 1.0})
    before = ["index_corpus", "split_by_speaker", "extract_mfcc", "extract_pitch"]
    project.stages(*before, "build_examples mfcc", "fit gender-mfcc lda")
    folder = project.root / "data/predictions/gender-mfcc/lda"
    utterances = pd.read_parquet(folder / "utterances.parquet")
    assert len(utterances[["speaker_id", "fold"]].drop_duplicates()) == 20
    predicted = np.where(utterances["p_F"] > 0.5, "F", "M")
    assert 0.75 < (predicted == utterances["label"]).mean() < 0.995
