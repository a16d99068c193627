"""predict.py on recordings of one's own, with the models of the tiny pipeline."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from speech.training.layer_choice import with_layer

from speech import Recogniser
from speech.audio.decode import AudioError, load_audio
from speech.classifiers.registry import load_classifier, read_card
from speech.errors import UserError
from speech.features.examples import load_examples
from speech.inference import streaming
from speech.inference.answers import FLAGS
from speech.inference.embedder import Embedder
from speech.params import load_params
from speech.predictions import classes_of, utterance_level, with_probabilities
from speech.storage.sealed import read_sealed, write_sealed

RATE = 16_000
QUICK = ["--task", "gender", "--gender-model", "mfcc-svm"]
"""Needs neither torch nor TensorFlow, and not even Praat."""


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
    return pd.read_parquet(finished.root / "data/utterances.parquet")


@pytest.fixture(scope="session")
def talks(finished, utterances):
    """List an utterance of each speaker."""
    first = utterances.drop_duplicates("speaker_id")
    return [finished.root / "data/corpus/audio" / path for path in first["path"]]


@pytest.fixture(scope="session")
def long_talk(talks):
    """Join utterances to 100 seconds: three passages."""
    once = np.concatenate([load_audio(path) for path in talks])
    return np.tile(once, 4)[: 100 * RATE]


def quantised(signal):
    return np.round(32768 * np.clip(signal, -1, 0.9999)).astype(np.int16)


def told(answer):
    return answer.summary, answer.segments


# --- the answers are those of the pipeline ----------------------------------------------------

SYSTEMS = [
    ("gender", "mfcc", "svm"),
    ("gender", "mfcc_pitch", "svm"),
    ("gender", "mfcc_pitch", "mlp"),
    ("gender", "mfcc", "cnn"),
    ("speaker", "wav2vec2", "svm"),
    ("speaker", "wav2vec2", "cnn"),
    ("speaker", "mfcc", "mlp"),
]


@pytest.mark.parametrize(("task", "features", "model"), SYSTEMS)
def test_an_utterance_is_answered_as_the_pipeline_would(
    finished, models, utterances, task, features, model
):
    voice = Recogniser(models, tasks=[task], **{f"{task}_model": f"{features}-{model}"}, jobs=1)
    params = load_params(finished.root / "params.yaml")
    classifier, card = load_classifier(models / f"{task}-{features}-{model}")
    if features == "wav2vec2":
        params = with_layer(params, card["recipe"]["inputs"]["wav2vec2"]["layer"])
    heard = 0
    for row in utterances.drop_duplicates("speaker_id").itertuples():
        answer = voice.predict(finished.root / "data/corpus/audio" / row.path)
        if not all(segment.speech_seconds for segment in answer.segments):
            continue  # the pipeline would not have left out what sounds like no speech
        heard += 1
        folders = [finished.root / "data" / part for part in features.split("_")]
        own = utterances[utterances["utterance_id"] == row.utterance_id]
        examples = load_examples(folders, features, own, params, classifier.form)
        probabilities = classifier.predict_proba(examples.inputs)
        table = examples.table.assign(fold=0, label=classifier.classes[0])
        chunks = with_probabilities(table, classifier.classes, probabilities)
        expected = utterance_level(chunks).iloc[0]
        best = max(classes_of(chunks), key=lambda name: expected[f"p_{name}"])
        if task == "gender":
            assert answer.summary.gender == best
            assert answer.summary.gender_probability == pytest.approx(expected[f"p_{best}"], 1e-4)
        else:
            name, sure = answer.summary.nearest[0]
            assert name == best
            assert sure == pytest.approx(expected[f"p_{best}"], 1e-4)
        times = [(segment.start, segment.end) for segment in answer.segments]
        assert times == list(zip(chunks["start_seconds"], chunks["end_seconds"], strict=True))
    assert heard >= 4


def test_models_on_several_layers_share_one_pass_and_answer_as_each_alone(
    models, talks, monkeypatch
):
    passes = []
    embed = Embedder.__call__

    def counted(self, *asked):
        passes.append(asked)
        return embed(self, *asked)

    monkeypatch.setattr(Embedder, "__call__", counted)
    chosen = {"gender_model": "wav2vec2-svm", "speaker_model": "wav2vec2-cnn"}
    together = Recogniser(models, **chosen, jobs=1).predict(talks[0]).summary
    assert len(passes) == 1
    gender = Recogniser(models, tasks=["gender"], **chosen).predict(talks[0]).summary
    speaker = Recogniser(models, tasks=["speaker"], **chosen).predict(talks[0]).summary
    assert together.gender_probability == gender.gender_probability
    assert together.nearest == speaker.nearest
    assert together.voice_score == speaker.voice_score
    recipes = [
        read_card(models / name)["recipe"]["inputs"]["wav2vec2"]["layer"]
        for name in ("gender-wav2vec2-svm", "speaker-wav2vec2-cnn", "speaker-wav2vec2-svm")
    ]
    assert len(set(recipes)) > 1, "this test is about several layers"


# --- the same answer, however it is asked -----------------------------------------------------


def test_the_answer_does_not_depend_on_company_or_order(both, talks):
    alone = [told(Recogniser.predict(both, path)) for path in talks[:3]]
    backwards = [told(both.predict(path)) for path in reversed(talks[:3])]
    assert alone == backwards[::-1]


def test_the_answer_is_the_same_from_flac_and_wav_and_memory(both, talks, tmp_path):
    samples = quantised(load_audio(talks[0]))
    answers = []
    for suffix in ("wav", "flac", "aiff"):
        soundfile.write(tmp_path / f"a.{suffix}", samples, RATE)
        answers.append(told(both.predict(tmp_path / f"a.{suffix}")))
    answers.append(told(both.predict_signal(samples / 32768, RATE)))
    answers.append(told(both.predict((tmp_path / "a.wav").open("rb"))))
    assert all(answer == answers[0] for answer in answers)


def test_integers_are_not_taken_for_fractions_of_full_scale(quick, talks):
    with pytest.raises(TypeError, match="samples / 32768"):
        quick.predict_signal(quantised(load_audio(talks[0])), RATE)


def test_neither_blocks_nor_workers_change_an_answer(models, long_talk, monkeypatch):
    answers = []
    for jobs, block in product((1, 3), (4_096, 1 << 20)):
        monkeypatch.setattr(streaming, "_BLOCK", block)
        answers.append(told(Recogniser(models, jobs=jobs).predict_signal(long_talk, RATE)))
    assert all(answer == answers[0] for answer in answers)
    summary, segments = answers[0]
    assert summary.end == 100.0
    assert len(segments) == 50


def test_three_lines_are_enough_in_a_notebook(finished, talks):
    lines = f"""
from speech import Recogniser
voice = Recogniser("models")
print(voice.predict({str(talks[0])!r}).summary.gender)
"""
    assert finished.must(sys.executable, "-c", lines).out.strip() in ("F", "M")


# --- what cannot be answered, and what is said about it ---------------------------------------


@pytest.mark.parametrize(
    ("container", "subtype"),
    [
        ("WAV", "PCM_24"),
        ("WAV", "FLOAT"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
        ("OGG", "OPUS"),
        ("MP3", "MPEG_LAYER_III"),
        ("AIFF", "PCM_16"),
        ("CAF", "PCM_16"),
        ("AU", "PCM_16"),
    ],
)
def test_every_format_is_answered(quick, talks, tmp_path, container, subtype):
    signal = load_audio(talks[0])
    path = tmp_path / "recording"
    soundfile.write(path, np.stack([signal, signal], axis=1), RATE, subtype, format=container)
    answer, plain = quick.predict(path).summary, quick.predict(talks[0]).summary
    assert answer.end == pytest.approx(plain.end, abs=0.1)
    assert answer.gender_probability >= 0.5
    if container not in ("OGG", "MP3"):
        assert answer.gender == plain.gender


def test_a_plain_recording_has_no_flags_of_its_making(quick, talks):
    made = {"short", "silent", "clipped", "resampled"}
    assert made.isdisjoint(quick.predict(talks[0]).summary.flags)


def test_another_rate_is_told(quick, voice):
    assert "resampled" in quick.predict_signal(voice(3.0, rate=44_100), 44_100).summary.flags


def test_a_short_recording_is_answered_and_told(both, talks):
    signal = load_audio(talks[0])
    for seconds in (0.5, 1.0, 1.9):
        answer = both.predict_signal(signal[: round(seconds * RATE)], RATE)
        assert "short" in answer.summary.flags
        assert answer.summary.end == pytest.approx(seconds)
        assert len(answer.segments) == 1
    assert "short" not in both.predict_signal(signal[: 2 * RATE], RATE).summary.flags


def test_a_recording_too_short_to_answer_is_refused_with_its_length(quick, voice):
    with pytest.raises(AudioError, match=r"too short \(0\.40 s; at least 0\.5 s"):
        quick.predict_signal(voice(0.4), RATE)


def test_silence_has_no_gender(both):
    for silence in (np.zeros(5 * RATE), 1e-5 * np.ones(5 * RATE)):
        answer = both.predict_signal(silence, RATE).summary
        assert list(answer.flags) == ["silent"]
        assert answer.gender is answer.speaker is None
        assert answer.speech_seconds == 0


def test_a_tone_and_noise_have_no_gender(both):
    time = np.arange(6 * RATE) / RATE
    noise = np.random.default_rng(0).standard_normal(6 * RATE)
    for sound in (0.3 * np.sin(2 * np.pi * 220 * time), 0.1 * noise):
        answer = both.predict_signal(sound, RATE).summary
        assert "not speech" in answer.flags
        assert answer.gender is answer.speaker is None


def test_a_word_in_much_noise_is_answered_and_the_noise_is_told(quick, talks):
    word = load_audio(talks[0])[: 4 * RATE]
    noise = 0.1 * np.random.default_rng(0).standard_normal(20 * RATE)
    assert "mostly not speech" not in quick.predict_signal(word, RATE).summary.flags
    answer = quick.predict_signal(np.concatenate([word, noise]), RATE).summary
    assert "mostly not speech" in answer.flags
    assert answer.gender is not None
    assert answer.speech_seconds <= 4


def test_a_pause_is_told_and_moves_no_answer(quick, talks):
    signal = load_audio(talks[0])
    plain = quick.predict_signal(signal, RATE)
    paused = quick.predict_signal(np.concatenate([np.zeros(6 * RATE), signal]), RATE)
    assert [list(segment.flags) for segment in paused.segments[:3]] == 3 * [["silent"]]
    assert paused.summary.gender == plain.summary.gender
    assert paused.summary.speech_seconds == pytest.approx(plain.summary.speech_seconds, abs=0.01)
    assert paused.summary.gender_probability == pytest.approx(
        plain.summary.gender_probability, abs=0.02
    )


def test_what_is_cut_off_is_told_where_it_is(quick, talks):
    signal = np.tile(load_audio(talks[0])[: 2 * RATE], 3)
    signal[2 * RATE : 4 * RATE] = np.clip(100 * signal[2 * RATE : 4 * RATE], -1, 1)
    answer = quick.predict_signal(signal, RATE)
    assert ["clipped" in segment.flags for segment in answer.segments] == [False, True, False]
    assert "clipped" in answer.summary.flags


def test_an_unsure_answer_is_told(models, talks):
    voice = Recogniser(models, tasks=["gender"], gender_model="mfcc-svm")
    for bound, unsure in ((1.1, True), (0.0, False)):
        voice.rejection = replace(voice.rejection, low_confidence=bound)
        assert ("low confidence" in voice.predict(talks[0]).summary.flags) is unsure


def test_an_unknown_voice_is_no_ones(models, talks):
    voice = Recogniser(models, tasks=["speaker"], speaker_model="mfcc-svm")
    for threshold, known in ((2.0, False), (-2.0, True)):
        one = voice.rejection.voices["mfcc"]._replace(
            chunk_threshold=threshold, utterance_threshold=threshold
        )
        voice.rejection = replace(voice.rejection, voices={"mfcc": one})
        summary = voice.predict(talks[0]).summary
        assert ("unknown voice" in summary.flags) is not known
        assert (summary.speaker is not None) is known
        assert len(summary.nearest) == 3
        assert (summary.voice_score >= 0) is known


# --- the command line -------------------------------------------------------------------------


def ask(project, *arguments, stdin=None):
    return subprocess.run(
        [sys.executable, "predict.py", *map(str, arguments)],
        cwd=project.root,
        env=project.environment,
        stdin=stdin or subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
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


def test_a_broken_recording_is_told_in_its_row_and_the_rest_goes_on(finished, own):
    asked = ask(finished, *QUICK, "--format", "jsonl", own, own / "empty", own / "gone.wav")
    rows = [json.loads(line) for line in asked.stdout.splitlines()]
    by_name = {Path(row["file"]).name: row for row in rows}
    assert set(by_name) == {*NAMES, "broken.wav", "empty", "gone.wav"}
    assert all(by_name[name]["error"] is None for name in NAMES)
    assert "undecodable" in by_name["broken.wav"]["error"]
    assert by_name["empty"]["error"] == "a folder without recordings"
    assert by_name["gone.wav"]["error"] == "no such file"
    assert asked.returncode == 1
    assert asked.stderr == ""


def test_all_formats_say_the_same(finished, own):
    good = [own / name for name in NAMES]
    told = {}
    for form in ("table", "csv", "json", "jsonl"):
        asked = ask(finished, *QUICK, "--format", form, *good)
        assert asked.returncode == 0
        assert asked.stderr == ""
        told[form] = asked.stdout
    rows = json.loads(told["json"])
    assert rows == [json.loads(line) for line in told["jsonl"].splitlines()]
    table = list(csv.DictReader(io.StringIO(told["csv"])))
    assert [row["file"] for row in table] == [row["file"] for row in rows] == list(map(str, good))
    assert [row["gender"] for row in table] == [row["gender"] or "" for row in rows]
    header, *lines = told["table"].splitlines()
    assert header.split() == ["file", "time", "gender", "speaker", "flags"]
    for line, row in zip(lines, rows, strict=True):
        assert Path(row["file"]).name[-10:] in line
        assert f" {row['gender'] or '–'} " in line  # noqa: RUF001


def test_segments_are_a_row_per_chunk(finished, talks):
    asked = ask(finished, *QUICK, "--segments", "--format", "csv", talks[0])
    rows = list(csv.DictReader(io.StringIO(asked.stdout)))
    assert [float(row["start"]) for row in rows][:2] == [0, 2]
    assert float(rows[-1]["end"]) == pytest.approx(len(load_audio(talks[0])) / RATE, abs=1e-3)


def test_a_timeline_is_drawn_of_all_recordings(finished, own):
    page = own / "pages" / "time line.html"
    asked = ask(finished, *QUICK, "--plot", page, own)
    assert asked.returncode == 1
    text = page.read_text("utf-8")
    assert text.count("<h2>") == len(NAMES) + 1
    assert "Zoë 日本語.flac" in text


def test_a_pattern_and_standard_input_are_answered_as_the_file(finished, own):
    path = own / NAMES[0]
    with path.open("rb") as file:
        asked = ask(finished, *QUICK, "--format", "jsonl", "-", own / "two*", stdin=file)
    first, second = (json.loads(line) for line in asked.stdout.splitlines())
    assert first.pop("file") == "-"
    assert second.pop("file") == str(path)
    assert first == second


def test_both_tasks_are_answered_by_the_headline_models(finished, talks):
    asked = ask(finished, "--format", "jsonl", talks[0])
    row = json.loads(asked.stdout)
    assert row["gender"] in ("F", "M")
    assert len(row["nearest"]) == 3
    assert row["voice_score"] is not None
    assert asked.returncode == 0, asked.stderr


MISUSES = {
    "nothing named": ([], "name at least one recording"),
    "a mistyped option": (["--fromat", "csv", "a.wav"], "unrecognized"),
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
    asked = ask(finished, *arguments)
    assert asked.returncode == 2
    assert said in asked.stderr.splitlines()[-1]
    assert "Traceback" not in asked.stderr
    assert asked.stdout == ""


def test_the_card_of_the_models_is_printed(finished):
    asked = ask(finished, "--about")
    assert asked.returncode == 0, asked.stderr
    for words in (
        "svm on mfcc_pitch",
        "svm on wav2vec 2.0 (sample, untrained: random weights)",
        "of sample, voices made by eSpeak NG",
        "8 speakers",
        "accuracy",
        *FLAGS,
        "Limits",
    ):
        assert words in asked.stdout


def test_a_quick_model_loads_neither_torch_nor_tensorflow(finished, talks):
    lines = f"""
import runpy, sys
sys.argv = ["predict.py", *{QUICK}, {str(talks[0])!r}]
try:
    runpy.run_path("predict.py", run_name="__main__")
except SystemExit as end:
    assert end.code == 0
heavy = {{"torch", "transformers", "tensorflow", "keras", "dvc"}}
assert heavy.isdisjoint(sys.modules), heavy & set(sys.modules)
"""
    finished.must(sys.executable, "-c", lines)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process its peak memory")
def test_three_hours_take_little_memory_and_little_time(finished, long_talk, tmp_path):
    path, hours = tmp_path / "long.wav", 3
    with soundfile.SoundFile(path, "w", RATE, 1, "ULAW") as file:
        for _ in range(hours * 36):
            file.write(long_talk)
    lines = f"""
import sys
from pathlib import Path
sys.argv = ["predict.py", *{QUICK}, "--format", "jsonl", {str(path)!r}]
from predict import main
status = main()
(peak,) = [line for line in Path("/proc/self/status").open() if line.startswith("VmHWM")]
print(peak.split()[1], file=sys.stderr)
sys.exit(status)
"""
    asked = finished.must(sys.executable, "-c", lines)
    path.unlink()
    assert json.loads(asked.out)["end"] == hours * 3600
    assert int(asked.err) < 1_000_000, "kilobytes"
    assert hours * 3600 / asked.seconds > 100, "times real time"


# --- models elsewhere -------------------------------------------------------------------------


@pytest.fixture
def moved(models, finished, tmp_path):
    """Copy the models to another place, as another machine would have them."""
    shutil.copytree(models, tmp_path / "elsewhere" / "theirs")
    encoder = finished.root / "data/encoder"
    shutil.copytree(encoder.resolve(), tmp_path / "elsewhere" / "checkpoint")
    return tmp_path / "elsewhere" / "theirs"


def test_models_answer_the_same_wherever_they_are(both, moved, talks):
    with pytest.raises(UserError, match=r"needs the wav2vec 2\.0 it was trained with"):
        Recogniser(moved)
    expected = [told(both.predict(path)) for path in talks[:2]]
    named = Recogniser(moved, encoder=moved.parent / "checkpoint")
    assert [told(named.predict(path)) for path in talks[:2]] == expected
    (moved.parent / "checkpoint").rename(moved / "encoder")
    beside = Recogniser(moved)
    assert [told(beside.predict(path)) for path in talks[:2]] == expected


def test_dvc_gets_the_models_as_the_docs_say(finished, quick, tmp_path, talks):
    finished.dvc("get", ".", "models", "-o", str(tmp_path / "models"))
    got = Recogniser(tmp_path / "models", tasks=["gender"], gender_model="mfcc-svm")
    assert told(got.predict(talks[0])) == told(quick.predict(talks[0]))


def test_another_encoder_than_that_of_training_is_refused(moved):
    config = moved.parent / "checkpoint" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"layerdrop": 0.123}))
    with pytest.raises(UserError, match=r"is not the wav2vec 2\.0 that speaker-wav2vec2-svm"):
        Recogniser(moved, encoder=moved.parent / "checkpoint")


def test_voices_known_by_another_encoder_are_refused(moved):
    (moved.parent / "checkpoint").rename(moved / "encoder")
    card = moved / "rejection" / "rejection.json"
    version = json.loads(card.read_text("utf-8"))["format"]
    content = read_sealed(card, version, "")
    content["voices"]["wav2vec2"]["recipe"]["encoder"] = {"config.json": "0" * 64}
    write_sealed(card, version, content)
    with pytest.raises(UserError, match=r"knows voices by another encoder than speaker-wav2vec2-"):
        Recogniser(moved)
    assert Recogniser(moved, tasks=["gender"]).models


def test_models_hold_nothing_that_could_run(models):
    files = [path for path in models.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".safetensors"}


@pytest.mark.parametrize(
    "name",
    [
        "gender-headline.json",
        "gender-mfcc_pitch-svm/model.json",
        "gender-mfcc_pitch-svm/estimator.json",
        "gender-mfcc_pitch-svm/estimator.safetensors",
        "rejection/rejection.json",
        "rejection/rejection.safetensors",
    ],
)
@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_a_file_that_is_not_as_it_was_written_is_refused_in_one_sentence(moved, name, damage):
    path = moved / name
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        # A digit, so that JSON stays JSON and numbers numbers.
        place = max(content.rfind(digit) for digit in (b"1", b"7", b"\x00"))
        path.write_bytes(content[:place] + b"2" + content[place + 1 :])
    with pytest.raises(UserError) as error:
        Recogniser(moved, tasks=["gender"])
    assert str(moved) in str(error.value)
    assert "\n" not in str(error.value)


def test_models_of_another_version_are_refused(moved):
    path = moved / "gender-mfcc_pitch-svm" / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 1}))
    with pytest.raises(UserError, match="version 1"):
        Recogniser(moved, tasks=["gender"])


def test_a_closed_pipe_is_no_defect(finished, talks):
    command = [sys.executable, "predict.py", *QUICK, "--segments", *map(str, talks)]
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


def test_standard_input_that_is_closed_is_an_empty_recording(finished):
    command = ["sh", "-c", 'exec "$@" <&-', "sh", sys.executable, "predict.py", *QUICK, "-"]
    asked = subprocess.run(
        command,
        cwd=finished.root,
        env=finished.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "empty file" in asked.stdout
    assert asked.returncode == 1
    assert asked.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk always full")
@pytest.mark.parametrize("asked_for", [["--about"], ["--format", "json", "gone.wav"]])
def test_a_full_disk_is_one_sentence(finished, asked_for):
    with Path("/dev/full").open("w") as full:
        asked = subprocess.run(
            [sys.executable, "predict.py", *QUICK, *asked_for],
            cwd=finished.root,
            env=finished.environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert asked.returncode == 1
    assert asked.stderr == "predict: stopped (No space left on device)\n"
