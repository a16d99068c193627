"""Corpora on which one task alone can be asked for: every stage copes, and says what was not."""

import contextlib
import json
from pathlib import Path

import pandas as pd
import pytest
from made_features import write_features

from speech.errors import UserError
from speech.evaluation.headline import read_headline, trained_tasks
from speech.params import FEATURES_OF
from stages import fit_rejection as rejection
from stages.analyse_mfcc import analyse_mfcc
from stages.audit_split import audit_split
from stages.build_examples import KINDS, build
from stages.check_params import check_params
from stages.evaluate import evaluate
from stages.extract_pitch import extract_pitch
from stages.fit import INPUTS, fit
from stages.learning_curve import learning_curve
from stages.paths import EXAMPLES, FOLDS, MODELS, PITCH, PLOTS, RESULTS, UTTERANCES
from stages.probe_layers import probe_layers
from stages.reduce_and_cluster import reduce_and_cluster
from stages.split_by_speaker import split_by_speaker
from stages.validate_externally import validate_externally
from stages.verify_speakers import verify_speakers

CORPORA = {
    "no gender on record": ("speaker", [None] * 4, 2),
    "one gender": ("speaker", ["F"] * 4, 2),
    "two speakers": ("speaker", [None] * 2, 2),
    "one session each": ("gender", ["F", "M"] * 4, 1),
}
"""The task that can be asked for, the speakers' genders, and how many sessions each has."""

OTHER = {"gender": "speaker", "speaker": "gender"}
SETTINGS = {
    **{"model": "logistic", "models": ["logistic"], "folds.gender": 2, "folds.speaker": 2},
    **{"augmentation.copies": 0, "learning_curve.draws": 1, "compute.jobs": 1},
    **{"evaluate.resamples": 100, "inputs.wav2vec2.layer": 1},
}
NOT_ASKED = "task was not asked for (tasks in params.yaml): its outputs are empty"


@pytest.fixture(scope="module", params=CORPORA)
def finished(request, tmp_path_factory, make_params):
    """Run all stages from the folds to the models, once for all tests, which only read."""
    task, genders, sessions = CORPORA[request.param]
    folder, params = tmp_path_factory.mktemp("project"), make_params(**SETTINGS, tasks=[task])
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patched:
        patched.setattr(rejection, "_measure_speech", lambda *_: {"speech_false_rejection": 0.0})
        write_features(genders, sessions=sessions, utterances=3)
        return folder, task, run_stages(params, OTHER[task])


def run_stages(params, other):
    """Give the closing lines of all stages, where a run of both tasks has left files."""
    for place in (EXAMPLES / f"{other}-mfcc", MODELS / f"{other}-mfcc/logistic", PLOTS / other):
        place.mkdir(parents=True)
        (place / "of an earlier run").touch()
    check_params(params)
    lines = {"split": split_by_speaker(params)}
    if other == "gender":
        lines["pitch"] = extract_pitch(params)
    lines |= {kind: build(params, kind) for kind in KINDS}
    lines |= {inputs: fit(params, inputs, "logistic") for inputs in INPUTS}
    validate_externally(params)
    lines |= dict(zip(FEATURES_OF, evaluate(params).split(". "), strict=True))
    stages = (analyse_mfcc, reduce_and_cluster, probe_layers, audit_split, learning_curve)
    for stage in (*stages, verify_speakers, rejection.fit_rejection):
        lines[stage.__name__] = stage(params)
    return lines


@pytest.fixture
def run(finished, monkeypatch):
    """Go to where all has run; give the task, the other one, and the closing lines."""
    folder, task, lines = finished
    monkeypatch.chdir(folder)
    return task, OTHER[task], lines


def document(name):
    return json.loads((RESULTS / f"{name}.json").read_text("utf-8"))


def rows_of(name):
    return len(pd.read_csv(PLOTS / f"{name}.csv"))


def test_the_task_that_was_asked_for_is_done_and_the_other_left_empty_and_said_to_be(run):
    task, other, lines = run
    about_other = [lines[other], *(lines[inputs] for inputs in INPUTS if inputs.startswith(other))]
    about_other.append(lines["learning_curve" if other == "gender" else "verify_speakers"])
    about_other += [lines["pitch"]] if other == "gender" else []
    assert set(about_other) == {f"the {other} {NOT_ASKED}"}
    assert lines["split"].endswith(f"not asked for (tasks in params.yaml): {other}")
    for kind in KINDS:
        assert f"the {other} {NOT_ASKED}" in lines[kind]

    assert (FOLDS / f"{other}.csv").read_text() == "utterance_id,fold\n"
    left = [PLOTS / other, *(f for f in EXAMPLES.iterdir() if f.name.startswith(other))]
    left += [PITCH] if other == "gender" else []
    left += [MODELS / inputs / "logistic" for inputs in INPUTS if inputs.startswith(other)]
    for folder in left:
        assert folder.is_dir()
        assert not any(folder.iterdir())
    files = [path for path in Path().rglob("*") if path.is_file() and f"/{other}-" in f"/{path}"]
    assert files == [MODELS / f"{other}-headline.json"]

    assert document(other) == json.loads(Path(f"metrics/{other}.json").read_text()) == {}
    for name, stage in (("layers", "probe_layers"), ("split_audit", "audit_split")):
        assert list(document(name)) == [task]
        assert f"{task} " in lines[stage]
    split = document("split")
    assert (split["not_asked"], set(split)) == (other, {task, "not_asked"})
    assert 0 <= document(task)["utterance"]["accuracy"] <= 1


def test_what_is_about_genders_alone_or_speakers_alone_goes_with_its_task(run):
    task, _, lines = run
    verification = document("verification")
    speakers = pd.read_parquet(UTTERANCES)["speaker_id"].nunique()
    assert f"of {speakers} speakers" in lines["analyse_mfcc"]
    assert rows_of("mfcc/density") > 0
    enough = task == "speaker" and speakers >= 4
    assert bool(verification) == bool(rows_of("det")) == enough
    if enough:
        assert list(verification) == ["mfcc", "wav2vec2", "counts"]
        assert verification["counts"]["speakers"] == speakers
    elif task == "speaker":
        assert "fewer than four speakers" in lines["verify_speakers"]
    for table in ("learning_curve", "mfcc/correlation", "mfcc/normalisations"):
        assert bool(rows_of(table)) == (task == "gender")
    assert ("not compared" in lines["analyse_mfcc"]) == (task == "speaker")
    described = set(pd.read_csv(PLOTS / "mfcc/distributions.csv")["gender"])
    assert described == ({"all"} if task == "speaker" else {"F", "M"})
    assert lines["fit_rejection"].endswith("not asked for") == (task == "gender")
    assert "with the speaker" in lines["reduce_and_cluster"]
    assert ("with the gender" in lines["reduce_and_cluster"]) == (task == "gender")


def test_the_folder_of_models_names_the_tasks_that_it_was_trained_for(run):
    task, other, _ = run
    assert trained_tasks(MODELS) == [task]
    assert read_headline(MODELS, task).model == "logistic"
    with pytest.raises(UserError, match=f"no model for {other}, because only {task} was asked for"):
        read_headline(MODELS, other)
