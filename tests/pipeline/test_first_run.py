"""A fresh clone, one command, and everything is there; a second time, nothing is done."""

import json
import os
import re
from itertools import product
from pathlib import Path

import pandas as pd
import pytest
import yaml

TASKS = ["gender", "speaker"]
METRICS = [*TASKS, "external"]
MODELS = ["svm", "cnn"]
INPUTS = {
    "gender": ["mfcc", "mfcc_pitch", "wav2vec2"],
    "speaker": ["mfcc", "wav2vec2"],
}
FITS = [f"{t}-{f}-{model}" for t in TASKS for f, model in product(INPUTS[t], MODELS)]
REEVALUATED = ["check_params", "evaluate", "report"]


def metrics(project, name):
    return json.loads((project.root / "data/results" / f"{name}.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def stages(finished):
    """List the stages of dvc.yaml, those of a matrix one by one."""
    return finished.dvc("stage", "list", "--name-only").out.split()


def test_one_command_runs_every_stage(first_run, stages):
    _, result = first_run
    assert set(result.stages_run) == set(stages)
    assert len(result.stages_run) == len(stages) > 25


def test_every_stage_ends_with_one_line_that_says_what_it_made(first_run, stages):
    _, result = first_run
    for stage in stages:
        part = result.out.split(f"Running stage '{stage}':")[1].split("Running stage")[0]
        (script,) = re.findall(r"^> python stages/(\w+)\.py", part, re.MULTILINE)
        assert len(re.findall(rf"^{script}: \S.+ \(\d+\.\d s\)$", part, re.MULTILINE)) == 1, part


def test_a_log_holds_no_progress_bars_warnings_or_chatter(first_run):
    _, result = first_run
    assert "\r" not in result.out + result.err
    for noise in ("%|", "it/s", "Warning", "Traceback", "tensorflow", "oneDNN"):
        assert noise not in result.out + result.err, noise


def lock(project):
    return yaml.safe_load((project.root / "dvc.lock").read_text("utf-8"))


def test_all_outputs_are_there_and_whole(finished):
    outs = [out["path"] for stage in lock(finished)["stages"].values() for out in stage["outs"]]
    assert len(outs) > 40
    for out in outs:
        path = finished.root / out
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        assert files, out
        assert all(file.stat().st_size > 0 for file in files), out
    # Nothing else lies about, such as a temporary file.
    behind_links = ("inline_overrides.csv", "no_external", "sample_corpus", "sample_encoder")
    homes = [Path(out) for out in outs] + [Path("data") / name for name in behind_links]
    stray = [file for file in finished.made() if not any(map(file.is_relative_to, homes))]
    assert stray == []
    assert [file for file in finished.made() if file.name.startswith(".")] == []


def test_git_knows_the_metrics_and_the_lock_but_no_data(finished):
    tracked = finished.must("git", "ls-files").out.splitlines()
    assert "dvc.lock" in tracked
    assert {f"metrics/{name}.json" for name in METRICS} <= set(tracked)
    made = [file for file in tracked if file.endswith((".parquet", ".safetensors"))]
    assert not [file for file in made if not file.startswith("pretrained/")]
    made = [file for file in tracked if file.startswith(("data/", "models/", "plots/"))]
    assert made == ["data/.gitignore", "plots/.gitignore"]
    assert finished.must("git", "status", "--porcelain").out == ""


def leaves(tree, path=""):
    for key, value in tree.items():
        here = f"{path}.{key}" if path else key
        if isinstance(value, dict):
            yield from leaves(value, here)
        else:
            yield here, value


@pytest.mark.parametrize("name", FITS)
def test_every_utterance_of_a_task_is_predicted_once_with_its_true_label(finished, name):
    task = name.split("-")[0]
    folder = finished.root / "data/predictions" / "/".join(name.rsplit("-", 1))
    predictions = pd.read_parquet(folder / "utterances.parquet")
    folds = pd.read_csv(finished.root / f"data/folds/{task}.csv")
    corpus = pd.read_parquet(finished.root / "data/utterances.parquet")
    merged = predictions.merge(folds, on="utterance_id", suffixes=("", "_dealt"))
    assert len(merged) == len(predictions) == len(folds)
    assert (merged["fold"] == merged["fold_dealt"]).all()
    truth = corpus.set_index("utterance_id")["gender" if task == "gender" else "speaker_id"]
    assert (predictions["label"] == predictions["utterance_id"].map(truth)).all()
    probabilities = predictions[[column for column in predictions if column.startswith("p_")]]
    assert probabilities.shape[1] == (2 if task == "gender" else 8)
    assert probabilities.sum(axis=1).sub(1).abs().max() < 1e-4


def test_all_stages_in_one_process_at_another_place_make_the_same_bytes(
    first_run, new_project, tmp_path
):
    project, result = first_run
    assert len(result.commands) == len(result.stages_run)
    other = new_project(tmp_path / "another" / "place")
    other.environment.update(PYTHONHASHSEED="7", TZ="Asia/Kathmandu", LC_ALL="C")
    other.straight_on(*result.commands)
    assert other.changed(project.made()) == []


def test_a_second_repro_runs_nothing_and_is_quick(finished):
    before = os.times()
    result = finished.dvc("repro")
    after = os.times()
    assert result.stages_run == []
    assert "up to date" in result.out
    # Of one core, however busy the machine is.
    assert after.children_user - before.children_user < 5
    assert finished.must("git", "status", "--porcelain").out == ""


def test_metrics_show_lists_every_metrics_file(finished):
    result = finished.dvc("metrics", "show", "--json")
    data = json.loads(result.out)[""]["data"]
    assert set(data) == {f"metrics/{name}.json" for name in METRICS}
    assert all("error" not in entry for entry in data.values())
    lines = finished.dvc("metrics", "show").out.splitlines()
    assert "gender.accuracy" in lines[0]
    assert max(map(len, lines)) <= 160


def test_every_plot_has_the_columns_it_is_drawn_from(finished):
    plots = yaml.safe_load((finished.root / "dvc.yaml").read_text("utf-8"))["plots"]
    for plot in plots:
        ((_, about),) = plot.items()
        for file, y in about["y"].items():
            assert {about["x"], y} <= set(pd.read_csv(finished.root / file).columns)


@pytest.mark.parametrize("task", TASKS)
def test_the_headline_is_named_beside_the_models(finished, task):
    params = yaml.safe_load((finished.root / "params.yaml").read_text("utf-8"))
    models = finished.root / "models"
    named = json.loads((models / f"{task}-headline.json").read_text("utf-8"))["folder"]
    assert named == f"{task}-{params['headline_features'][task]}/{params['model']}"
    assert (models / named / "model.json").is_file()


def test_how_the_work_is_spread_reruns_nothing_but_the_check(project):
    project.set(**{"compute.jobs": 2, "wav2vec2.batch_size": 3})
    # The page lists all of params.yaml.
    assert project.dvc("repro").stages_run == ["check_params", "report"]


def test_another_headline_model_is_evaluated_without_a_refit(project):
    before = {task: metrics(project, task) for task in TASKS}
    result = project.dvc("exp", "run", "--set-param", "model=cnn")
    assert sorted(result.stages_run) == REEVALUATED
    for task in TASKS:
        after = metrics(project, task)
        assert [key for key, _ in leaves(after)] == [key for key, _ in leaves(before[task])]
        assert after["utterance"]["log_loss"] != before[task]["utterance"]["log_loss"]
        assert after["counts"] == before[task]["counts"]
