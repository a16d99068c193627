"""`make repro` mends what a killed DVC left, and never what another DVC is about to write."""

import subprocess
import sys
from pathlib import Path

import pytest
from dvc.lock import Lock

ROOT = Path(__file__).parents[1]


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
    command = [sys.executable, str(ROOT / ".dvc/recover.py")]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def contents(folder):
    return [(folder / name).read_text() for name in ("dvc.lock", ".dvc/tmp/rwlock")]


def test_what_is_whole_stays_and_nothing_is_said(here):
    before = contents(here)
    done = recover(here)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert contents(here) == before


@pytest.mark.parametrize("left", ["", "schema: '2.0'\nstages:\n  fit:\n    cm", "{"])
def test_a_damaged_lock_is_the_recorded_one_again(here, left):
    before = contents(here)
    (here / "dvc.lock").write_text(left)
    done = recover(here)
    assert done.stdout == "dvc.lock: a killed run had left it damaged; it is mended.\n"
    assert done.returncode == 0
    assert contents(here) == before


def test_a_damaged_lock_that_was_never_recorded_goes(here):
    subprocess.run(["git", "rm", "-q", "--cached", "dvc.lock"], cwd=here, check=True)
    (here / "dvc.lock").write_text("")
    assert recover(here).returncode == 0
    assert not (here / "dvc.lock").exists()


@pytest.mark.parametrize("left", ["", '{"write": {', '{"write": 3}'])
def test_a_damaged_rwlock_goes(here, left):
    (here / ".dvc/tmp/rwlock").write_text(left)
    done = recover(here)
    assert done.stdout == ".dvc/tmp/rwlock: a killed run had left it damaged; it is mended.\n"
    assert not (here / ".dvc/tmp/rwlock").exists()


def spoil(folder):
    (folder / "dvc.lock").write_text("")
    (folder / ".dvc/tmp/rwlock").write_text("")


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


def test_make_repro_recovers_before_dvc_reads_anything(here):
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in ("repro", "dev-clean"):
        recipe = makefile.split(f"\n{target}: ")[1].split("\n\n")[0]
        assert recipe.index("recover.py") < recipe.index(
            "dvc repro" if target == "repro" else "exp"
        )
