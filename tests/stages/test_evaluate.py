"""The evaluation stage, from prediction tables to metrics and plots."""

import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from speech.errors import UserError
from speech.evaluation.headline import read_headline
from speech.params import FEATURES_OF, HeadlineFeatures, load_params
from speech.predictions import predicted_classes, utterance_level
from stages.evaluate import evaluate

ROOT = Path(__file__).parents[2]
TASKS = ["gender", "speaker"]
MODELS = ["dummy", "svm", "mlp"]
SPEAKERS, CHAPTERS, UTTERANCES, CHUNKS = 6, 2, 3, 2
FOLDS = 2


@pytest.fixture
def params():
    params = load_params(ROOT / "params.yaml")
    return params.model_copy(
        update={
            "model": "svm",
            "models": MODELS,
            "headline_features": HeadlineFeatures(gender="mfcc", speaker="wav2vec2"),
            "evaluate": params.evaluate.model_copy(update={"resamples": 100}),
        }
    )


@pytest.fixture
def predictions(tmp_path, monkeypatch):
    """Write a corpus and everybody's predictions into an empty folder, and go there."""
    monkeypatch.chdir(tmp_path)
    corpus = pd.DataFrame(
        [
            (f"{speaker}-{chapter}-{number:04d}", str(speaker), f"{speaker}{chapter}")
            for speaker in range(100, 100 + SPEAKERS)
            for chapter in range(CHAPTERS)
            for number in range(UTTERANCES)
        ],
        columns=["utterance_id", "speaker_id", "chapter_id"],
    )
    corpus["gender"] = ["FM"[int(speaker) % 2] for speaker in corpus["speaker_id"]]
    Path("data").mkdir()
    corpus.assign(path="x.flac", seconds=4.0, sample_rate=16_000).to_parquet(
        "data/utterances.parquet", index=False
    )
    Path("data/pitch").mkdir()
    for speaker in corpus["speaker_id"].unique():
        contour = np.log2([[2.0 * int(speaker), 2]] * 5).astype(np.float32)
        save_file({"u/pitch": contour}, f"data/pitch/{speaker}.safetensors")
    random = np.random.default_rng(0)
    systems = itertools.product(TASKS, ("mfcc", "mfcc_pitch", "wav2vec2"), enumerate(MODELS))
    for task, features, (skill, model) in systems:
        folder = Path("data/predictions") / task / f"{features}-{model}"
        folder.mkdir(parents=True)
        label = corpus["gender" if task == "gender" else "speaker_id"]
        fold = corpus["speaker_id"].astype(int) // 2 if task == "gender" else corpus["chapter_id"]
        rows = corpus.drop(columns="gender").assign(fold=fold.astype(int) % FOLDS, label=label)
        rows = rows.loc[np.repeat(rows.index, CHUNKS)].reset_index(drop=True)
        names = sorted(label.unique())
        evidence = random.normal(size=(len(rows), len(names)))
        evidence += 1.5 * skill * (np.array(names) == rows["label"].to_numpy()[:, None])
        weight = np.exp(evidence)
        columns = [f"p_{name}" for name in names]
        rows[columns] = weight / weight.sum(axis=1, keepdims=True)
        chunk = np.tile(np.arange(CHUNKS), len(corpus))
        chunks = rows.assign(chunk=chunk, start_seconds=2.0 * chunk, end_seconds=2.0 * chunk + 2)
        chunks.to_parquet(folder / "chunks.parquet", index=False)
        halves = chunks[chunk == 0].assign(start_seconds=1.5, end_seconds=2.5)
        halves.to_parquet(folder / "halves.parquet", index=False)
        utterance_level(rows).to_parquet(folder / "utterances.parquet", index=False)
        if model != "dummy":
            curves = pd.DataFrame(
                {
                    "fold": [0, 0],
                    "epoch": [1, 2],
                    "loss": [0.7, 0.123456789],
                    "validation_loss": [0.8, 0.5],
                    "accuracy": [0.5, 0.9],
                    "validation_accuracy": [0.5, 0.7],
                }
            )
            of_networks = curves if model == "mlp" else curves.head(0)
            of_networks.to_csv(folder / "curves.csv", index=False)
    return tmp_path


def metrics_of(task):
    return json.loads(Path(f"metrics/{task}.json").read_text())


def plot_of(task, name):
    return pd.read_csv(f"plots/{task}/{name}.csv", dtype={"actual": str, "predicted": str})


def leaves(tree, path=()):
    """List the paths of all leaves, as DVC names metrics."""
    for key, value in tree.items():
        yield from leaves(value, (*path, key)) if isinstance(value, dict) else [(*path, key)]


@pytest.mark.parametrize("task", TASKS)
def test_metrics_hold_the_headlines_scores_by_level(predictions, params, task):
    evaluate(params, task)
    told = metrics_of(task)
    levels = ["chunk", "utterance", "speaker"] if task == "gender" else ["chunk", "utterance"]
    assert list(told) == [*levels, "counts"] + ["suspects"] * (task == "gender")
    assert told["counts"] == {
        "speakers": SPEAKERS,
        "utterances": SPEAKERS * CHAPTERS * UTTERANCES,
        "chunks": SPEAKERS * CHAPTERS * UTTERANCES * CHUNKS,
    }
    for level in levels:
        assert told[level]["accuracy_low"] <= told[level]["accuracy"]
        assert told[level]["accuracy"] <= told[level]["accuracy_high"]
        assert {"balanced_accuracy", "precision", "recall", "f1", "roc_auc", "log_loss"} < set(
            told[level]
        )
        assert all(value == float(f"{value:.6g}") for value in told[level].values())


@pytest.mark.parametrize("task", TASKS)
def test_another_headline_changes_the_values_and_no_path(predictions, params, task):
    evaluate(params, task)
    before, files = metrics_of(task), sorted(predictions.rglob("*.*"))
    other = {
        "model": "dummy",
        "headline_features": HeadlineFeatures(gender="wav2vec2", speaker="mfcc"),
    }
    evaluate(params.model_copy(update=other), task)
    after = metrics_of(task)
    pointed = json.loads(Path(f"models/{task}-headline.json").read_text())
    assert pointed["folder"] == f"{task}-{pointed['features']}-dummy"
    assert list(leaves(after)) == list(leaves(before))
    assert after["utterance"]["accuracy"] != before["utterance"]["accuracy"]
    assert sorted(predictions.rglob("*.*")) == files
    names = " ".join(".".join(path) for path in leaves(after))
    assert not any(name in names for name in [*MODELS, "mfcc", "wav2vec2"])


@pytest.mark.parametrize("task", TASKS)
def test_beside_the_models_stands_how_good_each_of_them_is(predictions, params, task):
    own = {"corpus": "/home/ann/interviews/table.csv", "encoder": "/home/ann/my-encoder"}
    evaluate(params.model_copy(update=own), task)
    headline = read_headline(Path("models"), task)
    models = plot_of(task, "models").set_index(["features", "model", "level", "score"])
    for features in FEATURES_OF[task]:
        for model in MODELS:
            told = headline.scores[f"{features}-{model}"]["utterance accuracy"]
            row = models.loc[(features, model, "utterance", "accuracy"), ["value", "low", "high"]]
            assert told == pytest.approx(row.tolist())
    # Models travel; whose disk the corpus lay on does not concern who gets them.
    assert (headline.corpus, headline.encoder) == ("table.csv", "my-encoder")


@pytest.mark.parametrize("task", TASKS)
def test_models_csv_compares_every_model_on_both_features(predictions, params, task):
    evaluate(params, task)
    models = plot_of(task, "models")
    assert list(models.columns) == [
        *("system", "model", "features", "level", "score", "value", "low", "high")
    ]
    assert set(models["system"]) == {f"{m} · {f}" for m in MODELS for f in FEATURES_OF[task]}
    headline = "svm · mfcc" if task == "gender" else "svm · wav2vec2"
    own = models[models["system"] == headline].drop(columns=["system", "model", "features"])
    pd.testing.assert_frame_equal(own.reset_index(drop=True), plot_of(task, "scores"))


@pytest.mark.parametrize("task", TASKS)
def test_confusion_and_speakers_tell_the_headlines_utterances(predictions, params, task):
    evaluate(params, task)
    confusion, accuracy = plot_of(task, "confusion"), metrics_of(task)["utterance"]["accuracy"]
    assert len(confusion) == SPEAKERS * CHAPTERS * UTTERANCES
    assert (confusion["actual"] == confusion["predicted"]).mean() == pytest.approx(
        accuracy, abs=1e-6
    )
    speakers = plot_of(task, "speakers")
    assert len(speakers) == SPEAKERS
    assert speakers["utterance_accuracy"].mean() == pytest.approx(accuracy, abs=1e-5)


@pytest.mark.parametrize("task", TASKS)
def test_reliability_covers_every_system_and_gives_the_headlines_error(predictions, params, task):
    evaluate(params, task)
    bins = plot_of(task, "reliability")
    kinds = len(FEATURES_OF[task])
    assert len(bins.drop_duplicates(["model", "features", "level"])) == 2 * kinds * len(MODELS)
    headline = "svm · mfcc" if task == "gender" else "svm · wav2vec2"
    own = bins[(bins["system"] == headline) & (bins["level"] == "utterance")]
    assert own["rows"].sum() == SPEAKERS * CHAPTERS * UTTERANCES
    error = np.average((own["value"] - own["confidence"]).abs(), weights=own["rows"])
    told = metrics_of(task)["utterance"]
    assert told["expected_calibration_error"] == pytest.approx(error, abs=1e-5)
    for name in ("expected_calibration_error", "calibration_error_by_chance"):
        assert set(own[name]) == {told[name]}


@pytest.mark.parametrize("task", TASKS)
def test_accuracy_by_length_goes_from_half_a_chunk_to_the_utterance(predictions, params, task):
    evaluate(params, task)
    lengths = plot_of(task, "by_length").set_index("length")
    assert list(lengths.index) == ["1 s", "2 s", "4 s", "utterance"]
    assert lengths.loc["1 s", "runs"] == SPEAKERS * CHAPTERS * UTTERANCES
    told = metrics_of(task)
    assert lengths.loc["2 s", "value"] == told["chunk"]["accuracy"]
    for whole in ("4 s", "utterance"):
        assert lengths.loc[whole, "value"] == told["utterance"]["accuracy"]


@pytest.mark.parametrize("task", TASKS)
def test_women_and_men_are_scored_apart(predictions, params, task):
    evaluate(params, task)
    genders = plot_of(task, "genders").set_index(["level", "gender"])
    speakers = plot_of(task, "speakers").groupby("gender")
    told = metrics_of(task)["utterance"]
    for gender in "FM":
        own = genders.loc[("utterance", gender)]
        assert own["speakers"] == SPEAKERS / 2
        assert own["low"] <= own["value"] <= own["high"]
        assert told[f"accuracy_{gender}"] == own["value"]
        # All have equally many utterances and chunks.
        by_speaker = speakers.get_group(gender)
        assert own["value"] == pytest.approx(by_speaker["utterance_accuracy"].mean(), abs=1e-5)
        chunk = genders.loc[("chunk", gender), "value"]
        assert chunk == pytest.approx(by_speaker["chunk_accuracy"].mean(), abs=1e-5)


@pytest.mark.parametrize("task", TASKS)
def test_the_best_model_is_picked_from_all_on_the_headline_features(predictions, params, task):
    line = evaluate(params.model_copy(update={"model": "best"}), task)
    picks = plot_of(task, "picked")
    assert set(picks["model"]) == set(MODELS)
    assert set(picks["fold"]) == {"all", *map(str, range(FOLDS))}
    # The one made up with the most skill.
    assert picks.loc[picks["picked"], "model"].tolist() == ["mlp"] * (FOLDS + 1)
    features = "mfcc" if task == "gender" else "wav2vec2"
    pointed = json.loads(Path(f"models/{task}-headline.json").read_text())
    assert pointed["folder"] == f"{task}-{features}-mlp"
    headline = read_headline(Path("models"), task)
    assert (headline.model, headline.features) == ("mlp", features)
    models = plot_of(task, "models")
    own = models[models["system"] == f"mlp · {features}"]
    own = own.drop(columns=["system", "model", "features"]).reset_index(drop=True)
    pd.testing.assert_frame_equal(own, plot_of(task, "scores"))
    halves = pd.read_parquet(f"data/predictions/{task}/{features}-mlp/halves.parquet")
    lengths = plot_of(task, "by_length").set_index("length")
    right = (predicted_classes(halves) == halves["label"]).mean()
    assert lengths.loc["1 s", "value"] == pytest.approx(right, abs=1e-5)
    assert f"for best · {features} on" in line
    assert "picked without the fold it is scored on: mlp in 2 of 2 folds, to keep: mlp" in line


@pytest.mark.parametrize("task", TASKS)
def test_a_headline_with_a_name_is_all_there_is_to_pick_from(predictions, params, task):
    evaluate(params, task)
    picks = plot_of(task, "picked")
    assert set(picks["model"]) == {"svm"}
    assert picks["picked"].all()


def test_curves_hold_both_parts_of_every_network_and_of_nothing_else(predictions, params):
    evaluate(params, "gender")
    curves = plot_of("gender", "curves")
    assert list(curves.columns) == ["system", "fold", "epoch", "part", "loss", "accuracy"]
    assert set(curves["system"]) == {"mlp · mfcc", "mlp · mfcc_pitch", "mlp · wav2vec2"}
    first = curves[curves["system"] == "mlp · mfcc"].set_index(["part", "epoch"])
    assert first.loc[("training", 2), "loss"] == 0.123457
    assert first.loc[("validation", 2), "loss"] == 0.5
    assert first.loc[("validation", 2), "accuracy"] == 0.7


def test_what_was_tried_is_gathered_from_all_that_was_tuned(predictions, params):
    tried = "fold,settings,log_loss,accuracy,chosen\n"
    rows = "0,svm.C=3.0,0.5,0.8,False\nall,svm.C=9.0,0.25,0.9,True\n"
    for name, text in (("mfcc-dummy", tried), ("mfcc-svm", tried + rows)):
        (predictions / f"data/predictions/gender/{name}/tuning.csv").write_text(text)
    evaluate(params, "gender")
    text = Path("plots/gender/tuning.csv").read_text()
    in_lines = [f"svm · mfcc,{row}" for row in rows.splitlines()]
    assert text.splitlines() == [f"system,{tried.strip()}", *in_lines]


def test_without_tuning_there_is_only_a_header(predictions, params):
    evaluate(params, "gender")
    text = Path("plots/gender/tuning.csv").read_text()
    assert text == "system,fold,settings,log_loss,accuracy,chosen\n"


def test_without_networks_curves_hold_only_their_header(predictions, params):
    evaluate(params.model_copy(update={"models": ["dummy", "svm"]}), "gender")
    text = Path("plots/gender/curves.csv").read_text()
    assert text == "system,fold,epoch,part,loss,accuracy\n"


def test_predictions_of_models_no_longer_wanted_are_not_looked_at(predictions, params):
    evaluate(params.model_copy(update={"models": ["svm"]}), "gender")
    assert set(plot_of("gender", "models")["model"]) == {"svm"}


def test_the_closing_line_names_the_headline_its_interval_and_its_voices(predictions, params):
    line = evaluate(params, "gender")
    told = metrics_of("gender")["utterance"]
    assert line == (
        f"utterance accuracy {100 * told['accuracy']:.1f} % "
        f"[{100 * told['accuracy_low']:.1f}, {100 * told['accuracy_high']:.1f}] "
        f"for svm · mfcc on {SPEAKERS} unheard voices; 9 systems compared"
    )
    assert "svm · wav2vec2 on 6 voices in unheard chapters" in evaluate(params, "speaker")


def test_the_same_predictions_give_the_same_bytes(predictions, params):
    outputs = []
    for _ in range(2):
        evaluate(params, "gender")
        written = [Path("metrics/gender.json"), *sorted(Path("plots/gender").iterdir())]
        outputs.append([path.read_bytes() for path in written])
    assert outputs[0] == outputs[1]


def write_sure_predictions(wrong=()):
    """Have every system but the baseline tell all genders, but for the speakers in ``wrong``."""
    for folder in Path("data/predictions/gender").iterdir():
        for level in ("chunks", "utterances"):
            path = folder / f"{level}.parquet"
            table = pd.read_parquet(path)
            number = pd.factorize(table["speaker_id"])[0]
            of_label = np.where(table["speaker_id"].isin(wrong), 0.05, 0.9 + 0.01 * number)
            women = np.where(table["label"] == "F", of_label, 1 - of_label)
            if "dummy" in folder.name:
                women = 0.45
            table.assign(p_F=women, p_M=1 - women).to_parquet(path, index=False)


def test_speakers_whose_label_no_system_believes_are_named_as_suspects(predictions, params):
    write_sure_predictions(wrong=["103"])
    line = evaluate(params, "gender")
    audit = plot_of("gender", "suspects")
    assert audit.loc[audit["suspect"], "speaker_id"].tolist() == [103]
    assert len(audit) == SPEAKERS
    # The naive baseline is not among them.
    assert set(audit["systems"]) == {6}
    assert audit["median_f0_hz"].tolist() == (2.0 * audit["speaker_id"]).tolist()
    assert metrics_of("gender")["suspects"] == 1
    assert line.endswith("; look at the labels of 103: suspects, not verdicts")


def test_where_all_labels_are_believed_there_are_no_suspects(predictions, params):
    write_sure_predictions()
    assert "suspects" not in evaluate(params, "gender")
    assert metrics_of("gender")["suspects"] == 0
    assert not plot_of("gender", "suspects")["suspect"].any()


def test_with_only_the_naive_baseline_nobody_is_suspected(predictions, params):
    evaluate(params.model_copy(update={"model": "dummy", "models": ["dummy"]}), "gender")
    assert metrics_of("gender")["suspects"] == 0


def test_missing_predictions_are_named_with_the_command_that_makes_them(predictions, params):
    absent = params.model_copy(update={"models": [*MODELS, "cnn"]})
    with pytest.raises(UserError, match=r"data/predictions/gender/mfcc-cnn.*dvc repro"):
        evaluate(absent, "gender")
    assert not Path("metrics").exists()
