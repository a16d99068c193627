"""Whatever wrote the folds: a stage that uses them refuses what is in training and in test."""

from functools import partial

import pandas as pd
import pytest
from made_features import write_features

from speech.errors import UserError
from speech.storage.tables import write_csv, write_parquet
from stages.analyse_mfcc import analyse_mfcc
from stages.audit_split import audit_split
from stages.build_examples import build
from stages.check_params import check_params
from stages.fit import fit
from stages.fit_rejection import fit_rejection
from stages.learning_curve import learning_curve
from stages.paths import EXAMPLES, FOLDS, UTTERANCES
from stages.probe_layers import probe_layers
from stages.split_by_speaker import split_by_speaker

BY_FOLDS = {
    "analyse": ("gender", analyse_mfcc),
    "probe": ("gender", probe_layers),
    "build for gender": ("gender", partial(build, kind="mfcc")),
    "build for speaker": ("speaker", partial(build, kind="mfcc")),
}
BY_EXAMPLES = {
    "audit": ("gender", audit_split),
    "curve": ("gender", learning_curve),
    "rejection": ("speaker", fit_rejection),
    "fit for gender": ("gender", partial(fit, inputs="gender-mfcc", model="dummy")),
    "fit for speaker": ("speaker", partial(fit, inputs="speaker-mfcc", model="dummy")),
}
by_session_and_content = pytest.mark.parametrize("by", ["session", "content"])


@pytest.fixture
def params(make_params, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    quick = {"folds.gender": 2, "folds.speaker": 2, "augmentation.copies": 0, "compute.jobs": 1}
    params = make_params(**quick, **{"inputs.wav2vec2.layer": 1})
    table = write_features(["F", "M"] * 4, sessions=2, utterances=3)
    write_parquet(UTTERANCES, table.assign(content=table["utterance_id"]))
    check_params(params)
    split_by_speaker(params)
    return params


def straddling(table, task, by):
    """Have two folds share a recording, or a part of a speaker or of a session that is whole."""
    if by == "content":
        return table.assign(content="the same")
    part = table["utterance_id"].str.startswith("0-0-" if task == "gender" else "0-0-0")
    return table.assign(fold=table["fold"].where(~part, 1 - table["fold"]))


def refused(stage, params):
    with pytest.raises(UserError, match=r"^folds: .* is in folds 0 and 1"):
        stage(params)


@by_session_and_content
@pytest.mark.parametrize(("task", "stage"), BY_FOLDS.values(), ids=BY_FOLDS)
def test_what_two_folds_hold_is_refused_before_anything_is_made(params, task, stage, by):
    if by == "content":
        write_parquet(UTTERANCES, straddling(pd.read_parquet(UTTERANCES), task, by))
    else:
        table = pd.read_csv(FOLDS / f"{task}.csv")
        write_csv(FOLDS / f"{task}.csv", straddling(table, task, by))
    refused(stage, params)
    assert not EXAMPLES.exists()


@by_session_and_content
@pytest.mark.parametrize(("task", "stage"), BY_EXAMPLES.values(), ids=BY_EXAMPLES)
def test_what_examples_of_two_folds_share_is_refused(params, task, stage, by):
    build(params, "mfcc")
    place = EXAMPLES / f"{task}-mfcc/table.parquet"
    write_parquet(place, straddling(pd.read_parquet(place), task, by))
    refused(stage, params)
