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
from itertools import product
from pathlib import Path
from typing import get_args

import pandas as pd
import pytest
import yaml

from speech.errors import UserError
from speech.params import Subset, load_params
from stages.fetch_corpus import fetch_corpus
from stages.index_corpus import build_index

ROOT = Path(__file__).parents[2]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Work in an empty folder, as at the root of the repository."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def mine(here):
    """Make a folder of one's own, with a table of its speaker."""
    (here / "mine/ann").mkdir(parents=True)
    (here / "mine/speakers.csv").write_text("speaker_id,gender\nann,F\n")
    return here / "mine"


@pytest.fixture(scope="module")
def archives(tmp_path_factory, voice, write_audio):
    """Pack two subsets of the same four voices, with two chapters each, as the official ones."""
    packed = {}
    for number, subset in enumerate(("dev-clean", "dev-other")):
        root = tmp_path_factory.mktemp("source")
        for speaker, chapter in product(range(1, 5), range(2)):
            path = f"{subset}/{speaker}/{chapter}/{speaker}-{chapter}-{number:04d}.flac"
            write_audio(root / path, voice(2.5, seed=100 * number + 10 * speaker + chapter))
        lines = [f"{one} | {'FM'[one % 2]} | {subset} | 1 | X\n" for one in range(1, 5)]
        (root / "SPEAKERS.TXT").write_text("".join(lines))
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            tar.add(root, "LibriSpeech")
        packed[subset] = buffer.getvalue()
    return packed


@pytest.fixture
def settings(mirror, archives):
    """Put the archives on the server; give the params that fetch dev-clean from there."""
    for name, content in archives.items():
        mirror.put(f"{name}.tar.gz", content)
    checksums = {name: hashlib.sha256(content).hexdigest() for name, content in archives.items()}
    return {"corpus": "dev-clean", "corpus_mirror": mirror.host, "corpus_sha256": checksums}


def test_a_subset_is_fetched_once_and_index_corpus_reads_it(here, mirror, settings, make_params):
    params = make_params(**settings, keep_archives=True)
    said = fetch_corpus(params)
    assert said == "data/corpus is data/librispeech/dev-clean/LibriSpeech"
    assert build_index(params).startswith("8 utterances of 4 speakers")
    genders = pd.read_parquet("data/utterances.parquet")["gender"]
    assert sorted(genders) == ["F"] * 4 + ["M"] * 4
    assert fetch_corpus(params) == said
    assert len(mirror.log) == 1
    assert [path.name for path in Path("data/archives").iterdir()] == ["dev-clean.tar.gz"]


def test_a_mirror_of_the_environment_goes_before_the_param_if_it_is_not_empty(
    here, mirror, settings, make_params, monkeypatch
):
    monkeypatch.setenv("CORPUS_MIRROR", "")
    fetch_corpus(make_params(**settings))
    monkeypatch.setenv("CORPUS_MIRROR", mirror.host)
    other = {"corpus": "dev-other", "corpus_mirror": "http://nowhere.invalid"}
    fetch_corpus(make_params(**settings | other))
    assert len(mirror.log) == 2


def test_a_name_that_is_nothing_is_refused_with_those_there_are(here, make_params):
    with pytest.raises(UserError, match="corpus: dev-cleen does not exist") as caught:
        fetch_corpus(make_params(corpus="dev-cleen"))
    for name in ("`sample`", *get_args(Subset)):
        assert name in str(caught.value)


def test_a_corpus_to_validate_on_is_pointed_to_as_the_corpus_is(
    here, mirror, settings, make_params
):
    fetch_corpus(make_params(**settings))
    for link in ("audio", "labels"):  # DVC is given something to watch
        assert Path("data/external", link).read_text() == "external is null in params.yaml\n"
    said = fetch_corpus(make_params(**settings, external=["dev-other"]))
    assert said.endswith(", data/external is data/librispeech/dev-other/LibriSpeech")
    assert Path("data/external/audio/dev-other").is_dir()
    assert len(mirror.log) == 2


@pytest.mark.parametrize("gone", ["corpus", "external"])
def test_what_is_the_users_own_is_looked_for_before_anything_is_downloaded(
    here, mirror, settings, make_params, gone
):
    with pytest.raises(UserError, match=f"^{gone}: gone does not exist in"):
        fetch_corpus(make_params(**settings | {"external": "dev-other", gone: "gone"}))
    assert mirror.log == []


@pytest.mark.parametrize(
    ("corpus", "external", "said"),
    [
        ("mine", "gone", "^external: gone does not exist in"),
        ("mine", "./mine", "^external: mine is what corpus names, too; name a corpus that takes"),
        ("mine", "mine", r"^params\.yaml: external must not hold what corpus holds \(mine\); "),
        (["dev-clean"], "dev-clean", r"external must not hold what corpus holds \(dev-clean\); "),
    ],
)
def test_a_corpus_to_validate_on_must_be_there_and_another(
    mine, shipped_params, corpus, external, said
):
    params = shipped_params | {"corpus": corpus, "external": external}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    with pytest.raises(UserError, match=said):
        fetch_corpus(load_params(Path("params.yaml")))


@pytest.mark.parametrize("name", ["lost.wav", ".#speakers.csv", "pipe.wav"])
def test_what_dvc_could_not_read_is_named_before_dvc_stops_at_it(mine, make_params, name):
    """A link to nothing, also one as Emacs leaves it, and a pipe."""
    if name == "pipe.wav":
        os.mkfifo(mine / "ann" / name)
    else:
        (mine / "ann" / name).symlink_to("nowhere")
    with pytest.raises(UserError, match=rf"^corpus: mine/ann/{name} is a link to nothing or no"):
        fetch_corpus(make_params(corpus="mine"))
    assert not Path("data/corpus").exists()


def test_overrides_that_are_not_there_are_refused_before_anything_is_downloaded(
    here, mirror, settings, make_params
):
    with pytest.raises(UserError, match=rf"^gender_overrides: {here}/known\.csv is no file; set"):
        fetch_corpus(make_params(**settings, gender_overrides="known.csv"))
    assert mirror.log == []


SLOWLY = """
import sys, tarfile, time
sys.argv = ["fetch_corpus"]
extract = tarfile.TarFile.extract
tarfile.TarFile.extract = lambda *args, **named: (time.sleep(0.3), extract(*args, **named))
from stages.fetch_corpus import *
run_stage(fetch_corpus)
"""


@pytest.mark.parametrize(
    ("step", "how", "status"),
    [("downloading", signal.SIGTERM, 143), ("unpacking", signal.SIGKILL, -signal.SIGKILL)],
)
def test_a_run_that_was_ended_at_any_step_is_taken_up_by_the_next(
    here, mirror, settings, shipped_params, make_params, step, how, status
):
    if step == "downloading":
        mirror.misbehave(hold_after=200_000)
    # JSON is YAML.
    (here / "params.yaml").write_text(json.dumps(shipped_params | settings), "utf-8")
    process = subprocess.Popen(
        [sys.executable, "-c", SLOWLY],
        cwd=here,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    part = here / "data/archives/dev-clean.tar.gz.part"
    while not (
        part.exists() and part.stat().st_size > 100_000
        if step == "downloading"
        else any((here / "data").glob("librispeech/.dev-clean.*/**/*.flac"))
    ):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(how)
    assert process.wait(30) == status
    arrived = part.stat().st_size if step == "downloading" else None
    assert not (here / "data/librispeech/dev-clean").exists()
    assert not (here / "data/corpus").exists()
    fetch_corpus(make_params(**settings))
    assert len([*Path("data/corpus/audio").rglob("*.flac")]) == 8
    assert [path.name for path in Path("data/librispeech").iterdir()] == ["dev-clean"]
    assert [asked.start for asked in mirror.log] == [None] + [arrived] * (step == "downloading")
