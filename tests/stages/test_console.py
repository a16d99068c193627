"""What a stage says: one closing line, or one line of what is wrong."""

from stages.console import bar, byte_bar, run_stage

import ast
import errno
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors import SafetensorError

from speech.errors import UserError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Run as ``python stages/some_stage.py`` in a folder with a params.yaml."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["stages/some_stage.py", "gender"])
    return tmp_path


def start(command, folder, stdout=subprocess.PIPE):
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_a_stage_gets_the_params_and_ends_with_one_line_that_says_what_it_made(here, capsys):
    run_stage(lambda params: f"{len(params.models)} things made")
    written = capsys.readouterr()
    assert re.fullmatch(r"some_stage: 6 things made \(\d+\.\d s\)\n", written.out)
    assert written.err == ""


def refused(capsys, stage):
    """Run a stage that fails; return the one line that it says on stderr, without its name."""
    with pytest.raises(SystemExit) as left:
        run_stage(stage)
    out, err = capsys.readouterr()
    assert (left.value.code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("some_stage: ")
    assert err.endswith(".\n")
    return err.removeprefix("some_stage: ")


def test_params_that_are_wrong_or_not_there_are_named_and_no_work_starts(here, capsys):
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("seed: ", "sede: "))
    said = refused(capsys, lambda _: pytest.fail("started"))
    assert re.match(r"params\.yaml: .*\bse(ed|de)\b", said)
    Path("params.yaml").unlink()
    assert refused(capsys, lambda _: pytest.fail("started")).startswith("params.yaml: no such file")


def test_a_defect_of_ours_keeps_its_traceback(here, capsys):
    with pytest.raises(KeyError):
        run_stage(lambda _: {}["key"])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (UserError("corpus: x does not exist; name another."), "corpus: x does not exist; name an"),
        (OSError(errno.ENOSPC, "No space left on device", "x"), "x: No space left on device; make"),
        (OSError(errno.EROFS, "Read-only file system"), "Read-only file system; make room, corre"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "a.wav"), "a.wav: No such f"),
        (SafetensorError("No space left on device (os error 28)"), "No space left on device (os "),
        (MemoryError("No 9 GiB"), "memory does not suffice (No 9 GiB); set compute.jobs lower"),
        (MemoryError(), "memory does not suffice; set compute.jobs lower"),
        (RuntimeError("can't start new thread"), "memory does not suffice (can't start new thread"),
        (RuntimeError("Failed to launch worker thread"), "memory does not suffice (Failed to"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "memory does not suffice ([Errno 12] "),
    ],
    ids=str,
)
def test_what_a_user_can_mend_or_the_system_refuses_is_one_line_and_status_1(
    here, capsys, error, sentence
):
    def stage(params):
        raise error

    assert refused(capsys, stage).startswith(sentence)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_closing_line_that_cannot_be_written_is_no_success(here, monkeypatch, unbuffered):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    with Path("/dev/full").open("w") as full:
        process = start([str(ROOT / "stages/check_params.py")], here, stdout=full)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err.count("\n")) == (1, 1)
    assert err.startswith("check_params: No space left on device; make room")


AT_WORK = """
import os, sys, time
from pathlib import Path
sys.argv = ["some_stage"]
from stages.console import run_stage
from speech.parallel import spread

def stage(params):
    def work(number):
        Path(f"{number}.pid").write_text(str(os.getpid()))
        time.sleep(60)
    spread(work, range(4), 2, prefer=%r)

run_stage(stage)
"""


def there(process):
    """Say whether a process runs; one that has ended and waits to be buried does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("prefer", ["processes", "threads"])
@pytest.mark.parametrize(
    ("how", "to_all", "status", "said"),
    [
        (signal.SIGTERM, False, 143, "ended from outside"),
        (signal.SIGINT, True, 130, "interrupted"),
        (signal.SIGINT, False, 130, "interrupted"),
    ],
)
def test_a_signal_ends_the_workers_and_is_one_line(here, prefer, how, to_all, status, said):
    """As from `kill`, from the terminal, which signals all processes, and from another program."""
    process = start(["-c", AT_WORK % prefer], here)
    wait_until(lambda: len([p for p in here.glob("*.pid") if p.read_text()]) == 2)
    workers = {int(file.read_text()) for file in here.glob("*.pid")}
    os.killpg(process.pid, how) if to_all else process.send_signal(how)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (status, "")
    assert err == f"some_stage: {said}; run again to go on\n"
    wait_until(lambda: not any(map(there, workers)), seconds=5)


@pytest.mark.parametrize(("how", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_during_the_imports_is_one_line(here, how, status):
    """They take seconds on a busy machine; here they take a minute."""
    (here / "pandas.py").write_text("print(flush=True)\nimport time\ntime.sleep(60)\n")
    code = "import sys; sys.path.insert(0, '.'); import runpy; "
    code += f"sys.argv = [{str(ROOT / 'stages/evaluate.py')!r}]; "
    process = start(["-c", f"{code}runpy.run_path(sys.argv[0], run_name='__main__')"], here)
    process.stdout.readline()
    process.send_signal(how)
    _, err = process.communicate(timeout=30)
    assert process.returncode == status
    assert err.startswith("evaluate: ")
    assert err.count("\n") == 1


def test_every_stage_imports_the_console_first():
    for script in ROOT.glob("stages/*.py"):
        if script.name not in ("__init__.py", "console.py", "paths.py", "tasks.py"):
            body = ast.parse(script.read_text("utf-8")).body
            first = next(node for node in body if isinstance(node, ast.Import | ast.ImportFrom))
            assert getattr(first, "module", None) == "stages.console", script


def test_bars_are_silent_in_a_log_and_pass_everything_on(monkeypatch):
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    assert list(bar("speaker")(iter("abc"), 3)) == ["a", "b", "c"]
    with byte_bar("downloading dev-clean.tar.gz") as show:
        for done in range(0, 101, 10):
            show(done, 100)
    assert log.getvalue() == ""


def on_terminal(monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(sys, "stderr", terminal)
    return terminal


def test_a_bar_is_drawn_on_a_terminal_and_wiped_at_the_end(monkeypatch):
    terminal = on_terminal(monkeypatch)
    assert list(bar("speaker")(iter("abc"), 3)) == ["a", "b", "c"]
    drawn = terminal.getvalue()
    assert "0/3" in drawn
    assert "speaker" in drawn
    assert drawn.split("\r")[-2].strip() == ""
    assert "\n" not in drawn


def test_a_bar_of_bytes_shows_how_much_how_fast_and_how_long_still(monkeypatch):
    terminal = on_terminal(monkeypatch)
    with byte_bar("downloading dev-clean.tar.gz") as show:
        for done in range(300_000_000, 337_000_001, 1_000_000):
            show(done, 337_000_000)
            time.sleep(0.01)
    drawn = terminal.getvalue().split("\r")
    assert drawn[-2].strip() == ""
    assert any("downloading dev-clean.tar.gz:  89%" in line for line in drawn[:4])
    last = drawn[-3]
    assert re.search(r"/337M \[\d\d:\d\d<\d\d:\d\d, +[\d.]+[MG]B/s\]", last), last
    # 37 MB in 0.4 s; what an earlier run had fetched is not part of the speed.
    assert float(re.search(r"([\d.]+)MB/s", last)[1]) < 150


def test_a_bar_of_bytes_follows_work_that_starts_anew_or_has_no_known_end(monkeypatch):
    terminal = on_terminal(monkeypatch)
    with byte_bar("downloading") as show:
        for done, total in [(0, 100), (90, 100), (0, 100), (100, 100), (0, None), (5, None)]:
            show(done, total)
            time.sleep(0.11)
    assert "90.0/100" in terminal.getvalue()
    assert "-" not in terminal.getvalue()
    assert "5.00B [" in terminal.getvalue()
