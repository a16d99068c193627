"""What a stage says: one closing line, or one line of what is wrong."""

import io
import re
import shutil
import sys
import time
from pathlib import Path

import pytest

from speech.errors import UserError
from stages.console import bar, byte_bar, run_stage

ROOT = Path(__file__).parents[2]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Run as ``python stages/some_stage.py`` in a folder with a params.yaml."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["stages/some_stage.py", "gender"])
    return tmp_path


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def test_a_stage_gets_the_params_and_ends_with_one_line_that_says_what_it_made(here, capsys):
    run_stage(lambda params: f"{len(params.models)} things made")
    written = capsys.readouterr()
    assert re.fullmatch(r"some_stage: 6 things made \(\d+\.\d s\)\n", written.out)
    assert written.err == ""


def test_a_user_error_is_one_line_on_stderr_and_status_1(here, capsys):
    def stage(params):
        raise UserError("corpus: the folder x does not exist; name another.")

    with pytest.raises(SystemExit) as left:
        run_stage(stage)
    written = capsys.readouterr()
    assert left.value.code == 1
    assert written.err == "some_stage: corpus: the folder x does not exist; name another.\n"
    assert written.out == ""


def test_wrong_params_are_reported_the_same_way_and_no_work_starts(here, capsys):
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("seed: ", "sede: "))
    with pytest.raises(SystemExit) as left:
        run_stage(lambda _: pytest.fail("started"))
    written = capsys.readouterr()
    assert left.value.code == 1
    assert written.err.startswith("some_stage: params.yaml: ")
    assert "se" in written.err
    assert written.err.count("\n") == 1
    assert written.out == ""


def test_outside_the_repository_the_missing_params_are_named(here, capsys):
    Path("params.yaml").unlink()
    with pytest.raises(SystemExit) as left:
        run_stage(lambda _: pytest.fail("started"))
    assert left.value.code == 1
    assert "params.yaml: no such file" in capsys.readouterr().err


def test_a_defect_of_ours_keeps_its_traceback(here, capsys):
    def stage(params):
        return {}["key"]

    with pytest.raises(KeyError):
        run_stage(stage)
    assert capsys.readouterr().out == ""


def test_a_bar_is_silent_in_a_log_and_passes_everything_on(monkeypatch):
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    assert list(bar("speaker")(iter("abc"), 3)) == ["a", "b", "c"]
    assert log.getvalue() == ""


def test_a_bar_is_drawn_on_a_terminal_and_wiped_at_the_end(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert list(bar("speaker")(iter("abc"), 3)) == ["a", "b", "c"]
    drawn = terminal.getvalue()
    assert "0/3" in drawn
    assert "speaker" in drawn
    assert drawn.split("\r")[-2].strip() == ""
    assert "\n" not in drawn


def test_ctrl_c_is_one_line_and_the_status_of_an_interruption(here, capsys):
    def stage(params):
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as left:
        run_stage(stage)
    assert left.value.code == 130
    assert capsys.readouterr().err == "some_stage: interrupted; run again to go on\n"


def test_a_bar_of_bytes_is_silent_in_a_log(monkeypatch):
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    with byte_bar("downloading dev-clean.tar.gz") as show:
        for done in range(0, 101, 10):
            show(done, 100)
    assert log.getvalue() == ""


def test_a_bar_of_bytes_shows_how_much_how_fast_and_how_long_still(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with byte_bar("downloading dev-clean.tar.gz") as show:
        for done in range(300_000_000, 337_000_001, 1_000_000):
            show(done, 337_000_000)
            time.sleep(0.01)
    drawn = terminal.getvalue().split("\r")
    assert drawn[-2].strip() == ""
    assert "downloading dev-clean.tar.gz:  89%" in drawn[1]
    last = drawn[-3]
    assert re.search(r"/337M \[\d\d:\d\d<\d\d:\d\d, +[\d.]+[MG]B/s\]", last), last
    # 37 MB in 0.4 s; what an earlier run had fetched is not part of the speed.
    assert float(re.search(r"([\d.]+)MB/s", last)[1]) < 150


def test_a_bar_of_bytes_follows_work_that_starts_anew_or_has_no_known_end(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with byte_bar("downloading") as show:
        for done, total in [(0, 100), (90, 100), (0, 100), (100, 100), (0, None), (5, None)]:
            show(done, total)
            time.sleep(0.11)
    assert "90.0/100" in terminal.getvalue()
    assert "-" not in terminal.getvalue()
    assert "5.00B [" in terminal.getvalue()
