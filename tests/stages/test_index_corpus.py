"""From what the user names to the index: what was decided on the way is in the metrics."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from speech.errors import UserError
from stages.fetch_corpus import fetch_corpus
from stages.index_corpus import build_index


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """Work at the root of a project of its own, in which nobody lives."""
    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.chdir(root)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return root


@pytest.fixture
def table(tmp_path, write_audio, voice):
    """Write a table of two women, a man and somebody else, two files of 2.5 s each."""
    rows = []
    for speaker, gender in (("ann", "female"), ("eve", "F"), ("bob", "Man"), ("sam", "other")):
        for number in range(2):
            write_audio(tmp_path / f"tapes/{speaker} {number}.wav", voice(2.5, seed=len(rows)))
            rows.append((f"tapes/{speaker} {number}.wav", speaker, gender, f"day {number}"))
    path = tmp_path / "my.csv"
    columns = ["path", "speaker_id", "gender", "session_id"]
    pd.DataFrame(rows, columns=columns).to_csv(path, index=False)
    return path


@pytest.fixture
def indexed(make_params, table):
    """Run both stages; return the closing line, the metrics and the utterances."""

    def run(**changes):
        params = make_params(**{"corpus": str(table), "compute.jobs": 1, **changes})
        fetch_corpus(params)
        line = build_index(params)
        metrics = json.loads(Path("data/results/corpus.json").read_text("utf-8"))
        return line, metrics, pd.read_parquet("data/utterances.parquet")

    return run


def test_a_table_becomes_the_index_and_sessions_that_nobody_named_are_reported(indexed, table):
    line, metrics, utterances = indexed()
    speakers = ["ann", "ann", "bob", "bob", "eve", "eve", "sam", "sam"]
    assert utterances["speaker_id"].tolist() == speakers
    assert utterances["path"].tolist()[:2] == ["ann 0.wav", "ann 1.wav"]
    assert metrics["sessions"] == "as the corpus names them"
    assert (metrics["chapters"], metrics["female"]["speakers"]) == (8, 2)
    assert metrics["rejected"]["reasons"] == {"no gender on record": 2}
    assert line.startswith("8 utterances of 4 speakers, 0.3 minutes; 0 files rejected")

    pd.read_csv(table).drop(columns="session_id").to_csv(table, index=False)
    line, metrics, _ = indexed()
    assert metrics["sessions"] == "one per file where none is named (8 of 8 files)"
    assert f"sessions: {metrics['sessions']}" in line


def test_where_gender_is_not_asked_for_nothing_is_left_out_of_that_task(indexed, table):
    pd.read_csv(table).drop(columns="gender").to_csv(table, index=False)
    _, metrics, utterances = indexed(tasks=["speaker"])
    assert utterances["gender"].isna().all()
    assert (metrics["speakers"], metrics["female"]["speakers"]) == (4, 0)
    assert metrics["rejected"] == {"files": 0, "reasons": {}}
    assert pd.read_csv("data/rejected.csv").empty
    assert indexed()[1]["rejected"]["reasons"] == {"no gender on record": 8}


def test_nothing_is_passed_over_without_a_word(indexed, tmp_path, write_audio, voice):
    for number, speaker in enumerate(("ann", "bob", "eve", "sam")):
        write_audio(tmp_path / f"mine/{speaker}/1.wav", voice(2.5, seed=number))
    opposite = voice(2.5, seed=9)
    write_audio(tmp_path / "mine/ann/2.wav", np.stack([opposite, -opposite], axis=1))
    (tmp_path / "mine/sam/1.wav").rename(tmp_path / "mine/sam/1.opus")
    (tmp_path / "mine/lee").mkdir()
    (tmp_path / "mine/lee/1.m4a").write_bytes(b"no sound")
    for name in ("ann/notes.txt", "ann/README", ".DS_Store"):
        (tmp_path / "mine" / name).touch()
    (tmp_path / "mine/speakers.csv").write_text(
        "speaker_id,gender\nann,female_feminine\nbob,M\neve,F\nsam,\nlee,F\nzoe,F\n"
    )
    line, metrics, _ = indexed(corpus=str(tmp_path / "mine"))
    assert metrics["genders_not_understood"] == {"female_feminine": 1}
    assert metrics["speakers_without_recordings"] == ["lee", "zoe"]
    assert metrics["passed_over"] == {".txt": 1, "without a suffix": 1}
    assert metrics["channels_cancel"] == 1
    for words in (
        "5 utterances of 4 speakers",
        "1 files rejected",
        "channels cancel in 1 files, of which the loudest one is used",
        "genders not understood ('female_feminine': 1)",
        "passed over, no recordings by their names ('without a suffix': 1, '.txt': 1)",
        "speakers on record without a usable recording: 2 (lee, zoe)",
    ):
        assert words in line
    reasons = pd.read_csv("data/rejected.csv").set_index("path")["reason"]
    assert reasons["ann/1.wav"] == "no gender on record (female_feminine)"
    assert reasons["sam/1.opus"] == "no gender on record"
    assert reasons["lee/1.m4a"].startswith("undecodable")


def test_what_the_subset_leaves_out_is_stated_and_not_rejected(indexed):
    subset = {"speakers_per_gender": 1, "chapters_at_least": 1, "minutes_per_speaker": 0.05}
    line, metrics, utterances = indexed(**{f"subset.{key}": value for key, value in subset.items()})
    assert len(utterances) == 2
    assert metrics["subset"] == subset
    assert metrics["left_out_by_subset"] == {"speakers": 2, "utterances": 6}
    assert "left out by the subset: 6 utterances, and with them 2 speakers" in line
    assert pd.read_csv("data/rejected.csv").empty


def test_overrides_inline_or_of_a_csv_are_applied_and_stated_and_taken_back(
    indexed, table, tmp_path
):
    # YAML takes this id for a number.
    table.write_text(table.read_text().replace("bob,", "7976,"))
    mine = tmp_path / "mine.csv"
    mine.write_text("speaker_id,gender,reason\nsam,F,asked her\n")
    for given, reported in (
        (
            {7976: "F"},
            [{"speaker": "7976", "from": "M", "to": "F", "reason": "as params.yaml says"}],
        ),
        (str(mine), [{"speaker": "sam", "from": None, "to": "F", "reason": "asked her"}]),
        (None, []),
    ):
        line, metrics, utterances = indexed(gender_overrides=given)
        genders = utterances.set_index("speaker_id")["gender"]
        assert metrics["gender_overrides"] == reported
        assert line.endswith("genders overridden: 1") == bool(reported)
        for one in reported:
            assert set(genders[one["speaker"]]) == {one["to"]}
    assert "asked her" in mine.read_text(), "the user's file is not written to"


def test_a_mistake_in_the_table_is_reported_with_the_users_name_for_it(indexed, table):
    table.write_text(table.read_text() + "tapes/ann 0.wav,ann,F,x\n")
    with pytest.raises(UserError, match=rf"^{table}: line 10 has the same file as line 2"):
        indexed()
    assert not Path("data/utterances.parquet").exists()


@pytest.mark.parametrize("inner", ["project", "home"])
def test_recordings_with_no_folder_of_their_own_are_refused(
    indexed, table, tmp_path, write_audio, voice, inner
):
    (tmp_path / inner / "deep").mkdir(parents=True)
    write_audio(tmp_path / inner / "deep" / "x.wav", voice(2.5))
    table.write_text(table.read_text() + f"{inner}/deep/x.wav,ann,F,x\n")
    with pytest.raises(UserError, match=rf"no deeper folder than {tmp_path}, which also holds"):
        indexed()
