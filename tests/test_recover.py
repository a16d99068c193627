"""`make repro` mends what a killed DVC left, and never what another DVC is about to write."""

import subprocess
import sys
from pathlib import Path

import pytest
from dvc.lock import Lock

ROOT = Path(__file__).parents[1]
LOCK, RWLOCK = "dvc.lock", ".dvc/tmp/rwlock"


@pytest.fixture
def here(tmp_path):
    """Make a repository in which a dvc.lock is recorded and DVC has run."""
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    (tmp_path / ".dvc/tmp/rwlock").write_text("{}")
    (tmp_path / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    for command in ("init -q", "add dvc.lock", "-c user.name=x -c user.email=y commit -qm x"):
        subprocess.run(["git", *command.split()], cwd=tmp_path, check=True)
    return tmp_path


def recover(folder):
    """Type the command in a folder below, as DVC allows."""
    folder = folder / "data"
    folder.mkdir(exist_ok=True)
    command = [sys.executable, str(ROOT / ".dvc/recover.py")]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def contents(folder):
    return [(folder / name).read_text() for name in (LOCK, RWLOCK)]


def test_what_is_whole_stays_and_nothing_is_said(here):
    before = contents(here)
    done = recover(here)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert contents(here) == before


@pytest.mark.parametrize(
    ("name", "left"),
    [
        (LOCK, ""),
        (LOCK, "schema: '2.0'\nstages:\n  fit:\n    cm"),
        (RWLOCK, '{"write": {'),
    ],
)
def test_a_damaged_lock_is_the_recorded_one_again_and_a_damaged_rwlock_goes(here, name, left):
    recorded = (here / LOCK).read_text()
    (here / name).write_text(left)
    done = recover(here)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{name}: a killed run had left it damaged; it is mended.\n"
    assert (here / LOCK).read_text() == recorded
    assert (here / RWLOCK).exists() is (name == LOCK)


def test_a_damaged_lock_that_was_never_recorded_goes(here):
    subprocess.run(["git", "rm", "-q", "--cached", LOCK], cwd=here, check=True)
    (here / LOCK).write_text("")
    assert recover(here).returncode == 0
    assert not (here / LOCK).exists()


def spoil(folder):
    for name in (LOCK, RWLOCK):
        (folder / name).write_text("")


def test_while_another_dvc_holds_the_repository_nothing_is_touched(here):
    spoil(here)
    with Lock(str(here / ".dvc/tmp/lock")):
        done = recover(here)
    assert done.returncode == 1
    assert done.stderr == "Another DVC is at work here; wait for its end and run again.\n"
    assert contents(here) == ["", ""]


def test_while_another_dvc_runs_a_stage_and_holds_no_lock_nothing_is_touched(here):
    spoil(here)
    script = here / "dvc"
    script.write_text("import time; print(flush=True); time.sleep(60)")
    command = [sys.executable, str(script), "repro"]
    with subprocess.Popen(command, cwd=here, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        done = recover(here)
        process.kill()
    assert done.returncode == 1
    assert done.stderr.startswith(f"DVC is at work (process {process.pid}); wait for its end")
    assert contents(here) == ["", ""]
    assert recover(here).returncode == 0


@pytest.mark.parametrize(("target", "dvc"), [("repro", "dvc repro"), ("dev-clean", "exp")])
def test_make_repro_recovers_before_dvc_reads_anything(target, dvc):
    recipe = (ROOT / "Makefile").read_text("utf-8").split(f"\n{target}: ")[1].split("\n\n")[0]
    assert recipe.index("recover.py") < recipe.index(dvc)
