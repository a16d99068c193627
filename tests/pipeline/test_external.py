"""Trained models asked about another corpus: by the stage, and by predict.py --labels."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from speech import Recogniser
from speech.corpus.layouts import locate
from speech.evaluation.calibration import expected_calibration_error, reliability
from speech.evaluation.scores import score_table
from speech.evaluation.systems import ECE
from speech.inference.external import load_models, read_corpus, validate
from speech.params import FEATURES_OF


@pytest.fixture(scope="module")
def others(tmp_path_factory, tiny_corpus, finished):
    """Make a corpus in a table: six new voices, and some that the models know in some way.

    The voices are of the sample with another seed, under other names.
    """
    folder = tmp_path_factory.mktemp("others")
    rows = []

    def add(source, speaker, gender, session="one"):
        path = f"{len(rows):03d}{Path(source).suffix}"
        shutil.copy(source, folder / path)
        rows.append((path, speaker, gender, session))

    lines = (tiny_corpus / "SPEAKERS.TXT").read_text("utf-8").splitlines()
    genders = dict(line.split(" | ")[:2] for line in lines if not line.startswith(";"))
    files = {name: sorted(tiny_corpus.rglob(f"{name}-*.flac")) for name in genders}
    *new, known, unsure = [*genders]
    for name in new:
        for file in files[name][:2]:
            add(file, f"new {name}", genders[name])
    sound = 0.1 * np.random.default_rng(0).standard_normal(48_000)
    soundfile.write(folder / "noise.wav", sound, 16_000)
    rows.append(("noise.wav", f"new {new[0]}", genders[new[0]], "two"))
    add(files[unsure][0], "nobody", "?")
    trained = pd.read_parquet(finished.root / "data/utterances.parquet").iloc[0]
    copied = finished.root / "data/corpus/audio" / trained["path"]
    add(copied, "another name", trained["gender"])
    add(files[unsure][1], "another name", trained["gender"])
    add(files[known][0], trained["speaker_id"], trained["gender"], "another session")
    add(files[known][1], trained["speaker_id"], trained["gender"], trained["chapter_id"])
    with (folder / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "speaker_id", "gender", "session_id"), *rows])
    return folder


DEPENDENT = ["check_params", "fetch_corpus", "validate_externally", "evaluate", "report"]


@pytest.fixture(scope="module")
def validated(finished, copy_of, tmp_path_factory, others):
    """Give a project where the other corpus was validated on, and what the stages said."""
    project = copy_of(finished.root, tmp_path_factory.mktemp("validated") / "project")
    project.set(external=str(others / "table.csv"))
    return project, project.straight_on(*(f"stages/{name}.py" for name in DEPENDENT))


def results_of(project):
    return json.loads((project.root / "data/results/external.json").read_text("utf-8"))


def test_without_another_corpus_nothing_is_asked_and_nothing_loaded(first_run):
    project, result = first_run
    line = result.closing_line("validate_externally")
    assert "no external corpus is named (external in params.yaml): its output is empty" in line
    assert json.loads((project.root / "metrics/external.json").read_text("utf-8")) == {}
    assert results_of(project) == {}
    check = "import sys, stages.validate_externally as _; print(sorted(sys.modules))"
    loaded = project.must("python", "-c", check).out
    assert not any(f"'{name}'" in loaded for name in ("torch", "tensorflow", "parselmouth"))


def test_only_what_depends_on_the_other_corpus_runs_and_what_was_left_out_is_named(validated):
    project, result = validated
    # All that DVC finds to be of other params or inputs than those that it ran with.
    assert sorted(json.loads(project.dvc("status", "--json").out)) == sorted(DEPENDENT)
    results = results_of(project)
    line = result.closing_line("validate_externally")
    counts = {
        task: (results[task]["utterances"], results[task]["speakers"]) for task in FEATURES_OF
    }
    assert counts == {"gender": (13, 6), "speaker": (1, 1)}
    assert "6 models asked about 13 utterances of 6 other speakers" in line
    assert "asked about 1 utterances of 1 enrolled speakers in other sessions" in line
    assert "recordings that are in corpus too: 1 (0" in line
    assert "speakers who are in corpus too: 2 (" in line
    assert "no gender on record: 1 (nobody)" in line
    assert "sessions that are in corpus too, of: 1 (" in line


CHOICES = ["mfcc_pitch-svm", "mfcc-cnn", "wav2vec2-svm"]


@pytest.fixture(scope="module")
def asked_at_once(validated, others):
    """Ask all models about the new voices, by the library."""
    project, _ = validated
    index = read_corpus(locate(others / "table.csv"))
    new = index.utterances[index.utterances["speaker_id"].str.startswith("new ")]
    models = load_models(project.root / "models", "gender", CHOICES)
    speech = new[new["path"] != "noise.wav"]
    return speech, *(
        validate(*models, others, own, resamples=100, seed=17) for own in (new, speech)
    )


@pytest.mark.parametrize("choice", CHOICES)
def test_each_score_is_that_of_what_predict_says_of_each_recording(
    validated, others, asked_at_once, choice
):
    project, _ = validated
    table, _, validation = asked_at_once
    recogniser = Recogniser(project.root / "models", tasks=["gender"], gender_model=choice, jobs=1)
    said = [recogniser.predict(others / path).summary for path in table["path"]]
    women = [
        one.gender_probability if one.gender == "F" else 1 - one.gender_probability for one in said
    ]
    table = table.assign(label=table["gender"], p_F=women, p_M=1 - np.array(women))
    expected = score_table(table, "gender", resamples=100, seed=17).set_index("score")
    scored = validation.systems.set_index(["features", "model"]).loc[tuple(choice.split("-"))]
    assert [scored[name] for name in ("accuracy", "low", "high")] == pytest.approx(
        expected.loc["accuracy", ["value", "low", "high"]].tolist()
    )
    assert scored["f1"] == pytest.approx(expected.loc["f1", "value"])
    for gender, own in table.groupby("gender"):
        right = (own["p_F"] >= 0.5) == (gender == "F")
        assert scored[f"accuracy_{gender}"] == pytest.approx(right.mean())
    bins = reliability(table, "gender", resamples=100, seed=17)
    assert scored[ECE] == pytest.approx(expected_calibration_error(bins))
    assert validation.unanswered == 0


def test_what_gets_no_answer_counts_as_unanswered_and_in_the_accuracy_nevertheless(
    validated, asked_at_once
):
    _, everything, speech = asked_at_once
    assert (everything.utterances, speech.utterances) == (13, 12)
    assert everything.unanswered == pytest.approx(1 / 13)
    more = 13 * everything.systems["accuracy"] - 12 * speech.systems["accuracy"]
    assert set(more.round(6)) <= {0, 1}
    # The stage does the same.
    results = results_of(validated[0])["gender"]
    assert results["unanswered"] == pytest.approx(1 / 13, abs=1e-4)
    own = {(one["features"], one["model"]): one["accuracy"] for one in results["systems"]}
    for row in everything.systems.itertuples():
        assert own[row.features, row.model] == pytest.approx(row.accuracy, abs=1e-4)


def test_printed_is_the_score_out_of_fold_and_the_headlines_accuracy_is_a_metric(validated):
    project, _ = validated
    (headline,) = [one for one in results_of(project)["gender"]["systems"] if one["headline"]]
    own = json.loads((project.root / "data/results/gender.json").read_text("utf-8"))["utterance"]
    assert headline["printed"] == pytest.approx(own["accuracy"], abs=1e-4)
    metrics = json.loads((project.root / "metrics/external.json").read_text("utf-8"))
    assert metrics == {"external": headline["accuracy"]}


def test_a_corpus_of_nobody_new_is_refused_with_the_reasons(project):
    corpus = (project.root / "data/corpus/audio").resolve()
    table = pd.read_parquet(project.root / "data/utterances.parquet").head(3)
    table = table.assign(path=[str(corpus / path) for path in table["path"]])
    table[["path", "speaker_id", "gender"]].to_csv(project.root / "mine.csv", index=False)
    project.set(external="mine.csv")
    project.stages("fetch_corpus")
    said = project.stage("validate_externally")
    assert said.status == 1
    assert "external: nothing of" in said.err
    assert "recordings that are in corpus too: 3 (" in said.err


# --- predict.py -------------------------------------------------------------------------------


def test_predict_prints_the_same_scores_of_labelled_recordings(validated, others, tmp_path):
    project, _ = validated
    table = pd.read_csv(others / "table.csv", dtype=str)
    table = table[table["speaker_id"].str.startswith("new ")]
    for row in table.itertuples():
        (tmp_path / "all" / row.speaker_id).mkdir(parents=True, exist_ok=True)
        shutil.copy(others / row.path, tmp_path / "all" / row.speaker_id)
    speakers = tmp_path / "speakers.csv"
    table[["speaker_id", "gender"]].drop_duplicates().to_csv(speakers, index=False)
    options = ["--labels", speakers, tmp_path / "all", "--format", "json"]
    done = project.script("predict.py", *options)
    assert (done.status, done.err) == (0, "")
    expected = {
        (one["model"], one["features"]): one for one in results_of(project)["gender"]["systems"]
    }
    rows = json.loads(done.out)
    assert len(rows) == len(expected) == 6
    for row in rows:
        system = expected[row["model"], row["features"]]
        for name in ("printed", "accuracy", "accuracy_F", "accuracy_M", "f1"):
            assert row[name] == pytest.approx(system[name], abs=1e-4), name

    # A table names the recordings itself; one model can be chosen; people get a table.
    paths = table.assign(path=[str(others / path) for path in table["path"]])
    paths.to_csv(tmp_path / "paths.csv", index=False)
    (tmp_path / "broken.wav").write_bytes(b"RIFF, or so it says")
    with (tmp_path / "paths.csv").open("a") as file:
        file.write("broken.wav,new,F,one\n")
    model = ["--gender-model", "mfcc-svm"]
    done = project.script("predict.py", "--labels", tmp_path / "paths.csv", *model)
    assert done.status == 1
    assert "broken.wav: undecodable" in done.err
    header, line, footer = done.out.splitlines()
    assert header.split()[:4] == ["model", "out", "of", "fold"]
    got = 100 * expected["svm", "mfcc"]["accuracy"]
    assert line.startswith("mfcc-svm ")
    assert f" {got:.1f} % [" in line
    assert footer.startswith("recordings: 13, of speakers: 6, ")


LABELS = "speaker_id,gender\nann,F\n"
MISUSES = {
    "no table": (["--labels", "nowhere.csv", "."], "nowhere.csv is no file that can be read"),
    "no folder": (["--labels", "labels.csv"], "has no column path, and so goes with one folder"),
    "a folder too many": (["--labels", "table.csv", "."], "leave . out, or the column"),
    "nobody": (["--labels", "labels.csv", "speakers"], "labels.csv: no line for 1 speaker(s)"),
    "no recording": (["--labels", "labels.csv", "none"], "--labels: no audio file in it"),
    "a model that is none": (["--labels", "labels.csv", ".", "--gender-model", "a"], "a: is no mo"),
    "segments": (["--labels", "labels.csv", ".", "--segments"], "--segments has no use with"),
    "speakers": (["--labels", "labels.csv", ".", "--task", "speaker"], "leave --task speaker out"),
}


@pytest.mark.parametrize(("arguments", "said"), MISUSES.values(), ids=MISUSES)
def test_labels_that_do_not_serve_are_one_sentence_and_status_2(
    finished, tmp_path, voice, write_audio, arguments, said
):
    (tmp_path / "labels.csv").write_text(LABELS)
    (tmp_path / "table.csv").write_text("path,speaker_id,gender\na.wav,ann,F\n")
    (tmp_path / "none").mkdir()
    write_audio(tmp_path / "speakers/bob/a.wav", voice(2.5))
    places = ("labels.csv", "table.csv", "speakers", "none", ".")
    own = [str(tmp_path / part) if part in places else part for part in arguments]
    options = ["--gender-model", "mfcc-svm"] if "--gender-model" not in own else []
    done = finished.script("predict.py", *own, *options)
    assert (done.status, done.out) == (2, "")
    assert said.replace("leave .", f"leave {tmp_path}") in done.err.splitlines()[-1]
