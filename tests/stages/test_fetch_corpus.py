"""A corpus is at hand after one run: the user's own, or one from a server that is like OpenSLR."""

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


@pytest.fixture
def start(here, shipped_params, settings):
    """Start the stage in a process of its own, after a line of Python."""

    def run(first=""):
        # JSON is YAML.
        (here / "params.yaml").write_text(json.dumps(shipped_params | settings), "utf-8")
        program = "from stages.fetch_corpus import *; run_stage(fetch_corpus)"
        return subprocess.Popen(
            [sys.executable, "-c", f"import sys; sys.argv = ['fetch_corpus']\n{first}\n{program}"],
            cwd=here,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
        )

    return run


def wait_for(process, condition):
    while not condition():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)


def test_a_download_ended_by_ctrl_c_is_resumed(here, mirror, settings, archive, start, make_params):
    mirror.misbehave(hold_after=len(archive) // 2)
    process = start()
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
def test_a_kill_while_unpacking_is_recovered_from_without_a_request(
    here, mirror, settings, start, make_params, how
):
    slowly = "import tarfile, time; extract = tarfile.TarFile.extract; tarfile.TarFile.extract = "
    slowly += "lambda *args, **named: (time.sleep(0.3), extract(*args, **named))"
    process = start(slowly)
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
    shutil.copy(source / "SPEAKERS.TXT", target)
    utterances = 0
    for speaker in ("84", "422", "1272"):
        for chapter in (source / "dev-clean" / speaker).iterdir():
            for file in sorted(chapter.glob("*.mp3"))[:8]:
                path = (target / file.relative_to(source)).with_suffix(".flac")
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, load_audio(file), SAMPLE_RATE, "PCM_16")
                utterances += 1
    archive = pack(target.parent)
    params = make_params(**offer(mirror, dev_clean=archive))
    mirror.misbehave(cut_after=1_000_000)
    fetch_corpus(params)
    assert build_index(params).startswith(f"{utterances} utterances of 3 speakers")
    assert utterances > 30
    found = pd.read_parquet("data/utterances.parquet")
    genders = found.groupby("speaker_id")["gender"].agg(lambda of_speaker: "".join(set(of_speaker)))
    assert genders.to_dict() == {"84": "F", "422": "M", "1272": "M"}
    assert sum(asked.sent for asked in mirror.log) == len(archive)
