"""The stage build_examples on made-up features: a folder for every task and its features."""

import json

import numpy as np
import pandas as pd
import pytest

from speech.errors import UserError
from speech.features.feature_spec import ENCODER_FILE
from speech.features.mfcc import frame_count
from speech.features.store import Fingerprint, speaker_file, write_speaker
from speech.storage.examples import read_examples
from stages.build_examples import KINDS, build
from stages.paths import EXAMPLES, FOLDS, MFCC, PITCH, UTTERANCES, WAV2VEC2

SAMPLES, CHUNKS, STATES = 48_000, 2, 7
INPUTS = {
    "gender-mfcc": (2, (30 + 60 + 190 + 190,), (198, 30)),
    "gender-mfcc_pitch": (2, (30 + 60 + 190 + 190 + 5,), (198, 32)),
    "gender-wav2vec2": (0, (16,), (25, 8)),
    "speaker-mfcc": (2, (30 + 60 + 190 + 190,), (198, 30)),
    "speaker-wav2vec2": (0, (16,), (25, 8)),
}
"""Copies, and the shapes of an example in both forms."""


@pytest.fixture
def params(make_params):
    return make_params(**{"augmentation.copies": 2, "parallel.jobs": 1})


@pytest.fixture
def utterances(tmp_path, monkeypatch):
    """Write features of three speakers, the last without a gender, and folds."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    frames, rows = frame_count(SAMPLES), []
    for speaker, gender in (("1", "F"), ("2", "M"), ("3", None)):
        mfcc, pitch, wav2vec2 = {}, {}, {}
        for name in (f"{speaker}-1-0", f"{speaker}-2-0"):
            for copy in ("", "/copy0", "/copy1"):
                mfcc[name + copy] = random.normal(size=(frames, 60)).astype(np.float32)
            pitch[f"{name}/pitch"] = np.full((frames, 2), 0.5, dtype=np.float32)
            pooled = random.normal(size=(CHUNKS, STATES, 16)).astype(np.float32)
            sequence = random.normal(size=(CHUNKS, 25, 8)).astype(np.float16)
            wav2vec2 |= {f"{name}/pooled": pooled, f"{name}/sequence": sequence}
            rows.append((name, speaker, name.split("-")[1], gender, SAMPLES))
        for folder, tensors in ((MFCC, mfcc), (PITCH, pitch), (WAV2VEC2, wav2vec2)):
            write_speaker(speaker_file(folder, speaker), tensors, Fingerprint("", {}))
    (WAV2VEC2 / ENCODER_FILE).write_text(json.dumps({"files": {}, "states": STATES}))
    columns = ["utterance_id", "speaker_id", "chapter_id", "gender", "samples"]
    table = pd.DataFrame(rows, columns=columns)
    table.to_parquet(UTTERANCES)
    FOLDS.mkdir()
    names = table["utterance_id"]
    gender = pd.DataFrame({"utterance_id": names[:4], "fold": [0, 0, 1, 1]})
    gender.to_csv(FOLDS / "gender.csv", index=False)
    speaker = pd.DataFrame({"utterance_id": names, "fold": [0, 1] * 3})
    speaker.to_csv(FOLDS / "speaker.csv", index=False)
    return table


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
        assert examples.table["fold"].tolist() == folds
        assert examples.table["session"].tolist() == examples.table[session].tolist()
        assert examples.table["label"].tolist() == examples.table[label].tolist()
        spec = json.loads((EXAMPLES / name / "spec.json").read_text())
        assert ("pitch" in spec) == name.endswith("pitch")
        assert ("encoder" in spec) == name.endswith("wav2vec2")


@pytest.mark.parametrize(
    ("task", "folds", "content", "named"),
    [
        ("gender", [0, 1, 1, 1], "abcdef", "speaker_id 1"),
        ("gender", [0, 0, 1, 1], "abadef", "content a"),
        ("speaker", [0, 1, 0, 1, 0, 1], "aacdef", "content a"),
    ],
)
def test_folds_that_something_straddles_are_refused_before_anything_is_cut(
    utterances, params, task, folds, content, named
):
    utterances.assign(content=list(content)).to_parquet(UTTERANCES)
    names = utterances["utterance_id"][: len(folds)]
    pd.DataFrame({"utterance_id": names, "fold": folds}).to_csv(FOLDS / f"{task}.csv", index=False)
    with pytest.raises(UserError, match=f"{named} is in folds 0 and 1"):
        build(params, "mfcc")
    assert not EXAMPLES.exists()


def test_examples_carry_the_content_by_which_a_fit_knows_copies(utterances, params):
    utterances.assign(content=list("abcdef")).to_parquet(UTTERANCES)
    build(params, "wav2vec2")
    table = read_examples(EXAMPLES / "speaker-wav2vec2").table
    assert table["content"].tolist() == list("aabbccddeeff")
