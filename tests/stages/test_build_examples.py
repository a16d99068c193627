"""The stage build_examples on made-up features: a folder for every task and its features."""

import json

import pandas as pd
import pytest
from made_features import write_features

from speech.storage.examples import read_examples
from stages.build_examples import KINDS, build
from stages.paths import EXAMPLES, FOLDS, UTTERANCES

INPUTS = {
    "gender-mfcc": (2, (30 + 60 + 435 + 435,), (198, 30)),
    "gender-mfcc_pitch": (2, (30 + 60 + 435 + 435 + 5,), (198, 32)),
    "gender-wav2vec2": (0, (16,), (25, 8)),
    "speaker-mfcc": (2, (30 + 60 + 78 + 78,), (198, 30)),
    "speaker-wav2vec2": (0, (16,), (25, 8)),
}
"""Copies, and the shapes of an example in both forms."""


@pytest.fixture
def params(make_params):
    return make_params(**{"augmentation.copies": 2, "compute.jobs": 1})


@pytest.fixture
def utterances(tmp_path, monkeypatch):
    """Write features of three speakers, the last without a gender, and folds."""
    monkeypatch.chdir(tmp_path)
    table = write_features(["F", "M", None], copies=2, states=7)
    table = table.assign(content=list("abcdef"))
    table.to_parquet(UTTERANCES)
    FOLDS.mkdir()
    for task, folds in (("gender", [0, 0, 1, 1]), ("speaker", [0, 1] * 3)):
        dealt = pd.DataFrame({"utterance_id": table["utterance_id"][: len(folds)], "fold": folds})
        dealt.to_csv(FOLDS / f"{task}.csv", index=False)


def test_every_task_gets_its_examples_in_both_forms_with_labels_and_folds(utterances, params):
    words = [build(params, kind) for kind in KINDS]
    assert words[1] == "12 chunks of 6 utterances, wav2vec2"
    assert {path.name for path in EXAMPLES.iterdir()} == {*INPUTS}
    for name, (copies, *shapes) in INPUTS.items():
        task = name.split("-")[0]
        for form, shape in zip(("pooled", "frames"), shapes, strict=True):
            examples = read_examples(EXAMPLES / name, form, copies=True)
            assert examples.inputs.shape == (12, *shape)
            assert [copy.shape for copy in examples.copies] == [(12, *shape)] * copies
        of_gender = ([0] * 4 + [1] * 4 + [-1] * 4, "speaker_id", "gender")
        folds, session, label = (
            of_gender if task == "gender" else ([0, 0, 1, 1] * 3, "chapter_id", "speaker_id")
        )
        table = examples.table
        assert table["fold"].tolist() == folds
        assert table["session"].tolist() == table[session].tolist()
        assert table["label"].tolist() == table[label].tolist()
        # By which a fit knows copies.
        assert table["content"].tolist() == list("aabbccddeeff")
        spec = json.loads((EXAMPLES / name / "spec.json").read_text())
        assert ("pitch" in spec) == name.endswith("pitch")
        assert ("encoder" in spec) == name.endswith("wav2vec2")
