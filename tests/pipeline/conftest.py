"""The whole pipeline, run once on a tiny corpus in a repository of its own, and copies of it."""

import fcntl
import io
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import IO

import pytest
import yaml
from nested import with_changes

ROOT = Path(__file__).parents[2]
SOURCES = [
    *("speech", "stages", "pretrained", "predict.py", "dvc.yaml", ".dvcignore", ".gitignore"),
    *(".dvc/.gitignore", ".dvc/config", ".dvc/plots", "data/.gitignore", "plots/.gitignore"),
]

TINY = {
    # The others are fitted by themselves, and compared with each other elsewhere.
    "model": "svm",
    "models": ["svm", "cnn"],
    "sample_corpus.speakers_per_gender": 4,
    "sample_corpus.chapters": 2,
    "sample_corpus.minutes": 1.5,
    "sample_encoder.hidden": 32,
    "sample_encoder.layers": 4,
    "folds.gender": 2,
    "folds.speaker": 2,
    "evaluate.resamples": 100,
    "learning_curve.draws": 1,
    "cnn.channels": [8, 8],
    "cnn.epochs": 2,
    # Workers cost more to start than there is to do.
    "compute.jobs": 1,
}

STRAIGHT_ON = """
import runpy, sys
for command in sys.argv[1:]:
    script, *sys.argv[1:] = command.split()
    runpy.run_path(script, run_name="__main__")
"""

TIMEOUT = 1800
"""Seconds; whatever takes longer hangs, even where many share the machine."""


@dataclass(frozen=True)
class Result:
    """What a command said."""

    status: int
    out: str
    err: str

    @property
    def stages_run(self) -> list[str]:
        """The stages that DVC ran, in order."""
        return re.findall(r"^Running stage '(.+)':", self.out, flags=re.MULTILINE)

    @property
    def commands(self) -> list[str]:
        """The scripts that DVC ran, in order, each with its arguments."""
        return re.findall(r"^> python (stages/.+)$", self.out, flags=re.MULTILINE)

    def closing_line(self, stage: str) -> str:
        """Return the line that a stage ended with."""
        (line,) = re.findall(rf"^{stage}: .+ s\)$", self.out, flags=re.MULTILINE)
        return line


@dataclass(frozen=True)
class Project:
    """A checkout of this project, with an environment that knows nothing of this machine's user."""

    root: Path
    environment: dict[str, str] = field(repr=False)

    def run(self, *command: str) -> Result:
        """Run a command at the root, whatever its exit status."""
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def must(self, *command: str) -> Result:
        """Run a command that must succeed."""
        result = self.run(*command)
        assert result.status == 0, f"{command}\n{result.out}\n{result.err}"
        return result

    def dvc(self, *arguments: str) -> Result:
        """Run a command of DVC that must succeed."""
        return self.must("dvc", *arguments)

    def straight_on(self, *commands: str) -> Result:
        """Run stages, such as ``stages/fit.py gender-mfcc svm``, in one process without DVC."""
        return self.must("python", "-c", STRAIGHT_ON, *commands)

    def stage(self, name: str, *arguments: str) -> Result:
        """Run a stage's script, whatever its exit status."""
        return self.script(f"stages/{name}.py", *arguments)

    def stages(self, *commands: str) -> None:
        """Run stages that must succeed, such as ``fit gender-mfcc svm``, one after another."""
        for command in commands:
            result = self.stage(*command.split())
            assert result.status == 0, f"{command}\n{result.out}\n{result.err}"

    def make_examples(self) -> None:
        """Run every stage before the first fit."""
        self.stages("check_params", "fetch_corpus", "index_corpus", "split_by_speaker")
        self.stages("extract_mfcc", "extract_pitch", "fetch_encoder", "extract_wav2vec2")
        self.stages("build_examples mfcc", "build_examples wav2vec2")

    def script(self, name: str, *arguments: object, stdin: IO[str] | None = None) -> Result:
        """Run a script at the root, in this process: to start one takes seconds."""
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
        status = None
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.chdir(self.root)
            patch.setattr(sys, "argv", [name, *map(str, arguments)])
            patch.setattr(sys, "stdin", stdin)
            try:
                runpy.run_path(name, run_name="__main__")
            except SystemExit as end:
                status = end.code
            out.flush()
            err.flush()
        said = (stream.buffer.getvalue().decode() for stream in (out, err))
        return Result(status or 0, *said)

    def made(self) -> dict[Path, bytes]:
        """Read every file that a stage could have written, by its path."""
        return {
            file.relative_to(self.root): file.read_bytes()
            for folder in ("data", "models", "metrics", "plots")
            for file in (self.root / folder).rglob("*")
            if file.is_file() and file.name != ".gitignore"
        }

    def changed(self, before: dict[Path, bytes]) -> list[Path]:
        """List the files that a stage has made, changed or removed since ``made`` was asked."""
        now = self.made()
        return sorted(file for file in before | now if before.get(file) != now.get(file))

    def commit(self, message: str) -> None:
        """Commit everything that git is to know."""
        self.must("git", "add", "--all")
        self.must("git", "commit", "--quiet", "--message", message)

    def set(self, **changes) -> None:
        """Change params.yaml; keys are given as it nests them, joined by dots."""
        path = self.root / "params.yaml"
        content = yaml.safe_load(path.read_text("utf-8"))
        path.write_text(yaml.safe_dump(with_changes(content, changes), sort_keys=False), "utf-8")


def check_out(root):
    """Copy the project's own files, and make a repository of them, as a clone would be."""
    for source in SOURCES:
        (root / source).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / source, root / source, ignore=ignored)
        else:
            shutil.copy(ROOT / source, root / source)
    content = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    text = yaml.safe_dump(with_changes(content, TINY), sort_keys=False)
    (root / "params.yaml").write_text(text, "utf-8")
    project = Project(root, environment(root))
    project.must("git", "init", "--quiet")
    project.commit("The project")
    return project


OTHERS = ("GIT_", "DVC_", "PYTHON")
"""Environment variables by which the caller's world would reach into the tests."""


def environment(root):
    """Make an environment with the checkout's code, and no one's settings or network."""
    identity = {"NAME": "Some One", "EMAIL": "some.one@example.org"}
    homes = root.parent / f"{root.name}.home"
    homes.mkdir(exist_ok=True)
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith(OTHERS)},
        **{f"GIT_{who}_{key}": v for who in ("AUTHOR", "COMMITTER") for key, v in identity.items()},
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "HOME": str(homes),
        "XDG_CONFIG_HOME": str(homes / "config"),
        "DVC_SITE_CACHE_DIR": str(homes / "dvc"),
        "DVC_NO_ANALYTICS": "1",
        # DVC asks for no newer version of itself where it believes to be tested by a machine.
        "CI": "true",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        # Not the code that is installed, which may be another checkout.
        "PYTHONPATH": str(root),
        "COLUMNS": "200",
    }


def pytest_collection_modifyitems(items):
    """Begin with the whole pipeline, and end with what needs it: no worker waits for another."""
    items.sort(
        key=lambda item: (
            item.path.name != "test_first_run.py",
            item.path.parent == Path(__file__).parent,
            "finished" in item.fixturenames,
        )
    )


@pytest.fixture(scope="session")
def first_run(tmp_path_factory):
    """Give a project after ``dvc repro`` from nothing, and what DVC said. Look, but change nothing.

    Workers of pytest-xdist share the run: the first that asks makes it, the others wait. Each has
    a copy of its own, for DVC works for one at a time.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    root, said = shared / "first run" / "project", shared / "first_run.json"
    with (shared / "first_run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not said.exists():
            # For the workers that wait, in case it never ends.
            said.write_text(json.dumps(asdict(Result(1, "", "the first run failed"))), "utf-8")
            project = check_out(root)
            result = project.run("dvc", "repro")
            if result.status == 0:
                project.commit("A first run")
            said.write_text(json.dumps(asdict(result)), "utf-8")
    own = copied(root, tmp_path_factory.mktemp("first") / "project")
    return own, Result(**json.loads(said.read_text("utf-8")))


@pytest.fixture(scope="session")
def finished(first_run):
    """Give the project after its first run. Look, but change nothing."""
    project, result = first_run
    assert result.status == 0, result.out + result.err
    return project


@pytest.fixture
def project(finished, tmp_path):
    """Copy the project after its first run, to do with as one likes."""
    own = copied(finished.root, tmp_path / "project")
    yield own
    # Forty copies would take half a gigabyte.
    shutil.rmtree(own.root)


@pytest.fixture(scope="session")
def copy_of():
    """Copy a finished project to a folder, for tests of one module to share."""
    return copied


@pytest.fixture(scope="session")
def new_project():
    """Check the project out at a folder: nothing has run yet."""
    return check_out


@pytest.fixture
def bare(tmp_path):
    """Check the project out anew."""
    return check_out(tmp_path / "project")


LINKS = [f"data/corpus/{name}" for name in ("audio", "gender_overrides.csv", "labels")]
LINKS += ["data/encoder", "data/external/audio", "data/external/labels"]


def copied(source, root):
    """Copy a project with all it has made."""
    shutil.copytree(source, root, symlinks=True)
    for link in filter(Path.is_symlink, (root / name for name in LINKS)):
        # Links are absolute: let them point to the copy's own files.
        target = link.readlink()
        link.unlink()
        link.symlink_to(root / target.relative_to(source))
    return Project(root, environment(root))


@pytest.fixture
def folder_corpus(tmp_path, voice, write_audio):
    """Make a small corpus in LibriSpeech layout: 8 speakers, 2 chapters each, 2 utterances each."""

    def make(name="corpus"):
        root = tmp_path / name
        root.mkdir()
        lines = [f"{speaker} | {'FM'[speaker % 2]} | small | 1 | Nobody" for speaker in range(1, 9)]
        (root / "SPEAKERS.TXT").write_text("\n".join(["; ID | SEX | …", *lines]) + "\n", "utf-8")
        for speaker, chapter, number in product(range(1, 9), range(2), range(2)):
            path = f"small/{speaker}/{chapter}/{speaker}-{chapter}-{number:04d}.wav"
            sound = voice(2.5, seed=100 * speaker + 10 * chapter + number)
            write_audio(root / path, sound)
        return root

    return make
