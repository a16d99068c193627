"""Bad input gets one sentence that names the file or key, exit status 1, and nothing half done."""

import json
import shutil

import pandas as pd
import pytest

from speech.storage.files import point
from speech.storage.tables import write_parquet


def contents(project):
    """Read every file of a project that a stage could have written."""
    return {
        file.relative_to(project.root): file.read_bytes()
        for folder in ("data", "models", "metrics", "plots")
        for file in (project.root / folder).rglob("*")
        if file.is_file() and file.name != ".gitignore"
    }


def refused(project, stage, *arguments):
    """Run a stage that must refuse; give its sentence."""
    before = contents(project)
    result = project.stage(stage, *arguments)
    assert result.status == 1, result.out + result.err
    assert result.out == ""
    assert "Traceback" not in result.err
    assert result.err.endswith((".\n", ").\n"))
    assert result.err.count("\n") == 1
    assert result.err.startswith(f"{stage}: ")
    assert contents(project) == before
    return result.err


def point_to(project, corpus):
    """Do what fetch_corpus does, without a process."""
    point(project.root / "data/corpus/audio", corpus)
    point(project.root / "data/corpus/labels", corpus / "SPEAKERS.TXT")
    overrides = project.root / "data/inline_overrides.csv"
    overrides.write_text("speaker_id,gender,reason\n")
    point(project.root / "data/corpus/gender_overrides.csv", overrides)


def list_utterances(project, genders, chapters):
    """Do what index_corpus does, for speakers with so many chapters of one utterance."""
    rows = [
        (f"{speaker}-{chapter}-0000", str(speaker), f"{speaker}{chapter}", gender)
        for speaker, gender in enumerate(genders, start=1)
        for chapter in range(chapters)
    ]
    table = pd.DataFrame(rows, columns=["utterance_id", "speaker_id", "chapter_id", "gender"])
    table = table.assign(path="x.wav", seconds=4.0, samples=64_000, sample_rate=16_000, digest="")
    write_parquet(project.root / "data/utterances.parquet", table)


# --- params.yaml ------------------------------------------------------------------------------


def test_an_unknown_key_is_named_with_those_allowed(bare):
    bare.set(**{"mfcc.coeficients": 20})
    said = refused(bare, "check_params")
    assert "mfcc.coeficients" in said
    assert "coefficients" in said


def test_a_wrong_value_is_quoted_with_those_allowed(bare):
    bare.set(model="forest")
    said = refused(bare, "check_params")
    for word in ("model", "forest", "svm", "cnn"):
        assert word in said


def test_through_dvc_the_same_sentence_and_no_other_stage(bare):
    bare.set(**{"mfcc.coeficients": 20})
    result = bare.run("dvc", "repro")
    assert result.status != 0
    assert result.stages_run == ["check_params"]
    assert "check_params: params.yaml: unknown key mfcc.coeficients" in result.err
    assert "Traceback" not in result.out + result.err
    assert contents(bare) == {}


def test_after_a_refusal_the_mended_params_go_on(bare, folder_corpus):
    bare.set(corpus=str(folder_corpus()), **{"folds.gender": 1})
    assert bare.run("dvc", "repro", "fetch_corpus").status != 0
    bare.set(**{"folds.gender": 2})
    assert bare.dvc("repro", "fetch_corpus").stages_run == ["check_params", "fetch_corpus"]


# --- the corpus -------------------------------------------------------------------------------


def test_a_corpus_folder_that_is_not_there_is_named(bare, tmp_path):
    bare.set(corpus=str(tmp_path / "nowhere"))
    said = refused(bare, "fetch_corpus")
    assert "corpus" in said
    assert str(tmp_path / "nowhere") in said


def test_an_empty_corpus_folder_lacks_its_speakers_file(bare, tmp_path):
    (tmp_path / "empty").mkdir()
    bare.set(corpus=str(tmp_path / "empty"))
    said = refused(bare, "fetch_corpus")
    assert str(tmp_path / "empty") in said
    assert "SPEAKERS.TXT" in said


def test_a_corpus_without_a_recording_says_where_they_belong(bare, folder_corpus):
    corpus = folder_corpus()
    shutil.rmtree(corpus / "small")
    point_to(bare, corpus)
    said = refused(bare, "index_corpus")
    assert "no audio file" in said
    assert "<speaker>/<chapter>/" in said


def test_a_corpus_of_nothing_but_broken_files_names_the_first(bare, folder_corpus):
    corpus = folder_corpus()
    for file in corpus.rglob("*.wav"):
        file.write_bytes(b"no sound")
    point_to(bare, corpus)
    said = refused(bare, "index_corpus")
    assert "small/1/0/1-0-0000.wav" in said
    assert "undecodable" in said


def test_a_speaker_that_speakers_txt_lacks_is_named(bare, folder_corpus):
    corpus = folder_corpus()
    table = corpus / "SPEAKERS.TXT"
    lines = table.read_text().splitlines()
    table.write_text("\n".join(line for line in lines if not line.startswith("4 |")) + "\n")
    point_to(bare, corpus)
    said = refused(bare, "index_corpus")
    assert "SPEAKERS.TXT" in said
    assert "(4)" in said


def test_too_few_speakers_of_a_gender_are_counted(bare):
    list_utterances(bare, "FFFFFFMM", chapters=2)
    bare.set(**{"folds.gender": 3})
    said = refused(bare, "split_by_speaker")
    for word in ("folds.gender", "2 male", "1 male missing"):
        assert word in said


def test_speakers_with_one_chapter_each_are_too_few_for_the_speaker_task(bare):
    list_utterances(bare, "FFFFMMMM", chapters=1)
    said = refused(bare, "split_by_speaker")
    for word in ("speaker task", "2 chapters", "2 missing"):
        assert word in said


# --- the encoder ------------------------------------------------------------------------------


def test_an_encoder_folder_that_is_not_there_is_named(bare, tmp_path):
    bare.set(encoder=str(tmp_path / "nowhere"))
    said = refused(bare, "fetch_encoder")
    assert "encoder" in said
    assert str(tmp_path / "nowhere") in said


def test_an_encoder_of_another_architecture_is_refused(bare, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "hubert"}))
    bare.set(encoder=str(tmp_path))
    said = refused(bare, "fetch_encoder")
    assert "hubert" in said
    assert "wav2vec2" in said


def test_a_layer_beyond_the_encoder_is_refused_with_those_there_are(project, tmp_path):
    encoder = tmp_path / "encoder"
    shutil.copytree(project.root / "data/encoder", encoder)
    own = {"encoder": str(encoder)}
    for key, stage in (
        ("inputs.wav2vec2.layer", "fetch_encoder"),
        ("wav2vec2.sequence_layer", "extract_wav2vec2"),
    ):
        project.set(**own, **{"inputs.wav2vec2.layer": 2, "wav2vec2.sequence_layer": 2, key: 9})
        said = refused(project, stage)
        for word in (key, "9", "0 to 4"):
            assert word in said


def test_damaged_weights_are_named_and_no_features_are_made(project, tmp_path):
    encoder = tmp_path / "encoder"
    shutil.copytree(project.root / "data/encoder", encoder)
    weights = encoder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    point(project.root / "data/encoder", encoder)
    said = refused(project, "extract_wav2vec2")
    assert "encoder" in said
    assert "download" in said


# --- stages by themselves ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "named"),
    [
        (["index_corpus"], "data/corpus/audio: no such folder; run `dvc repro`"),
        (["split_by_speaker"], "data/utterances.parquet"),
        (["extract_mfcc"], "data/utterances.parquet"),
        (["build_examples", "mfcc"], "data/utterances.parquet"),
        (["fit", "gender-mfcc", "dummy"], "data/examples/gender-mfcc"),
        (["evaluate", "gender"], "data/utterances.parquet"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_a_stage_before_its_time_names_what_is_missing(bare, stage, named):
    assert named in refused(bare, *stage)


@pytest.mark.parametrize(
    "stage",
    [
        ["index_corpus"],
        ["extract_mfcc"],
        ["fit", "speaker-mfcc", "svm"],
        ["evaluate", "speaker"],
    ],
    ids=" ".join,
)
def test_a_stage_by_itself_makes_what_it_made_in_the_pipeline(project, stage):
    before = contents(project)
    result = project.stage(*stage)
    assert result.status == 0, result.err
    assert result.err == ""
    assert result.out.count("\n") == 1
    after = contents(project)
    assert after.keys() == before.keys()
    assert [file for file in after if after[file] != before[file]] == []


@pytest.mark.parametrize("model", ["dummy", "logistic"])
def test_a_model_that_is_not_in_the_list_is_fitted_by_itself(project, model):
    result = project.stage("fit", "gender-wav2vec2", model)
    assert result.status == 0, result.err
    assert (project.root / f"models/gender-wav2vec2-{model}/estimator.json").is_file()
    predictions = project.root / f"data/predictions/gender-wav2vec2/{model}"
    assert len(pd.read_parquet(predictions / "utterances.parquet")) == 16
