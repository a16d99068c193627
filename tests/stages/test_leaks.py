"""Whatever wrote the folds: a stage that uses them refuses what is in training and in test."""

import pandas as pd
import pytest
from made_features import write_features

from speech.errors import UserError
from speech.storage.tables import write_parquet
from stages.analyse_mfcc import analyse_mfcc
from stages.audit_split import audit_split
from stages.build_examples import KINDS, build
from stages.check_params import check_params
from stages.fit_rejection import fit_rejection
from stages.learning_curve import learning_curve
from stages.paths import EXAMPLES, FOLDS
from stages.probe_layers import probe_layers
from stages.split_by_speaker import split_by_speaker

BY_FOLDS = {"analyse": analyse_mfcc, "probe": probe_layers}
BY_EXAMPLES = {
    "audit": (audit_split, "gender-mfcc"),
    "curve": (learning_curve, "gender-mfcc"),
    "rejection": (fit_rejection, "speaker-mfcc"),
}


@pytest.fixture
def params(make_params, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    quick = {"folds.gender": 2, "folds.speaker": 2, "augmentation.copies": 0, "compute.jobs": 1}
    params = make_params(**quick, **{"inputs.wav2vec2.layer": 1})
    write_features(["F", "M"] * 4, sessions=2, utterances=3)
    check_params(params)
    split_by_speaker(params)
    return params


@pytest.mark.parametrize("name", BY_FOLDS)
def test_a_speaker_in_two_folds_is_refused(params, name):
    table = pd.read_csv(FOLDS / "gender.csv", dtype={"utterance_id": str})
    table.loc[0, "fold"] = 1 - table.loc[0, "fold"]
    table.to_csv(FOLDS / "gender.csv", index=False)
    with pytest.raises(UserError, match=r"^folds: .* is in folds 0 and 1"):
        BY_FOLDS[name](params)


@pytest.mark.parametrize("name", BY_EXAMPLES)
def test_a_session_of_examples_in_two_folds_is_refused(params, name):
    stage, inputs = BY_EXAMPLES[name]
    for kind in KINDS:
        build(params, kind)
    place = EXAMPLES / inputs / "table.parquet"
    table = pd.read_parquet(place)
    moved = table["utterance_id"] == table["utterance_id"][0]
    table.loc[moved, "fold"] = 1 - table.loc[moved, "fold"]
    write_parquet(place, table)
    with pytest.raises(UserError, match=r"^folds: .* is in folds 0 and 1"):
        stage(params)
