"""The evaluation stage, from prediction tables to metrics and plots."""

import contextlib
import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_corpus import chunk_table
from safetensors.numpy import save_file
from scipy.special import softmax

from speech.errors import UserError
from speech.evaluation.headline import read_headline
from speech.params import FEATURES_OF
from speech.storage.predictions import utterance_level
from stages.evaluate import evaluate

TASKS = ["gender", "speaker"]
MODELS = ["dummy", "svm", "mlp"]
SPEAKERS, CHAPTERS, UTTERANCES, CHUNKS = 8, 2, 3, 2
FOLDS = 2
HEADLINE = {"gender": "mfcc", "speaker": "wav2vec2"}
TUNING = "fold,settings,log_loss,accuracy,chosen\n"
TUNED = "0,svm.C=3.0,0.5,0.8,False\nall,svm.C=9.0,0.25,0.9,True\n"
every_task = pytest.mark.parametrize("task", TASKS)


@pytest.fixture
def params(make_params):
    blocks = {f"headline_features.{task}": features for task, features in HEADLINE.items()}
    return make_params(**blocks, model="svm", models=MODELS, **{"evaluate.resamples": 100})


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Write a corpus and the predictions of every system into a folder."""
    folder = tmp_path_factory.mktemp("project")
    with contextlib.chdir(folder):
        write_predictions()
    return folder


@pytest.fixture
def predictions(project, tmp_path, monkeypatch):
    """Copy the corpus and the predictions into an empty folder, and go there."""
    shutil.copytree(project / "data", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def evaluated(project, params, monkeypatch):
    """Go to where both tasks are evaluated, once for all tests that only read."""
    monkeypatch.chdir(project)
    if not Path("metrics").exists():
        Path("line").write_text(evaluate(params))
    return Path("line").read_text()


def write_predictions():
    random = np.random.default_rng(0)
    dealt = {
        task: chunk_table(task, SPEAKERS, chapters=CHAPTERS, utterances=UTTERANCES, folds=FOLDS)
        for task in TASKS
    }
    columns = ["utterance_id", "speaker_id", "chapter_id", "gender"]
    corpus = dealt["gender"].drop_duplicates("utterance_id")[columns]
    Path("data/pitch").mkdir(parents=True)
    Path("data/external_scores.json").write_text("{}")
    corpus.assign(path="x.flac", seconds=4.0, sample_rate=16_000).to_parquet(
        "data/utterances.parquet", index=False
    )
    for speaker in corpus["speaker_id"].unique():
        contour = np.log2([[2.0 * int(speaker), 2]] * 5).astype(np.float32)
        save_file({"u/pitch": contour}, f"data/pitch/{speaker}.safetensors")
    inputs = [(task, features) for task in TASKS for features in FEATURES_OF[task]]
    for (task, features), (skill, model) in itertools.product(inputs, enumerate(MODELS)):
        folder = Path("data/predictions") / f"{task}-{features}" / model
        folder.mkdir(parents=True)
        start = 2.0 * dealt[task]["chunk"]
        rows = dealt[task].assign(start_seconds=start, end_seconds=start + 2)
        names = sorted(rows["label"].unique())
        evidence = random.normal(size=(len(rows), len(names)))
        evidence += 1.5 * skill * (np.array(names) == rows["label"].to_numpy()[:, None])
        rows[[f"p_{name}" for name in names]] = softmax(evidence, axis=1)
        rows.to_parquet(folder / "chunks.parquet", index=False)
        utterance_level(rows).to_parquet(folder / "utterances.parquet", index=False)
        curves = pd.DataFrame({"fold": [0, 0], "epoch": [1, 2], "loss": [0.7, 0.123456789]})
        curves[["validation_loss", "accuracy", "validation_accuracy"]] = 0.5
        of_networks = curves if model == "mlp" else curves.head(0)
        of_networks.to_csv(folder / "curves.csv", index=False)
        tuned = TUNED if (task, features, model) == ("gender", "mfcc", "svm") else ""
        (folder / "tuning.csv").write_text(TUNING + tuned)


def results_of(task):
    return json.loads(Path(f"data/results/{task}.json").read_text())


def plot_of(task, name):
    return pd.read_csv(f"plots/{task}/{name}.csv", dtype={"actual": str, "predicted": str})


def models_of(task, model):
    """Read the rows of one model on the headline features, as the headline's own scores."""
    models = plot_of(task, "models")
    own = models[models["system"] == f"{model} · {HEADLINE[task]}"]
    return own.drop(columns=["system", "model", "features"]).reset_index(drop=True)


def leaves(tree, path=()):
    """List the paths of all leaves, as DVC names metrics."""
    for key, value in tree.items():
        yield from leaves(value, (*path, key)) if isinstance(value, dict) else [(*path, key)]


def test_metrics_are_the_four_numbers_of_each_task(evaluated):
    for task in TASKS:
        metrics = json.loads(Path(f"metrics/{task}.json").read_text())[task]
        own = results_of(task)["utterance"]
        assert metrics == {
            "accuracy": own["accuracy"],
            "low": own["accuracy_low"],
            "high": own["accuracy_high"],
            "f1": own["f1"],
        }
    assert {path.name for path in Path("metrics").iterdir()} == {
        *("external.json", "gender.json", "speaker.json")
    }


@every_task
def test_results_hold_the_headlines_scores_by_level(evaluated, task):
    metrics, scores = results_of(task), plot_of(task, "scores").set_index(["level", "score"])
    levels = ["chunk", "utterance", "speaker"] if task == "gender" else ["chunk", "utterance"]
    assert list(metrics) == [*levels, "counts"] + ["suspects"] * (task == "gender")
    utterances = SPEAKERS * CHAPTERS * UTTERANCES
    counts = {"speakers": SPEAKERS, "utterances": utterances, "chunks": CHUNKS * utterances}
    assert metrics["counts"] == counts
    for level in levels:
        own = scores.loc[level]
        for score, value in own["value"].items():
            assert metrics[level][score] == pytest.approx(value, rel=1e-3)
        for end in ("low", "high"):
            expected = own.loc["accuracy", end]
            assert metrics[level][f"accuracy_{end}"] == pytest.approx(expected, rel=1e-3)


@every_task
def test_another_headline_changes_the_values_and_no_path(predictions, params, make_params, task):
    evaluate(params)
    before, files = results_of(task), sorted(predictions.rglob("*.*"))
    features = {"gender": "wav2vec2", "speaker": "mfcc"}[task]
    other = {"model": "dummy", "models": MODELS, f"headline_features.{task}": features}
    evaluate(make_params(**other))
    after = results_of(task)
    headline = json.loads(Path(f"models/{task}-headline.json").read_text())
    assert headline["folder"] == f"{task}-{features}/dummy"
    assert list(leaves(after)) == list(leaves(before))
    assert after["utterance"]["accuracy"] != before["utterance"]["accuracy"]
    assert sorted(predictions.rglob("*.*")) == files
    names = " ".join(".".join(path) for path in leaves(after))
    assert not any(name in names for name in [*MODELS, "mfcc", "wav2vec2"])


@every_task
def test_every_model_is_compared_on_all_features_there_and_beside_the_models(
    predictions, params, task
):
    own = {"corpus": "/home/ann/interviews/table.csv", "encoder": "/home/ann/my-encoder"}
    evaluate(params.model_copy(update=own))
    models = plot_of(task, "models")
    assert list(models.columns) == [
        *("system", "model", "features", "level", "score", "value", "low", "high")
    ]
    assert set(models["system"]) == {f"{m} · {f}" for m in MODELS for f in FEATURES_OF[task]}
    pd.testing.assert_frame_equal(models_of(task, "svm"), plot_of(task, "scores"))
    headline = read_headline(Path("models"), task)
    rows = models.set_index(["features", "model", "level", "score"])[["value", "low", "high"]]
    for name, scores in headline.scores.items():
        for score, interval in scores.items():
            row = rows.loc[(*name.split("-"), *score.split())]
            assert interval == pytest.approx(row.tolist())
    assert len(headline.scores) == len(MODELS) * len(FEATURES_OF[task])
    picks = plot_of(task, "picked")
    assert set(picks["model"]) == {"svm"}, "the only candidate"
    assert picks["picked"].all()
    # Models travel; whose disk the corpus lay on does not concern who gets them.
    assert (headline.corpus, headline.encoder) == ("table.csv", "my-encoder")


@every_task
def test_confusion_speakers_and_genders_add_up_to_the_headlines_accuracy(evaluated, task):
    metrics, confusion = results_of(task)["utterance"], plot_of(task, "confusion")
    right = confusion["actual"] == confusion["predicted"]
    assert len(confusion) == SPEAKERS * CHAPTERS * UTTERANCES
    assert right.mean() == pytest.approx(metrics["accuracy"], rel=1e-3)
    speakers, genders = plot_of(task, "speakers"), plot_of(task, "genders")
    # All have equally many utterances and chunks.
    means = speakers.groupby("gender")[["chunk_accuracy", "utterance_accuracy"]].mean()
    for row in genders.itertuples():
        assert row.value == pytest.approx(means.loc[row.gender, f"{row.level}_accuracy"], abs=1e-5)
        assert row.speakers == SPEAKERS / 2
        assert row.low <= row.value <= row.high
    by_utterance = genders[genders["level"] == "utterance"].set_index("gender")["value"]
    assert by_utterance.mean() == pytest.approx(metrics["accuracy"], rel=1e-3)
    for gender in "FM":
        assert metrics[f"accuracy_{gender}"] == pytest.approx(by_utterance[gender], rel=1e-3)


@every_task
def test_reliability_covers_every_system_and_holds_the_headlines_error(evaluated, task):
    bins, metrics = plot_of(task, "reliability"), results_of(task)["utterance"]
    assert bins["system"].nunique() == len(FEATURES_OF[task]) * len(MODELS)
    own = bins[bins["system"] == f"svm · {HEADLINE[task]}"]
    assert own["rows"].sum() == SPEAKERS * CHAPTERS * UTTERANCES
    error = np.average((own["value"] - own["confidence"]).abs(), weights=own["rows"])
    assert metrics["expected_calibration_error"] == pytest.approx(error, rel=1e-3)
    for name in ("expected_calibration_error", "calibration_error_by_chance"):
        (value,) = set(own[name])
        assert metrics[name] == pytest.approx(value, rel=1e-3)


@every_task
def test_accuracy_by_duration_goes_from_a_chunk_to_the_utterance(evaluated, task):
    values = plot_of(task, "by_duration").set_index("duration")["value"]
    chunk, utterance = (results_of(task)[level]["accuracy"] for level in ("chunk", "utterance"))
    expected = {"2 s": chunk, "4 s": utterance, "utterance": utterance}
    assert values.to_dict() == pytest.approx(expected, rel=1e-3)


@every_task
def test_the_best_model_is_picked_from_all_on_the_headline_features(predictions, params, task):
    line = evaluate(params.model_copy(update={"model": "best"}))
    picks = plot_of(task, "picked")
    assert set(picks["model"]) == set(MODELS)
    assert set(picks["fold"]) == {"all", *map(str, range(FOLDS))}
    # The one made up with the most skill.
    assert picks.loc[picks["picked"], "model"].tolist() == ["mlp"] * (FOLDS + 1)
    headline = json.loads(Path(f"models/{task}-headline.json").read_text())
    assert headline["folder"] == f"{task}-{HEADLINE[task]}/mlp"
    assert (headline["model"], headline["features"]) == ("mlp", HEADLINE[task])
    pd.testing.assert_frame_equal(models_of(task, "mlp"), plot_of(task, "scores"))
    assert f"for best · {HEADLINE[task]} on" in line
    assert "picked by the other folds: mlp in 2 of 2, to keep: mlp" in line


def test_curves_hold_both_parts_of_every_network_and_of_nothing_else(evaluated):
    curves = plot_of("gender", "curves")
    assert list(curves.columns) == ["system", "fold", "epoch", "part", "loss", "accuracy"]
    assert set(curves["system"]) == {"mlp · mfcc", "mlp · mfcc_pitch", "mlp · wav2vec2"}
    own = curves[curves["system"] == "mlp · mfcc"].set_index(["part", "epoch"])
    assert own.loc[("training", 2), "loss"] == 0.123457
    assert own.loc[("validation", 2), ["loss", "accuracy"]].tolist() == [0.5, 0.5]


def test_what_was_tuned_is_gathered_from_all_systems(evaluated):
    lines = [f"svm · mfcc,{row}" for row in TUNED.splitlines()]
    written = Path("plots/gender/tuning.csv").read_text().splitlines()
    assert written == [f"system,{TUNING.strip()}", *lines]


def test_models_no_longer_wanted_are_removed_and_without_networks_curves_are_a_header(
    predictions, params
):
    evaluate(params.model_copy(update={"tasks": ["speaker"], "models": ["svm"]}))
    assert set(plot_of("speaker", "models")["model"]) == {"svm"}
    # What DVC hashes is the same as if they had never been, of a task that was not asked for too.
    assert {path.name for path in Path("data/predictions").glob("*/*")} == {"svm"}
    for name, header in (
        ("curves", "system,fold,epoch,part,loss,accuracy\n"),
        ("tuning", f"system,{TUNING}"),
    ):
        assert Path(f"plots/speaker/{name}.csv").read_text() == header


def test_the_closing_line_names_the_headline_its_interval_and_its_speakers(evaluated):
    scores = plot_of("gender", "scores").set_index(["level", "score"])
    accuracy, low, high = 100 * scores.loc[("utterance", "accuracy")]
    gender, speaker = evaluated.split(". ")
    assert gender == (
        f"gender: utterance accuracy {accuracy:.1f} % [{low:.1f}, {high:.1f}] for svm · mfcc "
        f"on {SPEAKERS} speakers not in training; 9 systems compared"
    )
    assert "svm · wav2vec2 on 8 speakers, in chapters not in training" in speaker


def write_certain_predictions(wrong=()):
    """Let every system but the baseline predict all genders, but for the speakers in ``wrong``."""
    for folder in Path("data/predictions").glob("gender-*/*"):
        for level in ("chunks", "utterances"):
            path = folder / f"{level}.parquet"
            table = pd.read_parquet(path)
            number = pd.factorize(table["speaker_id"])[0]
            of_label = np.where(table["speaker_id"].isin(wrong), 0.05, 0.9 + 0.01 * number)
            women = np.where(table["label"] == "F", of_label, 1 - of_label)
            if "dummy" in folder.name:
                women = 0.45
            table.assign(p_F=women, p_M=1 - women).to_parquet(path, index=False)


def test_speakers_whose_label_no_system_predicts_are_named_as_suspects(predictions, params):
    write_certain_predictions(wrong=["103"])
    line = evaluate(params)
    audit = plot_of("gender", "suspects")
    assert audit.loc[audit["suspect"], "speaker_id"].tolist() == [103]
    assert len(audit) == SPEAKERS
    # The naive baseline is not among them.
    assert set(audit["systems"]) == {6}
    assert audit["median_f0_hz"].tolist() == (2.0 * audit["speaker_id"]).tolist()
    assert results_of("gender")["suspects"] == 1
    assert "; look at the labels of 103: suspects, not verdicts" in line
    # Nor is anybody where all labels are predicted, or where the baseline is alone.
    write_certain_predictions()
    for models in (MODELS, ["dummy"]):
        chosen = {"model": models[0], "models": models}
        assert "suspects" not in evaluate(params.model_copy(update=chosen))
        assert results_of("gender")["suspects"] == 0


@every_task
def test_missing_predictions_are_named_before_anything_is_written(predictions, params, task):
    shutil.rmtree(f"data/predictions/{task}-mfcc/mlp")
    with pytest.raises(UserError, match=rf"data/predictions/{task}-mfcc/mlp.*dvc repro"):
        evaluate(params)
    assert not Path("metrics").exists()
    assert not Path("models").exists()


def test_a_headline_that_was_not_asked_about_the_other_corpus_is_one_sentence(predictions, params):
    Path("data/external_scores.json").write_text('{"gender": {"systems": []}}')
    with pytest.raises(
        UserError, match=r"external_scores\.json: has no \w+ on mfcc; run `dvc repr"
    ):
        evaluate(params)
    assert not Path("metrics").exists()
