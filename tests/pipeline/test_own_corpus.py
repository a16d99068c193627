"""A folder of one's own is read where it lies, and only what changed there is done again."""

import json
import shutil

import pandas as pd
import pytest
from safetensors import safe_open

SPEAKERS, CHAPTERS, UTTERANCES = 8, 2, 2
TOTAL = SPEAKERS * CHAPTERS * UTTERANCES


def kept(result, stage):
    """Read from a closing line how many utterances there are, and how many were kept."""
    line = result.closing_line(stage)
    words = line.replace(",", "").split()
    return int(words[1]), int(words[words.index("kept") - 3])


def features(project):
    return {file.name: file.read_bytes() for file in (project.root / "data/mfcc").iterdir()}


def changed(before, after):
    return sorted(
        name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
    )


def test_what_is_added_changed_or_removed_is_noticed_and_alone_done_again(
    project, folder_corpus, write_audio, voice
):
    corpus = folder_corpus()
    watched = ["fetch_corpus", "index_corpus", "extract_mfcc"]
    result = project.dvc("exp", "run", "--set-param", f"corpus={corpus}", "extract_mfcc")
    assert result.stages_run == ["check_params", *watched]
    assert kept(result, "extract_mfcc") == (TOTAL, 0)
    assert sorted(features(project)) == [f"{n}.safetensors" for n in range(1, SPEAKERS + 1)]
    assert (project.root / "data/corpus/audio").resolve() == corpus

    before = features(project)
    write_audio(corpus / "small/5/0/5-0-0001.wav", voice(2.5, seed=998))
    result = project.dvc("repro", "extract_mfcc")
    assert result.stages_run == watched
    assert kept(result, "extract_mfcc") == (TOTAL, TOTAL - 1)
    assert changed(before, features(project)) == ["5.safetensors"]

    before = features(project)
    write_audio(corpus / "small/3/1/3-1-0099.wav", voice(3, seed=999))
    (corpus / "small/4/0/4-0-0000.wav").unlink()
    shutil.rmtree(corpus / "small/7")
    result = project.dvc("repro", "extract_mfcc")
    left = TOTAL - CHAPTERS * UTTERANCES - 1
    assert kept(result, "extract_mfcc") == (left + 1, left)
    assert changed(before, features(project)) == [f"{n}.safetensors" for n in (3, 4, 7)]
    assert "7.safetensors" not in features(project)
    assert ("3-1-0099" in names(project, "3"), "4-0-0000" in names(project, "4")) == (True, False)


def names(project, speaker):
    with safe_open(project.root / f"data/mfcc/{speaker}.safetensors", framework="numpy") as file:
        return list(file.keys())


def test_other_settings_make_every_feature_anew(project):
    before = features(project)
    project.set(**{"mfcc.coefficients": 12})
    result = project.stage("extract_mfcc")
    assert kept(result, "extract_mfcc")[1] == 0
    assert changed(before, features(project)) == sorted(before)


@pytest.fixture
def table(tmp_path, folder_corpus):
    """Write a table of the small corpus; its speakers' names need care wherever they stand."""
    corpus = folder_corpus("Über alle")
    rows = [
        (
            f"Über alle/{file.relative_to(corpus)}",
            f"{1 + number // 4:03d} Zoë %",
            "FM"[number // 4 % 2],
        )
        for number, file in enumerate(sorted(corpus.rglob("*.wav")))
    ]
    table = pd.DataFrame(rows, columns=["path", "speaker_id", "gender"])
    table = table.assign(session_id=["one", "one", "two", "two"] * SPEAKERS)
    table.to_csv(tmp_path / "my table.csv", index=False, sep=";")
    return tmp_path / "my table.csv"


def corpus_metrics(project):
    return json.loads((project.root / "data/results/corpus.json").read_text("utf-8"))


def test_speakers_of_a_table_are_named_throughout(bare, table):
    bare.set(corpus=str(table), models=["logistic"], model="logistic", tasks=["speaker"])
    bare.make_examples()
    fits = [f"speaker-{features}" for features in ("mfcc", "wav2vec2")]
    bare.stages(*(f"fit {name} logistic" for name in fits), "validate_externally", "evaluate")
    expected = [f"{n:03d} Zoë %25.safetensors" for n in range(1, SPEAKERS + 1)]
    assert sorted(features(bare)) == expected
    predictions = bare.root / "data/predictions/speaker-mfcc/logistic/utterances.parquet"
    assert "p_001 Zoë %" in pd.read_parquet(predictions).columns
    confusion = pd.read_csv(bare.root / "plots/speaker/confusion.csv")
    assert confusion["actual"].nunique() == SPEAKERS
    assert corpus_metrics(bare)["chapters"] == SPEAKERS * CHAPTERS


def test_what_changes_in_a_table_its_files_or_the_overrides_is_noticed(
    bare, table, write_audio, voice, tmp_path
):
    # As DVC writes it from the command line: an id that looks like a number becomes one.
    numbered = table.read_text("utf-8").replace(" Zoë %", "7").replace("0017", "17")
    table.write_text(numbered, "utf-8")
    bare.set(corpus=str(table))
    result = bare.dvc("exp", "run", "-S", "gender_overrides={17: M}", "extract_mfcc")
    assert kept(result, "extract_mfcc") == (TOTAL, 0)
    (applied,) = corpus_metrics(bare)["gender_overrides"]
    assert applied == {"speaker": "17", "from": "F", "to": "M", "reason": "as params.yaml says"}
    assert bare.dvc("repro", "extract_mfcc").stages_run == []

    mine = tmp_path / "mine.csv"
    mine.write_text("speaker_id,gender,reason\n0027,F,heard\n")
    bare.set(gender_overrides=str(mine))
    table.write_text(table.read_text("utf-8").replace(";17;F", ";17;nonbinary"), "utf-8")
    result = bare.dvc("repro", "extract_mfcc")
    assert kept(result, "extract_mfcc") == (TOTAL, TOTAL)
    metrics = corpus_metrics(bare)
    (applied,) = metrics["gender_overrides"]
    assert applied == {"speaker": "0027", "from": "M", "to": "F", "reason": "heard"}
    assert metrics["rejected"] == {"files": 0, "reasons": {"no gender on record": 4}}

    mine.write_text("speaker_id,gender,reason\n0027,F,heard again\n")
    before = features(bare)
    write_audio(table.parent / "Über alle/small/5/0/5-0-0001.wav", voice(2.5, seed=998))
    result = bare.dvc("repro", "extract_mfcc")
    assert result.stages_run == ["fetch_corpus", "index_corpus", "extract_mfcc"]
    assert corpus_metrics(bare)["gender_overrides"][0]["reason"] == "heard again"
    assert kept(result, "extract_mfcc") == (TOTAL, TOTAL - 1)
    assert changed(before, features(bare)) == ["0057.safetensors"]
