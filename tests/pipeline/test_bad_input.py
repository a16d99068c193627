"""Bad input gets one sentence that names the file or key, exit status 1, and nothing half done."""

import json
import shutil

import pandas as pd
import pytest

from speech.storage.files import point
from speech.storage.tables import write_parquet


def refused(project, stage, *arguments):
    """Run a stage that must refuse; give its sentence."""
    before = project.made()
    result = project.stage(stage, *arguments)
    assert result.status == 1, result.out + result.err
    assert result.out == ""
    assert "Traceback" not in result.err
    assert result.err.endswith((".\n", ").\n"))
    assert result.err.count("\n") == 1
    assert result.err.startswith(f"{stage}: ")
    assert project.changed(before) == []
    return result.err


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


def test_through_dvc_it_is_the_same_sentence_and_the_mended_params_go_on(bare, folder_corpus):
    corpus = folder_corpus()
    bare.set(corpus=str(corpus), **{"mfcc.coeficients": 20})
    result = bare.run("dvc", "repro", "fetch_corpus")
    assert result.status != 0
    assert result.stages_run == ["check_params"]
    assert "check_params: params.yaml: unknown key mfcc.coeficients" in result.err
    assert "Traceback" not in result.out + result.err
    assert bare.made() == {}
    bare.must("git", "checkout", "--quiet", "params.yaml")
    bare.set(corpus=str(corpus))
    assert bare.dvc("repro", "fetch_corpus").stages_run == ["check_params", "fetch_corpus"]


# --- each stage -------------------------------------------------------------------------------
# What else a corpus, an encoder or params.yaml may lack is tested where it is noticed.


def test_a_corpus_that_is_none_is_named(bare, tmp_path):
    for folder, lacks in (("nowhere", "corpus"), ("empty", "SPEAKERS.TXT")):
        bare.set(corpus=str(tmp_path / folder))
        (tmp_path / "empty").mkdir(exist_ok=True)
        said = refused(bare, "fetch_corpus")
        assert lacks in said
        assert str(tmp_path / folder) in said


def test_a_corpus_that_cannot_be_indexed_leaves_no_index(bare, folder_corpus):
    corpus = folder_corpus()
    bare.set(corpus=str(corpus))
    bare.stages("fetch_corpus")
    speakers = corpus / "SPEAKERS.TXT"
    known = speakers.read_text()
    speakers.write_text(known.replace("\n4 |", "\n44 |"))
    assert "SPEAKERS.TXT: no line for 1 speaker(s)" in refused(bare, "index_corpus")
    speakers.write_text(known)
    for file in corpus.rglob("*.wav"):
        file.write_bytes(b"no sound")
    said = refused(bare, "index_corpus")
    assert "small/1/0/1-0-0000.wav" in said
    assert "undecodable" in said
    shutil.rmtree(corpus / "small")
    said = refused(bare, "index_corpus")
    assert "no audio file" in said
    assert "<speaker>/<chapter>/" in said


@pytest.mark.parametrize(
    ("genders", "chapters", "words"),
    [
        ("FFFFFFMM", 2, ("folds.gender", "2 male", "1 male missing")),
        ("FFFFMMMM", 1, ("speaker task", "2 chapters", "2 missing")),
    ],
)
def test_too_few_speakers_or_chapters_are_counted(bare, genders, chapters, words):
    list_utterances(bare, genders, chapters)
    bare.set(**{"folds.gender": 3, "folds.speaker": 3})
    said = refused(bare, "split_by_speaker")
    assert all(word in said for word in words), said


def test_an_encoder_that_is_none_is_named(bare, tmp_path):
    bare.set(encoder=str(tmp_path / "nowhere"))
    assert str(tmp_path / "nowhere") in refused(bare, "fetch_encoder")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "hubert"}))
    bare.set(encoder=str(tmp_path))
    assert "'hubert' model, not 'wav2vec2'" in refused(bare, "fetch_encoder")


def test_an_encoder_without_the_layer_or_with_damaged_weights_gives_no_features(project, tmp_path):
    encoder = tmp_path / "encoder"
    shutil.copytree(project.root / "data/encoder", encoder)
    for key, stage in (
        ("inputs.wav2vec2.layer", "fetch_encoder"),
        ("wav2vec2.sequence_layer", "extract_wav2vec2"),
    ):
        layers = {"inputs.wav2vec2.layer": 2, "wav2vec2.sequence_layer": 2, key: 9}
        project.set(encoder=str(encoder), **layers)
        said = refused(project, stage)
        assert all(word in said for word in (key, "9", "0 to 4")), said
    project.set(**{"wav2vec2.sequence_layer": 2})
    weights = encoder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    point(project.root / "data/encoder", encoder)
    said = refused(project, "extract_wav2vec2")
    assert "encoder" in said
    assert "download" in said


# --- stages by themselves ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ("index_corpus", "data/corpus/audio: no such folder; run `dvc repro`"),
        ("split_by_speaker", "data/utterances.parquet"),
        ("extract_mfcc", "data/utterances.parquet"),
        ("build_examples mfcc", "data/utterances.parquet"),
        ("fit gender-mfcc dummy", "data/examples/gender-mfcc"),
        ("evaluate gender", "data/utterances.parquet"),
    ],
)
def test_a_stage_before_its_time_names_what_is_missing(bare, command, named):
    assert named in refused(bare, *command.split())


def test_a_stage_run_again_makes_what_it_made_in_the_pipeline(project):
    before = project.made()
    for command in ("index_corpus", "extract_mfcc", "fit speaker-mfcc svm", "evaluate speaker"):
        result = project.stage(*command.split())
        assert (result.status, result.err) == (0, "")
        assert result.out.count("\n") == 1
    assert project.changed(before) == []


def test_a_model_that_is_not_in_the_list_is_fitted_by_itself(project):
    project.stages("fit gender-wav2vec2 dummy")
    assert (project.root / "models/gender-wav2vec2-dummy/estimator.json").is_file()
    predictions = project.root / "data/predictions/gender-wav2vec2/dummy"
    assert len(pd.read_parquet(predictions / "utterances.parquet")) == 16
