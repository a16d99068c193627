"""Each stage reads the very params that dvc.yaml names for it: one more or less would be a lie.

A key that is read but not named leaves stale results behind; one that is named but not read makes
the user wait for nothing.
"""

import hashlib
import importlib
import re
from functools import partial
from pathlib import Path

import pytest
import yaml

from speech.params import Block, load_params

NO_RESULT = {"parallel.jobs", "wav2vec2.batch_size", "corpus_mirror", "keep_archives"}
"""Speed and memory, or where the same bytes come from and stay."""

FUNCTIONS = {"index_corpus": "build_index"}
"""A stage's function has its script's name, unless that is taken by what it calls."""

SCRIPTS = {"fit_with_pitch": "fit", "fit_on_wav2vec2": "fit"}
"""A stage has a script of its own, unless one matrix cannot say what is wanted of it."""


MORE = {
    "fit": {"features": "mfcc"},
    "fit_with_pitch": {"task": "gender", "features": "mfcc_pitch"},
    "fit_on_wav2vec2": {"features": "wav2vec2"},
}
"""What a stage says to its script besides what its matrix holds."""


class Watched:
    """A block of params that remembers which keys were read."""

    def __init__(self, block: Block, read: set[str], prefix: str = "") -> None:
        self._block, self._read, self._prefix = block, read, prefix

    def __getattr__(self, name):
        derived = getattr(type(self._block), name, None)
        if isinstance(derived, property):
            return derived.fget(self)
        value = getattr(self._block, name)
        if isinstance(value, Watched):
            return value
        if isinstance(value, Block):
            return Watched(value, self._read, f"{self._prefix}{name}.")
        self._read.add(f"{self._prefix}{name}")
        return value

    def model_copy(self, update):
        return Watched(self._block.model_copy(update=update), self._read, self._prefix)

    def model_dump(self):
        self._read |= {f"{self._prefix}{name}" for name in type(self._block).model_fields}
        return self._block.model_dump()


ROOT = Path(__file__).parents[2]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))["stages"]

INSTANCES = [
    "fetch_corpus",
    "index_corpus",
    "split_by_speaker",
    "extract_mfcc",
    "extract_pitch",
    "analyse_mfcc",
    "fetch_encoder",
    "extract_wav2vec2",
    # The naive baseline alone has nothing to search for, and is refitted for nothing.
    "fit@gender-lda",
    "fit@speaker-logistic",
    "fit@gender-cnn",
    "fit_with_pitch@svm",
    "fit_on_wav2vec2@speaker-svm",
    "fit_on_wav2vec2@gender-mlp",
    "fit_rejection",
    "audit_split",
    "probe_layers",
    "evaluate@gender",
    "evaluate@speaker",
    "learning_curve",
    "verify_speakers",
    "report",
    "reduce_and_cluster@mfcc",
    "reduce_and_cluster@wav2vec2",
]


def test_every_stage_is_watched():
    watched = {instance.partition("@")[0] for instance in INSTANCES}
    # It depends on params.yaml itself.
    assert set(STAGES) - watched == {"check_params"}


@pytest.fixture
def ways(dev_clean_archive, monkeypatch):
    """Give the settings besides those of the sample by which a stage reads other params."""
    monkeypatch.delenv("CORPUS_MIRROR", raising=False)
    sha256 = hashlib.sha256(dev_clean_archive.read_bytes()).hexdigest()
    library = {
        "corpus": "dev-clean",
        "corpus_mirror": str(dev_clean_archive.parent),
        "corpus_sha256": {"dev-clean": sha256},
    }
    searched = {"tune": True, "tuning.budget": 2, "tuning.inner_folds": 2}
    return {"fetch_corpus": [library], "fit": [searched]}


@pytest.mark.parametrize("instance", INSTANCES)
def test_the_params_named_are_the_params_read(project, monkeypatch, ways, instance):
    monkeypatch.chdir(project.root)
    name, _, item = instance.partition("@")
    chosen = dict(zip(STAGES[name]["matrix"], item.split("-"), strict=True)) if item else {}
    script = SCRIPTS.get(name, name)
    module = importlib.import_module(f"stages.{script}")
    if name.startswith("extract_"):
        for file in (project.root / "data" / name.removeprefix("extract_")).iterdir():
            file.unlink()
    read: set[str] = set()
    more = MORE.get(name, {})
    run = partial(getattr(module, FUNCTIONS.get(script, script)), **chosen, **more)
    for settings in [{}, *ways.get(script, [])]:
        project.set(**settings)
        run(Watched(load_params(project.root / "params.yaml"), read))

    named, deps = STAGES[name].get("params", []), STAGES[name]["deps"]
    for key, value in chosen.items():
        named, deps = (
            [text.replace(f"${{item.{key}}}", value) for text in texts] for texts in (named, deps)
        )
    settings = yaml.safe_load((project.root / "params.yaml").read_text("utf-8"))
    named = [re.sub(r"\$\{(\w+)\.(\w+)\}", lambda key: settings[key[1]][key[2]], n) for n in named]
    covered = {key: [one for one in named if f"{key}.".startswith(f"{one}.")] for key in read}
    missing = {key for key, by in covered.items() if not by} - NO_RESULT
    # What features were made with is known to change whenever the features do.
    for features in ("mfcc", "pitch", "wav2vec2"):
        if f"data/{features}" in deps:
            of_features = STAGES[f"extract_{features}"]["params"]
            missing -= {key for key in of_features if key.startswith(f"{features}.")}
    if any(dep.startswith("data/layers/") for dep in deps):
        missing.discard("inputs.wav2vec2.layer")
    assert missing == set(), "read but not named"
    assert set(named) == {one for by in covered.values() for one in by}, "named but not read"
