"""A corpus is at hand after one run: the user's own, or one from a server that is like OpenSLR."""

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import get_args

import pandas as pd
import pytest

from speech.errors import UserError
from speech.params import Subset
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


def offer(mirror, **archives):
    """Put archives on the server; give the params that fetch them from there."""
    checksums = {}
    for name, content in archives.items():
        subset = name.replace("_", "-")
        mirror.put(f"{subset}.tar.gz", content)
        checksums[subset] = hashlib.sha256(content).hexdigest()
    return {"corpus": [*checksums], "corpus_mirror": mirror.host, "corpus_sha256": checksums}


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
    return offer(mirror, dev_clean=archive) | {"corpus": "dev-clean"}


@pytest.mark.parametrize("keep", [False, True])
def test_a_subset_is_fetched_once_and_index_corpus_reads_it(
    here, mirror, settings, make_params, keep
):
    params = make_params(**settings, keep_archives=keep)
    said = fetch_corpus(params)
    assert said == "data/corpus is data/librispeech/dev-clean/LibriSpeech"
    assert build_index(params).startswith("8 utterances of 4 speakers")
    genders = pd.read_parquet("data/utterances.parquet")["gender"]
    assert sorted(genders) == ["F"] * 4 + ["M"] * 4
    assert fetch_corpus(params) == said
    assert len(mirror.log) == 1
    assert [path.name for path in Path("data/archives").iterdir()] == ["dev-clean.tar.gz"] * keep


def test_a_list_of_subsets_is_one_corpus(here, mirror, archive, make_params):
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(here / "other", filter="data")
    (here / "other/LibriSpeech/dev-clean").rename(here / "other/LibriSpeech/dev-other")
    for file in (here / "other").rglob("*.flac"):
        file.rename(file.with_name(file.name.replace("-0000", "-0001")))
    params = make_params(**offer(mirror, dev_other=pack(here / "other"), dev_clean=archive))
    assert "dev-clean+dev-other" in fetch_corpus(params)
    assert build_index(params).startswith("16 utterances of 4 speakers")
    assert len(mirror.log) == 2


@pytest.mark.parametrize("empty", [False, True])
def test_a_mirror_of_the_environment_goes_before_the_param(
    here, mirror, settings, make_params, monkeypatch, empty
):
    other = "http://nowhere.invalid"
    monkeypatch.setenv("CORPUS_MIRROR", "" if empty else mirror.host)
    fetch_corpus(make_params(**settings | {"corpus_mirror": mirror.host if empty else other}))
    assert len(mirror.log) == 1


# --- what is refused --------------------------------------------------------------------------


def test_a_name_that_is_nothing_is_refused_with_those_there_are(here, make_params):
    with pytest.raises(UserError, match="corpus: dev-cleen does not exist") as caught:
        fetch_corpus(make_params(corpus="dev-cleen"))
    for name in ("`sample`", *get_args(Subset)):
        assert name in str(caught.value)


@pytest.mark.parametrize("name", ["lost.wav", ".#speakers.csv", "pipe.wav"])
def test_what_dvc_could_not_read_is_named_before_dvc_stops_at_it(here, make_params, name):
    """A link to nothing, also one as Emacs leaves it, and a pipe."""
    (here / "mine/ann").mkdir(parents=True)
    (here / "mine/speakers.csv").write_text("speaker_id,gender\nann,F\n")
    if name == "pipe.wav":
        os.mkfifo(here / "mine/ann" / name)
    else:
        (here / "mine/ann" / name).symlink_to("nowhere")
    with pytest.raises(UserError, match=rf"^corpus: mine/ann/{name} is a link to nothing or no"):
        fetch_corpus(make_params(corpus="mine"))
    assert not Path("data/corpus").exists()


def test_overrides_that_are_not_there_are_refused_before_anything_is_downloaded(
    here, mirror, settings, make_params
):
    with pytest.raises(UserError, match=r"^gender_overrides: known\.csv is no file; set it to"):
        fetch_corpus(make_params(**settings, gender_overrides="known.csv"))
    assert mirror.log == []


# --- interruptions ----------------------------------------------------------------------------

SLOWLY = """
import sys, tarfile, time
sys.argv = ["fetch_corpus"]
extract = tarfile.TarFile.extract
tarfile.TarFile.extract = lambda *args, **named: (time.sleep(0.3), extract(*args, **named))
from stages.fetch_corpus import *
run_stage(fetch_corpus)
"""


@pytest.mark.parametrize(("how", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_kill_while_unpacking_is_recovered_from_without_a_request(
    here, mirror, settings, shipped_params, make_params, how, status
):
    # JSON is YAML.
    (here / "params.yaml").write_text(json.dumps(shipped_params | settings), "utf-8")
    process = subprocess.Popen(
        [sys.executable, "-c", SLOWLY],
        cwd=here,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    while not any((here / "data").glob("librispeech/.dev-clean.*/**/*.flac")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(how)
    assert process.wait(30) == status
    assert not (here / "data/librispeech/dev-clean").exists()
    assert not (here / "data/corpus").exists()
    params = make_params(**settings)
    fetch_corpus(params)
    assert build_index(params).startswith("8 utterances")
    assert [path.name for path in Path("data/librispeech").iterdir()] == ["dev-clean"]
    assert len(mirror.log) == 1
