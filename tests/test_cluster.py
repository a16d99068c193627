"""A Dask cluster makes what this machine would, whatever happens to its workers."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import CancelledError
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from made_corpus import SEED, chunk_table
from threadpoolctl import threadpool_info

pytest.importorskip("distributed", reason="needs the extra `cluster`")

from distributed import KilledWorker

from speech import cluster
from speech.audio.decode import digest_of
from speech.classifiers.registry import save_classifier
from speech.errors import UserError
from speech.features.extraction import extract_features
from speech.features.mfcc import mfcc_and_copies
from speech.parallel import spread
from speech.storage.arrays import Rows
from speech.storage.examples import Examples
from speech.training.cross_validation import cross_validate

ROOT = Path(__file__).parents[1]
SCHEDULER = ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
MADE_BY = {"settings": {}, "code": [], "libraries": []}
WORKER = ["worker", "--host", "127.0.0.1", "--nthreads", "1", "--no-dashboard"]


@contextmanager
def started(home, **settings):
    """Start a scheduler and two workers, which are at home elsewhere; give its scheduler file."""
    file, log = home / "scheduler.json", home / "log"
    settings = {f"DASK_DISTRIBUTED__SCHEDULER__{name}": it for name, it in settings.items()}
    with log.open("w") as out:
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "dask", *command, "--scheduler-file", str(file)],
                cwd=home,
                env=os.environ | settings | {"PYTHONPATH": str(ROOT)},
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
            for command in (SCHEDULER, WORKER, WORKER)
        ]
    try:
        patience = time.monotonic() + 120
        while not file.is_file():
            assert time.monotonic() < patience, log.read_text()
            time.sleep(0.05)
        yield str(file)
    finally:
        for process in processes:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    with started(tmp_path_factory.mktemp("cluster"), ALLOWED_FAILURES="1") as file:
        yield file


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """Work in a folder that the workers have not been started in, by paths relative to it."""
    monkeypatch.chdir(tmp_path)


def contents(folder):
    return {file.relative_to(folder): file.read_bytes() for file in sorted(Path(folder).rglob("*"))}


def table_of(audio):
    rows = [
        (path.stem, path.stem.split("-")[0], path.name, digest_of(path.read_bytes()))
        for path in sorted(audio.iterdir())
    ]
    return pd.DataFrame(rows, columns=["utterance_id", "speaker_id", "path", "digest"])


@pytest.fixture
def audio(tmp_path, write_audio, voice):
    """Record four speakers, twice each."""
    for speaker in range(4):
        for number in range(2):
            sound = voice(0.5, seed=10 * speaker + number)
            write_audio(tmp_path / f"audio/{speaker}-0-{number}.wav", sound)
    return Path("audio")


def test_features_are_those_of_a_run_on_this_machine(scheduler, audio, shipped_params):
    conditions = {key: it for key, it in shipped_params["augmentation"].items() if key != "copies"}
    settings = {"settings": shipped_params["mfcc"], "conditions": conditions, "copies": 1}
    for folder, workers in (("local", 1), ("cluster", scheduler)):
        done = extract_features(
            table_of(audio),
            audio,
            Path(folder),
            compute=lambda signals: (
                mfcc_and_copies(signal, name, seed=SEED, **settings) for name, signal in signals
            ),
            **MADE_BY,
            jobs=workers,
        )
        assert [item.computed for item in done] == [2] * 4
    assert contents("cluster") == contents("local")
    assert len(contents("cluster")) == 4


QUICK = {"logistic": {}, "mlp": {"epochs": 2, "hidden": [8]}}


@pytest.mark.parametrize("model", QUICK)
def test_predictions_and_models_are_those_of_a_run_on_this_machine(scheduler, model):
    table = chunk_table("gender", 8, folds=2)
    inputs = np.random.default_rng(SEED).normal(size=(len(table), 6)).astype(np.float32)
    inputs[(table["gender"] == "F").to_numpy()] += 0.5
    examples = Examples(table, inputs, (inputs + 0.1,))
    options = {"hyperparameters": QUICK[model], "final": True, "seed": SEED}
    local, sent = (
        cross_validate(model, "gender", examples, jobs=workers, **options)
        for workers in (1, scheduler)
    )
    pd.testing.assert_frame_equal(sent.chunks, local.chunks, check_exact=True)
    pd.testing.assert_frame_equal(sent.curves, local.curves, check_exact=True)
    assert sent.temperatures == local.temperatures
    for name, result in (("local", local), ("cluster", sent)):
        save_classifier(Path(name), result.final, {})
    assert contents("cluster") == contents("local")


def extract_and_lose_a_worker(scheduler, audio, how):
    """Stop the worker that is at speaker 2, once, and compare with a run on this machine."""
    first, calls = Path("first").absolute(), Path("calls").absolute()

    def loudness(signals):
        for utterance, samples in signals:
            with calls.open("a") as file:
                file.write(f"{utterance}\n")
            if utterance == "2-0-1" and not first.exists():
                first.touch()
                Path("cluster").mkdir(exist_ok=True)
                Path("cluster/.2.left.safetensors").touch()  # as if in the midst of writing
                os.kill(os.getpid(), how)
                time.sleep(60)  # a signal to oneself may come after the next lines have run
            yield {"": np.array([np.abs(samples).mean()], dtype=np.float32)}

    for folder, workers in (("cluster", scheduler), ("local", 1)):
        done = extract_features(
            table_of(audio), audio, Path(folder), compute=loudness, **MADE_BY, jobs=workers
        )
        # What a worker had reported to nobody yet is asked again, and found on the disk.
        assert [item.computed + item.kept for item in done] == [2] * 4
        if folder == "cluster":
            again = ["2-0-0", "2-0-1"]
            assert sorted(calls.read_text().split()) == sorted(
                [*table_of(audio)["utterance_id"], *again]
            )
    assert contents("cluster") == contents("local")


def test_a_worker_that_is_killed_loses_nothing_and_nothing_else_is_computed_twice(scheduler, audio):
    extract_and_lose_a_worker(scheduler, audio, signal.SIGKILL)


def test_a_worker_that_hangs_loses_nothing_and_nothing_else_is_computed_twice(audio, tmp_path):
    home = tmp_path / "cluster_home"
    home.mkdir()
    with started(home, WORKER_TTL="1s") as impatient:
        extract_and_lose_a_worker(impatient, audio, signal.SIGSTOP)


def test_what_ends_every_worker_is_one_sentence_and_the_cluster_works_on(scheduler):
    def end(_):
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)

    with pytest.raises(UserError, match=r"^compute\.scheduler: 2 workers of .* were at end-"):
        spread(end, [1], scheduler)
    assert spread(abs, [-1, -2], scheduler) == [1, 2]


def test_workers_use_one_thread_of_blas_and_the_folder_that_the_run_is_in(scheduler):
    def look(number):
        array = np.full(2, number)
        array += 1  # not read-only, as Dask's own would be
        return array, {library["num_threads"] for library in threadpool_info()}, Path.cwd()

    for number, (array, threads, folder) in enumerate(spread(look, range(3), scheduler)):
        np.testing.assert_array_equal(array, [number + 1] * 2)
        assert (threads, folder) == ({1}, Path.cwd())


def test_examples_that_are_mapped_are_read_from_their_own_file_and_nothing_is_left(scheduler):
    np.arange(1_000_000, dtype=np.float32).tofile("examples")
    held = Rows(np.memmap("examples", np.float32, mode="r"), np.arange(10))

    def look(_):
        return held[-1:].item(), sum(file.stat().st_size for file in Path().glob(".cluster-*/*"))

    for last, sent in spread(look, range(2), scheduler):
        assert last == 9
        assert 0 < sent < 10_000
    assert os.listdir() == ["examples"], "left behind"  # noqa: PTH208


def test_errors_of_a_call_stay_what_they_are(scheduler):
    def complain(error):
        raise error

    with pytest.raises(UserError, match=r"^3\.flac: is bad; mend it\.$"):
        spread(complain, [UserError("3.flac: is bad; mend it.")], scheduler)
    with pytest.raises(ZeroDivisionError):
        spread(complain, [ZeroDivisionError()], scheduler)


@pytest.mark.parametrize(
    ("name", "said"),
    [("numpy", r"has numpy \S+, this machine 1\.0;"), (cluster._CODE, "has loaded another state")],
)
def test_other_versions_on_a_worker_are_one_sentence(scheduler, monkeypatch, name, said):
    other = cluster.environment() | {name: "1.0"}
    monkeypatch.setattr(cluster, "environment", lambda: other)
    with pytest.raises(UserError, match=rf"^compute\.scheduler: the worker tcp://\S+ {said}"):
        spread(abs, [-1], scheduler)


def test_the_libraries_whose_versions_are_compared_are_those_that_are_installed():
    absent = {name for name, own in cluster.environment().items() if own == "none"}
    assert absent <= {"openvino"}


def test_a_worker_with_threads_or_without_the_files_is_one_sentence(tmp_path):
    def problem(threads, folder):
        worker = SimpleNamespace(state=SimpleNamespace(nthreads=threads))
        return cluster._problem(worker, folder / ".cluster-1/function", cluster.environment())

    (tmp_path / ".cluster-1").mkdir()
    assert problem(1, tmp_path) == ""
    assert problem(4, tmp_path).startswith("has 4 threads, but should have one; start it with")
    assert problem(1, Path("/nowhere")).startswith("does not see /nowhere; give it that folder")


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("tcp://127.0.0.1:9", "Connection refused"),
        ("nothing.json", "No such file or directory"),
        ("torn.json", "Expecting value"),
        ("foo://host:1", "unknown address scheme"),
        ("list.json", "list indices must be"),
    ],
)
def test_a_scheduler_that_is_not_there_is_one_sentence(place, reason):
    Path("torn.json").write_text("")
    Path("list.json").write_text("[]")
    with pytest.raises(
        UserError, match=rf"^compute\.scheduler: no scheduler at {place} \({reason}"
    ):
        spread(abs, [-1], place)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (CancelledError(), "s went away; start it anew, and run again to go on"),
        (ModuleNotFoundError("No module named 'x'"), r"s cannot load .* \(No module named 'x'\)"),
        (KilledWorker("fit-1", None, 3), "4 workers of s ended"),
    ],
)
def test_what_else_a_cluster_may_say_is_one_sentence(error, said):
    def result():
        raise error

    with pytest.raises(UserError, match=rf"^compute\.scheduler: {said}"):
        cluster._result(SimpleNamespace(result=result, key="fit-1"), "s")


def test_a_worker_that_stays_takes_the_encoder_that_lies_at_a_path_now(tmp_path):
    """A worker outlives the encoder: what it has loaded from a path may be another by now."""
    pytest.importorskip("torch")
    from speech.features.wav2vec2 import Embedder, make_sample_encoder

    signal = np.random.default_rng(SEED).normal(0, 0.1, 32_000).astype(np.float32)
    link, made = tmp_path / "encoder", []
    for name, seed in (("a", 1), ("b", 2)):
        make_sample_encoder(tmp_path / name, hidden=32, layers=1, seed=seed)
        link.unlink(missing_ok=True)
        link.symlink_to(tmp_path / name)
        embedder = Embedder(link, (1,), 1, 4, checkpoint=name)
        made += [states["pooled"] for states in embedder([(signal, [(0, 32_000)])])]
    assert not np.allclose(*made)


def test_without_the_extra_it_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "speech.cluster")
    with pytest.raises(
        UserError, match=r"needs the module distributed; run `pip install -e '\.\[cl"
    ):
        spread(abs, [-1], "tcp://127.0.0.1:9")


def test_a_scheduler_in_params_has_the_heavy_work(make_params):
    assert make_params(**{"compute.jobs": 3}).compute.workers == 3
    sent = make_params(**{"compute.jobs": 3, "compute.scheduler": "tcp://host:8786"})
    assert sent.compute.workers == "tcp://host:8786"
