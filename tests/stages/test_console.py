"""What a stage says: one closing line, or one line of what is wrong."""

import io
import re
import shutil
import sys
from pathlib import Path

import pytest

from speech.errors import UserError
from stages.console import bar, run_stage

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
    told = capsys.readouterr()
    assert re.fullmatch(r"some_stage: 5 things made \(\d+\.\d s\)\n", told.out)
    assert told.err == ""


def test_a_user_error_is_one_line_on_stderr_and_status_1(here, capsys):
    def stage(params):
        raise UserError("corpus: the folder x does not exist; name another.")

    with pytest.raises(SystemExit) as left:
        run_stage(stage)
    told = capsys.readouterr()
    assert left.value.code == 1
    assert told.err == "some_stage: corpus: the folder x does not exist; name another.\n"
    assert told.out == ""


def test_wrong_params_are_told_the_same_way_and_no_work_starts(here, capsys):
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("seed: ", "sede: "))
    with pytest.raises(SystemExit) as left:
        run_stage(lambda _: pytest.fail("started"))
    told = capsys.readouterr()
    assert left.value.code == 1
    assert told.err.startswith("some_stage: params.yaml: ")
    assert "se" in told.err
    assert told.err.count("\n") == 1
    assert told.out == ""


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
