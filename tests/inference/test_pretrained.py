"""The gender model that comes with the project: used where there is no other, sealed, quick."""

import json
import subprocess
import sys
import tomllib
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_models import make_models

from speech import Recogniser
from speech.audio.decode import load_audio
from speech.corpus.layouts import list_recordings, locate, with_genders
from speech.errors import UserError
from speech.inference import models as found
from speech.inference.command_line import main
from speech.inference.models import PRETRAINED

ROOT = Path(__file__).parents[2]
NOTED = "models/ holds no trained models, so the gender model that comes with the project is used"


@pytest.fixture(scope="module")
def talk(tiny_corpus):
    return max(tiny_corpus.rglob("*.flac"), key=lambda file: file.stat().st_size)


@pytest.fixture
def predicted(tmp_path, monkeypatch, capsys):
    """Run the command line in an empty folder; give its status, its rows, and its complaints."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        status = main(["--format", "json", *map(str, arguments)])
        out, err = capsys.readouterr()
        return status, json.loads(out) if out else None, err

    return run


# --- when it is used ----------------------------------------------------------------------------


def test_it_is_used_where_nothing_was_trained_and_the_output_says_so(predicted, talk):
    Path("models").mkdir()
    Path("models/.gitignore").touch()
    Path("models/of_something_else.bin").touch()
    status, (answer,), err = predicted(talk)
    assert (status, answer["error"]) == (0, None)
    assert answer["gender"] in ("F", "M")
    assert 0.5 <= answer["gender_probability"] <= 1
    assert answer["speaker"] is None
    assert NOTED in err
    assert err.count("\n") == 1


def test_the_users_own_models_go_before_it_even_if_they_are_not_whole(predicted, talk, params):
    make_models(Path("models"), params)
    _, (answer,), err = predicted(talk)
    assert answer["nearest"]
    assert err == ""
    Path("models/gender-headline.json").unlink()
    # For scores it is needed last, after what may be hours.
    for arguments in ([talk], ["--labels", "nowhere.csv"]):
        status, _, err = predicted(*arguments)
        assert status == 2
        assert "models/gender-headline.json: no such file" in err


def test_named_it_needs_no_note(predicted, talk):
    status, _, err = predicted("--models", PRETRAINED, talk)
    assert (status, err) == (0, "")


@pytest.mark.parametrize("asked", [["--task", "speaker"], ["--speaker-model", "mfcc-lda"]])
def test_asked_for_a_speaker_it_says_in_a_sentence_what_to_do(predicted, talk, asked):
    status, rows, err = predicted(*asked, talk)
    assert (status, rows) == (2, None)
    assert "predicts the gender only; run `dvc repro`" in err
    assert err.count("\n") == 1


# --- what it is ---------------------------------------------------------------------------------


def test_it_is_small_and_holds_nothing_that_can_run():
    files = [file for file in PRETRAINED.rglob("*") if file.is_file()]
    kept = [file for file in files if file.suffix not in (".py", ".pyc")]
    assert {file.suffix for file in kept} == {".json", ".safetensors", ".csv"}
    assert sum(file.stat().st_size for file in kept) < 200_000


def test_its_card_has_its_scores_and_its_recordings_are_listed():
    (model,) = Recogniser(PRETRAINED).models
    scores = model.headline.scores[f"{model.features}-{model.model}"]
    accuracy, low, high = scores["utterance accuracy"]
    assert 0.95 < low < accuracy < high <= 1
    recordings = pd.read_csv(PRETRAINED / "recordings.csv", dtype=str)
    assert len(recordings) == model.card["trained_on"]["utterances"]
    assert recordings["speaker_id"].nunique() == model.card["trained_on"]["speakers"] == 146


def test_its_features_are_those_of_params(params):
    """If this fails, run pretrained/fit.py again, or say there what is to differ."""
    (model,) = Recogniser(PRETRAINED).models
    assert (model.spec.mfcc, model.spec.pitch) == (params.mfcc, params.pitch)


STARTED = """
import contextlib, io, sys, time
from speech.inference.command_line import main
with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), "utf-8")):
    assert main([sys.argv[1]]) == 0
print(time.process_time(), *{name.split(".")[0] for name in sys.modules})
"""


def test_it_starts_quickly_and_without_what_the_light_installation_lacks(talk, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", STARTED, talk],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, *modules = done.stdout.split()
    # Of one core; 2 where nobody else uses the machine.
    assert float(seconds) < 4
    heavy = {"torch", "transformers", "tensorflow", "keras", "dvc", "plotly", "espeakng_loader"}
    assert heavy.isdisjoint(modules)


# --- the light installation ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("features", "model", "absent"),
    [("wav2vec2", "logistic", ["torch", "transformers"]), ("mfcc", "cnn", ["tensorflow", "keras"])],
)
def test_a_model_that_needs_more_is_refused_with_the_command_that_brings_it(
    tmp_path, monkeypatch, params, features, model, absent
):
    models = make_models(tmp_path / "models", params)
    folder = models / f"gender-{features}" / model
    folder.mkdir(parents=True)
    (folder / "model.json").touch()
    monkeypatch.setattr(found, "find_spec", {}.get)
    with pytest.raises(UserError, match=r"pip install -e '\.\[pipeline\]'") as refused:
        Recogniser(models, tasks=["gender"], gender_model=f"{features}-{model}")
    assert " and ".join(absent) in str(refused.value)


def test_what_is_pinned_is_pinned_once_and_the_light_part_lacks_what_is_heavy():
    def pins(name):
        lines = (ROOT / name).read_text("utf-8").splitlines()
        return {line.split("==")[0] for line in lines if line and not line.startswith(("#", "-"))}

    light, rest = pins("requirements-predict.txt"), pins("requirements-pipeline.txt")
    assert not light & rest
    assert not pins("requirements.txt")
    assert {"torch", "tensorflow", "keras", "dvc", "transformers", "plotly", "pyarrow"} <= rest
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    dynamic = project["tool"]["setuptools"]["dynamic"]
    assert dynamic["dependencies"] == {"file": ["requirements-predict.txt"]}
    assert dynamic["optional-dependencies"]["pipeline"] == {"file": ["requirements-pipeline.txt"]}


# --- on real voices -----------------------------------------------------------------------------


def test_real_voices_that_it_knows_are_told_apart_and_two_of_them_are_flagged(dev_clean_20):
    """It learnt from these: what it scores on others is in its card."""
    location = locate(dev_clean_20)
    recordings = with_genders(list_recordings(location))
    files = {one.speaker_id: (location.audio / one.path, one.gender) for one in recordings}
    recogniser = Recogniser(PRETRAINED)
    answers = {name: recogniser.predict(path).summary for name, (path, _) in files.items()}
    right = [answers[name].gender == gender for name, (_, gender) in files.items()]
    assert np.mean(right) > 0.9
    assert np.mean(["several voices" in one.flags for one in answers.values()]) < 0.1
    sure = [name for name, one in answers.items() if one.gender_probability > 0.99]
    woman, man = (
        next(load_audio(files[name][0])[:128_000] for name in sure if files[name][1] == gender)
        for gender in "FM"
    )
    both = recogniser.predict_signal(np.concatenate([woman, man]), 16_000)
    assert "several voices" in both.summary.flags
    turns = [one for one in both.segments if one.gender]
    assert "".join(gender for gender, _ in groupby(one.gender for one in turns)) == "FM"
    assert (turns[0].start, turns[-1].end) == (0.0, both.summary.end)
    change = next(one.start for one in turns if one.gender == "M")
    assert change == pytest.approx(len(woman) / 16_000, abs=2.1)
