"""predict.py and `speech.Recogniser` on recordings, with the models of the tiny pipeline."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from speech import Recogniser
from speech.audio.decode import AudioError, load_audio
from speech.classifiers.registry import load_classifier
from speech.errors import UserError
from speech.inference.answers import FLAGS
from speech.storage.examples import read_examples
from speech.storage.predictions import from_logarithms, logarithms_of
from speech.storage.sealed import read_sealed, write_sealed

RATE = 16_000
QUICK = ["--task", "gender", "--gender-model", "mfcc-svm"]
"""Needs neither torch nor TensorFlow nor Praat."""


@pytest.fixture(scope="session")
def models(finished):
    return finished.root / "models"


@pytest.fixture(scope="session")
def both(models):
    return Recogniser(models, jobs=2)


@pytest.fixture(scope="session")
def quick(models):
    return Recogniser(models, tasks=["gender"], gender_model="mfcc-svm", jobs=2)


@pytest.fixture(scope="session")
def utterances(finished):
    """List an utterance of each speaker."""
    table = pd.read_parquet(finished.root / "data/utterances.parquet")
    return table[table["samples"] > 2 * RATE].drop_duplicates("speaker_id")


@pytest.fixture(scope="session")
def talks(finished, utterances):
    return [finished.root / "data/corpus/audio" / path for path in utterances["path"]]


@pytest.fixture(scope="session")
def long_talk(talks):
    """Join utterances to 100 seconds: three passages."""
    once = np.concatenate([load_audio(path) for path in talks])
    return np.resize(once, 100 * RATE)


def parts(answer):
    """Give an answer without the name of the recording."""
    return answer.summary, answer.chunks


# --- predictions are those of the pipeline ----------------------------------------------------

SYSTEMS = [
    ("gender", "mfcc_pitch", "svm"),
    ("gender", "mfcc_pitch", "cnn"),
    ("speaker", "mfcc", "svm"),
    ("speaker", "wav2vec2", "svm"),
    ("speaker", "wav2vec2", "cnn"),
]


@pytest.mark.parametrize(("task", "features", "model"), SYSTEMS)
def test_an_utterance_is_predicted_as_in_the_pipeline(
    finished, models, utterances, task, features, model
):
    recogniser = Recogniser(
        models, tasks=[task], **{f"{task}_model": f"{features}-{model}"}, jobs=1
    )
    classifier, _ = load_classifier(models / f"{task}-{features}" / model)
    built = read_examples(finished.root / f"data/examples/{task}-{features}", classifier.form)
    compared = 0
    for row in utterances.itertuples():
        answer = recogniser.predict(finished.root / "data/corpus/audio" / row.path)
        if not all(segment.speech_seconds for segment in answer.chunks):
            continue  # the pipeline leaves out no chunk
        compared += 1
        examples = built[(built.table["utterance_id"] == row.utterance_id).to_numpy()]
        chunks = logarithms_of(classifier.predict_proba(examples.inputs))
        expected = from_logarithms(chunks.mean(axis=0))
        best = classifier.classes[expected.argmax()]
        summary = answer.summary
        predicted = (
            (summary.gender, summary.gender_probability) if task == "gender" else summary.nearest[0]
        )
        assert predicted == (best, pytest.approx(expected.max(), abs=1e-3))
        times = [(segment.start, segment.end) for segment in answer.chunks]
        table = examples.table
        assert times == list(zip(table["start_seconds"], table["end_seconds"], strict=True))
    assert compared >= 4


def test_models_on_wav2vec2_share_one_pass_and_predict_as_each_alone(models, talks, monkeypatch):
    from speech.features.wav2vec2 import Embedder

    passes = []
    embed = Embedder.__call__
    monkeypatch.setattr(Embedder, "__call__", lambda *asked: passes.append(1) or embed(*asked))
    chosen = {"gender_model": "wav2vec2-svm", "speaker_model": "wav2vec2-cnn"}
    together = Recogniser(models, **chosen, jobs=1).predict(talks[0]).summary
    assert len(passes) == 1
    gender = Recogniser(models, tasks=["gender"], **chosen).predict(talks[0]).summary
    speaker = Recogniser(models, tasks=["speaker"], **chosen).predict(talks[0]).summary
    assert together.gender_probability == gender.gender_probability
    assert (together.nearest, together.open_set_score) == (speaker.nearest, speaker.open_set_score)


# --- the same prediction, however it is asked for ---------------------------------------------


def test_a_prediction_does_not_depend_on_other_recordings(models, both, talks):
    forwards = [parts(both.predict(path)) for path in talks[:3]]
    backwards = [parts(both.predict(path)) for path in reversed(talks[:3])]
    assert forwards == backwards[::-1]
    assert parts(Recogniser(models).predict(talks[1])) == forwards[1]


def test_a_prediction_is_the_same_from_any_lossless_file_and_from_memory(both, talks, tmp_path):
    samples = np.round(32768 * np.clip(load_audio(talks[0]), -1, 0.9999)).astype(np.int16)
    answers = [parts(both.predict_signal(samples / 32768, RATE))]
    for suffix in ("wav", "flac", "aiff"):
        soundfile.write(tmp_path / f"a.{suffix}", samples, RATE)
        answers.append(parts(both.predict(tmp_path / f"a.{suffix}")))
    answers.append(parts(both.predict((tmp_path / "a.wav").open("rb"))))
    assert all(answer == answers[0] for answer in answers)
    with pytest.raises(TypeError, match="samples / 32768"):
        both.predict_signal(samples, RATE)


def test_workers_do_not_change_a_prediction(models, long_talk):
    alone, together = (
        parts(Recogniser(models, jobs=jobs).predict_signal(long_talk, RATE)) for jobs in (1, 3)
    )
    assert alone == together
    summary, segments = alone
    assert (summary.end, len(segments)) == (100.0, 50)


# --- recordings of all kinds, and their flags -------------------------------------------------


def test_only_a_recording_unlike_those_of_the_corpus_is_flagged(quick, talks, voice):
    flags = quick.predict(talks[0]).summary.flags
    assert {"short", "silent", "clipped", "resampled"}.isdisjoint(flags)
    assert "resampled" in quick.predict_signal(voice(3.0, rate=44_100), 44_100).summary.flags


def test_a_short_recording_is_flagged_and_one_too_short_is_refused(both, talks):
    signal = load_audio(talks[0])
    for seconds in (0.5, 1.0, 1.9, 2.0):
        answer = both.predict_signal(signal[: round(seconds * RATE)], RATE)
        assert ("short" in answer.summary.flags) is (seconds < 2)
        assert answer.summary.end == pytest.approx(seconds)
        assert len(answer.chunks) == 1
    with pytest.raises(AudioError, match=r"too short \(0\.40 s; at least 0\.5 s"):
        both.predict_signal(signal[: round(0.4 * RATE)], RATE)


def test_a_word_in_much_noise_is_predicted_and_flagged(quick, talks):
    word = load_audio(talks[0])[: 4 * RATE]
    noise = 0.1 * np.random.default_rng(0).standard_normal(20 * RATE)
    assert "mostly not speech" not in quick.predict_signal(word, RATE).summary.flags
    answer = quick.predict_signal(np.concatenate([word, noise]), RATE).summary
    assert "mostly not speech" in answer.flags
    assert answer.gender is not None
    assert answer.speech_seconds <= 4


def test_a_pause_is_flagged_and_changes_no_prediction(quick, talks):
    signal = load_audio(talks[0])
    plain = quick.predict_signal(signal, RATE).summary
    paused = quick.predict_signal(np.concatenate([np.zeros(6 * RATE), signal]), RATE)
    assert [list(segment.flags) for segment in paused.chunks[:3]] == 3 * [["silent"]]
    assert paused.summary.gender == plain.gender
    assert paused.summary.speech_seconds == pytest.approx(plain.speech_seconds, abs=0.01)
    assert paused.summary.gender_probability == pytest.approx(plain.gender_probability, abs=0.02)


def test_clipping_is_flagged_where_it_is(quick, talks):
    signal = np.tile(load_audio(talks[0])[: 2 * RATE], 3)
    signal[2 * RATE : 4 * RATE] = np.clip(100 * signal[2 * RATE : 4 * RATE], -1, 1)
    answer = quick.predict_signal(signal, RATE)
    assert ["clipped" in segment.flags for segment in answer.chunks] == [False, True, False]
    assert "clipped" in answer.summary.flags


def test_channels_that_cancel_out_are_flagged_and_the_loudest_is_heard(quick, talks):
    signal = load_audio(talks[0])
    plain = quick.predict_signal(signal, RATE).summary
    opposite = quick.predict_signal(np.stack([signal, -signal], axis=1), RATE).summary
    assert opposite.flags == [*plain.flags, "channels cancel"]
    assert opposite.gender == plain.gender
    assert opposite.gender_probability == pytest.approx(plain.gender_probability, abs=1e-4)


@pytest.mark.parametrize(("bound", "flagged"), [(1.1, True), (0.0, False)])
def test_an_improbable_gender_is_flagged(models, talks, bound, flagged):
    recogniser = Recogniser(models, tasks=["gender"], gender_model="mfcc-svm")
    recogniser.rejection = replace(recogniser.rejection, low_confidence=bound)
    assert ("low confidence" in recogniser.predict(talks[0]).summary.flags) is flagged


@pytest.mark.parametrize(("threshold", "enrolled"), [(2.0, False), (-2.0, True)])
def test_an_unknown_speaker_is_not_named(models, talks, threshold, enrolled):
    recogniser = Recogniser(models, tasks=["speaker"], speaker_model="mfcc-svm")
    moved = recogniser.open_set._replace(chunk_threshold=threshold, utterance_threshold=threshold)
    recogniser.rejection = replace(recogniser.rejection, speakers={"mfcc": moved})
    summary = recogniser.predict(talks[0]).summary
    assert ("unknown speaker" in summary.flags) is not enrolled
    assert (summary.speaker is not None) is enrolled
    assert (summary.open_set_score >= 0) is enrolled
    assert len(summary.nearest) == 3


# --- the command line -------------------------------------------------------------------------


def predicted(project, *arguments, **options):
    """Run predict.py in this process."""
    return project.script("predict.py", *arguments, **options)


def started(project, *arguments, **options):
    """Run predict.py in a process of its own."""
    return subprocess.run(
        [sys.executable, "predict.py", *map(str, arguments)],
        cwd=project.root,
        env=project.environment,
        text=True,
        timeout=300,
        check=False,
        **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        | options,
    )


NAMES = ["two words.flac", "it's “quoted”.flac", 'a "b".flac', "Zoë 日本語.flac", "list[1].flac"]


@pytest.fixture
def own(tmp_path, talks):
    """Make a folder of recordings with names of all kinds, a broken one among them."""
    for name, path in zip(NAMES, talks, strict=False):
        shutil.copy(path, tmp_path / name)
    (tmp_path / "broken.wav").write_bytes(b"RIFF, or so it says")
    (tmp_path / "empty").mkdir()
    return tmp_path


def test_a_broken_recording_is_reported_in_its_row_and_the_rest_goes_on(finished, own):
    page = own / "pages" / "time line.html"
    arguments = ["--format", "jsonl", "--plot", page, own, own / "empty", own / "gone.wav"]
    done = predicted(finished, *QUICK, *arguments)
    rows = [json.loads(line) for line in done.out.splitlines()]
    errors = {Path(row["file"]).name: row["error"] for row in rows}
    assert errors.pop("broken.wav").startswith("undecodable")
    assert errors.pop("empty") == "a folder without recordings"
    assert errors.pop("gone.wav") == "no such file"
    assert errors == dict.fromkeys(NAMES)
    assert (done.status, done.err) == (1, "")
    drawn = page.read_text("utf-8")
    assert drawn.count("<h2>") == len(rows)
    assert "Zoë 日本語.flac" in drawn


def test_a_pattern_and_standard_input_are_predicted_as_the_file(finished, own):
    path = own / NAMES[0]
    with path.open("r") as file:
        done = predicted(finished, *QUICK, "--format", "jsonl", "-", own / "two*", stdin=file)
    first, second = (json.loads(line) for line in done.out.splitlines())
    assert (first.pop("file"), second.pop("file")) == ("-", str(path))
    assert first == second


MISUSES = {
    "nothing named": ([], "name at least one recording"),
    "a model that is none": (["--task", "gender", "--gender-model", "forest", "a"], "forest"),
    "a model that was not fitted": (
        ["--task", "gender", "--gender-model", "mfcc-dummy", "a.wav"],
        "mfcc-svm",
    ),
    "no models": (["--models", "nowhere", "a.wav"], "nowhere: no such folder"),
    "no encoder": (["--encoder", "nowhere", "a.wav"], "--encoder"),
    "a page in no folder": ([*QUICK, "--plot", "dvc.yaml/a.html", "a.wav"], "dvc.yaml/a.html"),
    "a recording for a page": ([*QUICK, "--plot", "README.md", "a.wav"], "does not end in .html"),
    "no workers": ([*QUICK, "--jobs", "0", "a.wav"], "--jobs: 0"),
    "a model for what is not asked": ([*QUICK, "--speaker-model", "mfcc-svm", "a.wav"], "no use"),
    "another encoder": (["--encoder", "data/folds", "a.wav"], "data/folds: is not the wav2vec 2.0"),
}


@pytest.mark.parametrize(("arguments", "said"), MISUSES.values(), ids=MISUSES)
def test_what_cannot_start_is_one_sentence_and_status_2(finished, arguments, said):
    done = predicted(finished, *arguments)
    assert (done.status, done.out) == (2, "")
    assert said in done.err.splitlines()[-1]


def test_the_models_are_described(finished):
    done = predicted(finished, "--about")
    assert done.status == 0, done.err
    for words in (
        "svm on mfcc",
        "svm on wav2vec 2.0 (sample, untrained: random weights)",
        "of sample, voices made by eSpeak NG",
        "8 speakers",
        "accuracy",
        "enrolled speakers rejected",
        *FLAGS,
        "Limits",
    ):
        assert words in done.out


ALONE = """
import contextlib, io, json, sys, time
from speech.inference.command_line import main
figures = []
for path in sys.argv[1:]:
    with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), "utf-8")) as out:
        assert main([*{QUICK}, "--jobs", "2", "--format", "jsonl", path]) == 0
    end = json.loads(out.buffer.getvalue())["end"]
    (peak,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    figures.append((end, int(peak.split()[1]) / 1024, time.process_time()))  # MiB, seconds
print(json.dumps([figures, list(sys.modules)]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process its peak memory")
def test_a_quick_model_is_quick_and_memory_does_not_grow_with_the_recording(
    finished, long_talk, tmp_path
):
    # The shorter has passages enough for both workers; the longer has 60 MiB more of samples.
    minutes = (4, 20)
    paths = [str(tmp_path / f"{times}.wav") for times in minutes]
    for path, times in zip(paths, minutes, strict=True):
        with soundfile.SoundFile(path, "w", RATE, 1, "ULAW") as file:
            for _ in range(times):
                file.write(long_talk[: 60 * RATE])
    done = finished.must(sys.executable, "-c", ALONE.replace("{QUICK}", str(QUICK)), *paths)
    ((_, small, before), (end, large, after)), modules = json.loads(done.out)
    assert end == minutes[1] * 60
    assert large - small < 30
    assert large < 700
    # Of one core, however busy the machine is.
    assert end / (after - before) > 100, "times real time"
    assert {"torch", "transformers", "tensorflow", "keras", "dvc"}.isdisjoint(modules)


def test_a_reader_that_stops_reading_is_no_error(finished, talks):
    command = [sys.executable, "predict.py", *QUICK, "--chunks", *map(str, talks)]
    process = subprocess.Popen(
        command,
        cwd=finished.root,
        env=finished.environment | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.readline()
    os.close(process.stdout.fileno())
    assert process.stderr.read() == ""
    process.wait(60)


def test_closed_standard_input_is_an_empty_recording(finished):
    done = started(finished, *QUICK, "-", stdin=None, preexec_fn=lambda: os.close(0))
    assert "empty file" in done.stdout
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk always full")
@pytest.mark.parametrize("arguments", [["--about"], ["--format", "json", "gone.wav"]])
def test_a_full_disk_is_one_sentence(finished, arguments):
    with Path("/dev/full").open("w") as full:
        done = started(finished, *QUICK, *arguments, stdout=full)
    assert done.returncode == 1
    assert done.stderr == "predict: stopped (No space left on device)\n"


# --- models elsewhere -------------------------------------------------------------------------


@pytest.fixture
def moved(models, finished, tmp_path):
    """Copy the models and the encoder, as another machine would have them."""
    shutil.copytree(models, tmp_path / "elsewhere" / "models")
    encoder = finished.root / "data/encoder"
    shutil.copytree(encoder.resolve(), tmp_path / "elsewhere" / "checkpoint")
    return tmp_path / "elsewhere" / "models"


def test_models_predict_the_same_wherever_they_are(both, moved, talks):
    with pytest.raises(UserError, match=r"needs the wav2vec 2\.0 it was trained with"):
        Recogniser(moved)
    expected = [parts(both.predict(path)) for path in talks[:2]]
    named = Recogniser(moved, encoder=moved.parent / "checkpoint")
    assert [parts(named.predict(path)) for path in talks[:2]] == expected
    (moved.parent / "checkpoint").rename(moved / "encoder")
    inside = Recogniser(moved)
    assert [parts(inside.predict(path)) for path in talks[:2]] == expected


@pytest.mark.parametrize(
    ("block", "value"),
    [
        ("encoder", {"config.json": "0" * 64}),
        ("chunks", {"seconds": 3.0, "hop_seconds": 3.0, "tail": "drop"}),
    ],
)
def test_speakers_enrolled_with_other_features_or_not_at_all_are_refused(moved, block, value):
    (moved.parent / "checkpoint").rename(moved / "encoder")
    card = moved / "rejection" / "rejection.json"
    version = json.loads(card.read_text("utf-8"))["format"]
    content = read_sealed(card, version, "")
    content["speakers"]["wav2vec2"]["spec"][block] = value
    write_sealed(card, version, content)
    with pytest.raises(UserError, match=rf"rejection: was trained with other {block} than"):
        Recogniser(moved)
    del content["speakers"]["wav2vec2"]
    write_sealed(card, version, content)
    with pytest.raises(UserError, match="has no speakers enrolled for this model"):
        Recogniser(moved)
    assert Recogniser(moved, tasks=["gender"]).models


def test_models_hold_nothing_that_could_run(models):
    files = [path for path in models.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".safetensors"}
