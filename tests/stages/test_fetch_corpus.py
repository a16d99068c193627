"""Subsets of LibriSpeech are at hand after one run, from a server that behaves like OpenSLR."""

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import get_args

import pandas as pd
import pytest
import soundfile

from speech.audio.decode import load_audio
from speech.errors import UserError
from speech.params import SAMPLE_RATE, Subset
from stages.fetch_corpus import fetch_corpus
from stages.index_corpus import build_index

ROOT = Path(__file__).parents[2]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Work in an empty folder, as at the root of the repository."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pack(folder):
    """Pack a folder that holds LibriSpeech/ as the official archives are packed."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.add(folder / "LibriSpeech", "LibriSpeech")
    return buffer.getvalue()


@pytest.fixture
def archive(tmp_path_factory, voice, write_audio):
    """Make dev-clean of four voices with two chapters each."""
    root = tmp_path_factory.mktemp("source")
    for speaker in range(1, 5):
        for chapter in range(2):
            path = f"dev-clean/{speaker}/{chapter}/{speaker}-{chapter}-0000.flac"
            write_audio(root / "LibriSpeech" / path, voice(2.5, seed=10 * speaker + chapter))
    lines = [f"{speaker} | {'FM'[speaker % 2]} | dev-clean | 1 | X\n" for speaker in range(1, 5)]
    (root / "LibriSpeech" / "SPEAKERS.TXT").write_text("".join(lines))
    return pack(root)


@pytest.fixture
def settings(mirror, archive):
    """Give the params that fetch this dev-clean from the server."""
    mirror.put("dev-clean.tar.gz", archive)
    return {
        "corpus": "dev-clean",
        "corpus_mirror": mirror.host,
        "corpus_sha256": {"dev-clean": hashlib.sha256(archive).hexdigest()},
    }


def test_a_subset_is_fetched_once_and_index_corpus_reads_it(here, mirror, settings, make_params):
    params = make_params(**settings)
    said = fetch_corpus(params)
    assert said == "data/corpus is data/librispeech/dev-clean/LibriSpeech"
    assert build_index(params).startswith("8 utterances of 4 speakers")
    genders = pd.read_parquet("data/utterances.parquet")["gender"]
    assert sorted(genders) == ["F"] * 4 + ["M"] * 4
    assert fetch_corpus(params) == said
    assert len(mirror.log) == 1
    assert list(Path("data/archives").iterdir()) == []


def test_the_archive_is_kept_where_that_is_asked_for(here, settings, make_params):
    fetch_corpus(make_params(**settings, keep_archives=True))
    assert [path.name for path in Path("data/archives").iterdir()] == ["dev-clean.tar.gz"]


def test_a_list_of_subsets_is_one_corpus(here, mirror, settings, archive, make_params):
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(here / "other", filter="data")
    (here / "other/LibriSpeech/dev-clean").rename(here / "other/LibriSpeech/dev-other")
    for file in (here / "other").rglob("*.flac"):
        file.rename(file.with_name(file.name.replace("-0000", "-0001")))
    other = pack(here / "other")
    mirror.put("dev-other.tar.gz", other)
    settings["corpus_sha256"]["dev-other"] = hashlib.sha256(other).hexdigest()
    params = make_params(**settings | {"corpus": ["dev-other", "dev-clean"]})
    assert "dev-clean+dev-other" in fetch_corpus(params)
    assert build_index(params).startswith("16 utterances of 4 speakers")
    assert len(mirror.log) == 2


def test_the_environment_goes_before_the_param(here, mirror, settings, make_params, monkeypatch):
    monkeypatch.setenv("CORPUS_MIRROR", mirror.host)
    fetch_corpus(make_params(**settings | {"corpus_mirror": "http://nowhere.invalid"}))
    assert len(mirror.log) == 1


def test_an_empty_variable_in_the_environment_is_none(
    here, mirror, settings, make_params, monkeypatch
):
    monkeypatch.setenv("CORPUS_MIRROR", "")
    fetch_corpus(make_params(**settings))
    assert len(mirror.log) == 1


def test_a_name_that_is_nothing_is_told_which_there_are(here, make_params):
    with pytest.raises(UserError, match="corpus: dev-cleen does not exist") as caught:
        fetch_corpus(make_params(corpus="dev-cleen"))
    for name in ("`sample`", *get_args(Subset)):
        assert name in str(caught.value)


@pytest.mark.parametrize("name", ["lost.wav", ".#speakers.csv"])  # the latter as Emacs leaves them
def test_a_link_to_nothing_is_named_before_dvc_stops_at_it(here, make_params, name):
    (here / "mine/ann").mkdir(parents=True)
    (here / "mine/speakers.csv").write_text("speaker_id,gender\nann,F\n")
    (here / "mine/ann" / name).symlink_to("nowhere")
    with pytest.raises(UserError, match=rf"^corpus: mine/ann/{name} is a link to nothing"):
        fetch_corpus(make_params(corpus="mine"))
    assert not Path("data/corpus").exists()


def test_a_pipe_among_the_recordings_is_named_before_dvc_waits_for_it(here, make_params):
    (here / "mine/ann").mkdir(parents=True)
    (here / "mine/speakers.csv").write_text("speaker_id,gender\nann,F\n")
    os.mkfifo(here / "mine/ann/1.wav")
    with pytest.raises(UserError, match=r"^corpus: mine/ann/1\.wav is .* no file that can be read"):
        fetch_corpus(make_params(corpus="mine"))


def test_overrides_that_are_not_there_are_told_before_anything_is_downloaded(
    here, mirror, settings, make_params
):
    with pytest.raises(UserError, match=r"^gender_overrides: known\.csv is no file"):
        fetch_corpus(make_params(**settings, gender_overrides="known.csv"))
    assert mirror.log == []


def start(here, program="from stages.fetch_corpus import *; run_stage(fetch_corpus)"):
    return subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.argv = ['fetch_corpus']; {program}"],
        cwd=here,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )


def write_params(here, shipped_params, settings):
    # JSON is YAML.
    (here / "params.yaml").write_text(json.dumps(shipped_params | settings), "utf-8")


def wait_for(process, condition):
    while not condition():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)


def test_ctrl_c_while_downloading_is_gone_on_with(
    here, mirror, settings, archive, shipped_params, make_params
):
    write_params(here, shipped_params, settings)
    mirror.misbehave(hold_after=len(archive) // 2)
    process = start(here)
    part = here / "data/archives/dev-clean.tar.gz.part"
    wait_for(process, lambda: part.exists() and part.stat().st_size > 100_000)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert process.stderr.read() == "fetch_corpus: interrupted; run again to go on\n"
    arrived = part.stat().st_size
    fetch_corpus(make_params(**settings))
    assert [asked.start for asked in mirror.log] == [None, arrived]
    assert mirror.log[1].sent == len(archive) - arrived


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_kill_while_unpacking_is_made_good_without_a_request(
    here, mirror, settings, shipped_params, make_params, how
):
    write_params(here, shipped_params, settings)
    slowly = "import time, speech.corpus.unpack as u; write = u._write; "
    slowly += "u._write = lambda *all: (time.sleep(0.3), write(*all)); "
    process = start(here, slowly + "from stages.fetch_corpus import *; run_stage(fetch_corpus)")
    wait_for(process, lambda: any((here / "data").glob("librispeech/.dev-clean.*/**/*.flac")))
    process.send_signal(how)
    assert process.wait(30) != 0
    assert not (here / "data/librispeech/dev-clean").exists()
    assert not (here / "data/corpus").exists()
    params = make_params(**settings)
    fetch_corpus(params)
    assert build_index(params).startswith("8 utterances")
    assert [path.name for path in Path("data/librispeech").iterdir()] == ["dev-clean"]
    assert len(mirror.log) == 1


def test_real_recordings_packed_as_dev_clean_come_through(here, mirror, dev_clean_20, make_params):
    """Three speakers' first utterances, as FLAC, by the official layout of files and URL."""
    source = dev_clean_20 / "LibriSpeech"
    target = here / "source" / "LibriSpeech"
    target.mkdir(parents=True)
    for table in source.glob("*.TXT"):
        shutil.copy(table, target)
    utterances = 0
    for speaker in ("84", "422", "1272"):
        for chapter in (source / "dev-clean" / speaker).iterdir():
            for file in sorted(chapter.glob("*.mp3"))[:8]:
                path = (target / file.relative_to(source)).with_suffix(".flac")
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, load_audio(file), SAMPLE_RATE, "PCM_16")
                utterances += 1
            for transcript in chapter.glob("*.txt"):
                shutil.copy(transcript, path.parent)
    archive = pack(target.parent)
    mirror.put("dev-clean.tar.gz", archive)
    for cut in (10_000, 1_000_000):
        mirror.misbehave(cut_after=cut)
    params = make_params(
        corpus="dev-clean",
        corpus_mirror=mirror.host,
        corpus_sha256={"dev-clean": hashlib.sha256(archive).hexdigest()},
    )
    fetch_corpus(params)
    assert build_index(params).startswith(f"{utterances} utterances of 3 speakers")
    assert utterances > 30
    found = pd.read_parquet("data/utterances.parquet")
    genders = found.groupby("speaker_id")["gender"].agg(lambda of_speaker: "".join(set(of_speaker)))
    assert genders.to_dict() == {"84": "F", "422": "M", "1272": "M"}
    assert sum(asked.sent for asked in mirror.log) == len(archive)
    fetch_corpus(params)
    assert len(mirror.log) == 3
