"""predict.py as people start, stop and mistreat it, with models that are made in a moment."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from made_models import make_models

from speech.inference.command_line import main
from speech.params import Params

ROOT = Path(__file__).parents[2]
RATE = 16_000


@pytest.fixture(scope="module")
def models(tmp_path_factory, shipped_params):
    folder = tmp_path_factory.mktemp("made") / "models"
    return make_models(folder, Params.model_validate(shipped_params, strict=True))


@pytest.fixture(scope="module")
def talk(tiny_corpus):
    return max(tiny_corpus.rglob("*.flac"), key=lambda file: file.stat().st_size)


@pytest.fixture
def predicted(models, capsys):
    """Run predict.py in this process; give its status, its rows as JSON, and its complaints."""

    def run(*arguments):
        options = ["--models", str(models), "--format", "json", *map(str, arguments)]
        status = main(options)
        out, err = capsys.readouterr()
        return status, json.loads(out, parse_constant=pytest.fail) if out else None, err

    return run


def started(*arguments, **options):
    """Run predict.py in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "predict.py", *map(str, arguments)],
        cwd=ROOT,
        text=True,
        stderr=subprocess.PIPE,
        **options,
    )


# --- recordings ---------------------------------------------------------------------------------


def test_a_constant_offset_changes_no_answer_and_a_pause_stays_silent(predicted, talk, tmp_path):
    samples, _ = soundfile.read(talk)
    quiet = np.concatenate([0.5 * samples, np.zeros(6 * RATE)])
    answers = []
    for offset in (0.0, 0.3):
        soundfile.write(tmp_path / "talk.wav", quiet + offset, RATE, "FLOAT")
        _, rows, _ = predicted("--chunks", tmp_path / "talk.wav")
        answers.append([(row["gender"], row["speaker"], row["flags"]) for row in rows])
    assert answers[0] == answers[1]
    assert answers[0][-1][2] == ["silent"]


@pytest.mark.parametrize("task", ["gender", "speaker"])
def test_speech_after_a_silence_longer_than_a_passage_is_predicted(predicted, talk, tmp_path, task):
    late = np.append(np.zeros(60 * RATE), soundfile.read(talk)[0])
    soundfile.write(tmp_path / "late.wav", late, RATE)
    _, (answer,), _ = predicted("--task", task, tmp_path / "late.wav")
    assert bool(answer["gender"]) is (task == "gender")
    assert bool(answer["nearest"]) is (task == "speaker")


def test_a_recording_of_which_resampling_leaves_nothing_is_too_short(predicted, tmp_path):
    soundfile.write(tmp_path / "click.wav", np.full(1, 0.1), 3 * RATE)
    _, (row,), _ = predicted(tmp_path / "click.wav")
    assert row["error"] == "too short (0.00 s; at least 0.5 s are needed)"


# --- what cannot start --------------------------------------------------------------------------


def test_a_name_that_no_folder_can_have_is_one_sentence_and_status_2(predicted, talk):
    status, rows, err = predicted("--models", "m" * 5000, talk)
    assert (status, rows) == (2, None)
    assert err.startswith(f"predict: {5000 * 'm'}: cannot be read (File name too long)")
    assert err.count("\n") == 1


def test_a_closed_standard_output_is_one_sentence_and_status_2(models, talk):
    process = started("--models", models, talk, preexec_fn=lambda: os.close(1))
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2
    assert err == "predict: standard output is closed; open it, as by > answers.txt\n"


# --- what is stopped ----------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which signals are caught")
@pytest.mark.parametrize(
    ("number", "said"), [(signal.SIGTERM, "terminated"), (signal.SIGINT, "interrupted")]
)
@pytest.mark.parametrize("after", [0.0, 2.0])
def test_a_signal_ends_it_at_any_moment_with_a_sentence(models, talk, number, said, after):
    """While it imports, loads, predicts, or waits for standard input."""
    process = started(
        "--models", models, talk, "-", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    caught = Path(f"/proc/{process.pid}/status")
    # Python itself is prepared for Ctrl-C, but for nothing else.
    bit = 1 << (signal.SIGTERM - 1)
    while not int(caught.read_text().split("SigCgt:")[1].split()[0], 16) & bit:
        time.sleep(0.001)
    time.sleep(after)
    process.send_signal(number)
    assert process.stderr.read() == f"predict: {said}\n"
    assert process.wait(60) == 128 + number
    process.stdin.close()
