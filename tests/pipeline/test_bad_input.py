"""Bad input gets one sentence that names the file or key, exit status 1, and nothing half done."""

import pandas as pd
import pytest


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


# What else a corpus, an encoder or params.yaml may lack is tested where it is noticed.


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ("index_corpus", "data/corpus/audio: no such folder; run `dvc repro`"),
        ("split_by_speaker", "data/utterances.parquet"),
        ("extract_mfcc", "data/utterances.parquet"),
        ("build_examples mfcc", "data/utterances.parquet"),
        ("fit gender-mfcc dummy", "data/examples/gender-mfcc"),
        ("evaluate", "data/utterances.parquet"),
    ],
)
def test_a_stage_before_its_time_names_what_is_missing(bare, command, named):
    assert named in refused(bare, *command.split())


def test_a_stage_run_again_makes_what_it_made_in_the_pipeline(project):
    before = project.made()
    for command in ("index_corpus", "extract_mfcc", "fit speaker-mfcc svm", "evaluate"):
        result = project.stage(*command.split())
        assert (result.status, result.err) == (0, "")
        assert result.out.count("\n") == 1
    assert project.changed(before) == []


def test_a_model_that_is_not_in_the_list_is_fitted_by_itself(project):
    project.stages("fit gender-wav2vec2 dummy")
    assert (project.root / "models/gender-wav2vec2/dummy/estimator.json").is_file()
    predictions = project.root / "data/predictions/gender-wav2vec2/dummy"
    assert len(pd.read_parquet(predictions / "utterances.parquet")) == 16
