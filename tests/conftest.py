"""What several tests share: params with single values changed, small corpora, the real one."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

# Before anything loads OpenMP. Its threads would burn the cores of other workers while they wait.
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

import numpy as np
import pytest
import soundfile
import yaml
from browser import Browser, find_browser
from hypothesis import settings
from local_hub import LocalHub
from local_mirror import Mirror
from nested import with_changes

from speech.corpus.sample import synthesise_corpus
from speech.params import Params, load_params

# How long an example takes says nothing on a machine that others share.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

ROOT = Path(__file__).parents[1]
CORPORA = "SPEECH_CORPORA"
"""Environment variable: the folder that holds the corpora of real recordings."""


@pytest.fixture
def params() -> Params:
    """Load the params.yaml of the repository."""
    return load_params(ROOT / "params.yaml")


@pytest.fixture(scope="session")
def shipped_params() -> dict:
    """Read the params.yaml of the repository, unchecked."""
    return yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))


@pytest.fixture(scope="session")
def make_params(shipped_params) -> Callable[..., Params]:
    """Make the params of the repository, but for values: ``make_params(**{"mfcc.fft": 1024})``."""

    def make(**changes) -> Params:
        return Params.model_validate(with_changes(shipped_params, changes), strict=True)

    return make


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory) -> Path:
    """Synthesise eight voices with two chapters each, 1.2 minutes, in LibriSpeech layout.

    Shared by the whole session: read it, or copy it before changing anything.
    """
    target = tmp_path_factory.mktemp("tiny") / "corpus"
    synthesise_corpus(target, speakers_per_gender=4, chapters=2, minutes=1.2)
    return target


@pytest.fixture(scope="session")
def dev_clean_20() -> Path:
    """Find 20 speakers of LibriSpeech dev-clean; where they are absent, their tests skip."""
    folder = Path(os.environ.get(CORPORA) or ROOT.parent / "shared" / "corpora") / "dev-clean-20"
    if not folder.is_dir():
        pytest.skip(
            f"no real recordings here: set {CORPORA} to the folder that holds dev-clean-20, "
            "with 20 speakers of LibriSpeech dev-clean in LibriSpeech layout"
        )
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start a Chromium without a network; where there is none, its tests skip."""
    executable = find_browser()
    if executable is None:
        pytest.skip("no Chromium here: install one (Debian: apt-get install chromium)")
    try:
        window = Browser(executable)
    except RuntimeError as error:
        if "CI" in os.environ:
            raise
        pytest.skip(f"{executable}: {error}")
    yield window
    window.close()


@pytest.fixture
def mirror(monkeypatch) -> Iterator[Mirror]:
    """Start a server that behaves like OpenSLR, and end it after the test."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "CORPUS_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    server = Mirror()
    yield server
    server.close()


@pytest.fixture
def hub():
    """Serve a hub of one's own, empty at first."""
    served = LocalHub()
    served.start()
    yield served
    served.stop()


@pytest.fixture(scope="session")
def write_audio() -> Callable[..., Path]:
    """Write samples, [samples] or [samples, channels], to a file whose suffix is its format."""

    def write(path: Path, samples, rate: int = 16_000, subtype: str | None = None) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.asarray(samples), rate, subtype=subtype)
        return path

    return write


@pytest.fixture(scope="session")
def voice() -> Callable[..., np.ndarray]:
    """Make a signal that is like speech to the code: harmonics that swell and fade, in noise.

    ``voice(seconds, seed=0, rate=16_000)`` gives float32, [samples]; another seed, another pitch.
    """

    def make(seconds: float, seed: int = 0, rate: int = 16_000) -> np.ndarray:
        random = np.random.default_rng(seed)
        time = np.arange(round(seconds * rate)) / rate
        pitch = random.uniform(80, 250)
        harmonics = np.arange(1, 12)[:, None]
        tone = (np.sin(2 * np.pi * pitch * harmonics * time) / harmonics).sum(axis=0)
        swell = 1 + 0.9 * np.sin(2 * np.pi * random.uniform(2, 5) * time)
        noise = random.standard_normal(len(time))
        return (0.05 * tone * swell + 0.003 * noise).astype(np.float32)

    return make
