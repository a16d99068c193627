"""Feature files that are stale, torn or somebody else's: never used, always made again."""

import json
import os
import pickle
import shutil
from functools import partial
from importlib.metadata import version

import numpy as np
import pandas as pd
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import speech.features.extraction
import speech.features.mfcc
from speech.audio.decode import digest_of
from speech.errors import UserError
from speech.features.extraction import extract_features, settings_digest
from speech.features.store import read_speaker


@pytest.fixture
def extract(tmp_path, write_audio, voice):
    """Extract the features of two speakers; give how many utterances were computed."""
    for utterance in ("1-1-0", "1-1-1", "2-1-0"):
        write_audio(tmp_path / "audio" / f"{utterance}.wav", voice(0.2, int(utterance[-1])))
    rows = [
        (file.stem, file.stem[0], file.name, digest_of(file.read_bytes()))
        for file in sorted((tmp_path / "audio").iterdir())
    ]
    table = pd.DataFrame(rows, columns=["utterance_id", "speaker_id", "path", "digest"])

    def run(libraries=("python_speech_features",)):
        settings = settings_digest({"a": 1}, [speech.features.mfcc], libraries)
        done = extract_features(
            table,
            tmp_path / "audio",
            tmp_path / "features",
            settings=settings,
            compute=lambda signal, _: {"": signal[:100], "copy": -signal[:100]},
            jobs=1,
        )
        return sum(one.computed for one in done)

    return run


@pytest.fixture
def file(extract, tmp_path):
    """Give the file of the speaker with two utterances."""
    assert extract() == 3
    return tmp_path / "features" / "1.safetensors"


def stamp_of(file):
    with safe_open(file, framework="numpy") as opened:
        return json.loads(opened.metadata()["stamp"])


def with_stamp(change):
    def edit(file):
        stamp = json.dumps(change(stamp_of(file)))
        save_file(load_file(file), file, metadata={"stamp": stamp})

    return edit


def with_other_numbers(file):
    stamp = json.dumps(stamp_of(file))
    tensors = {name: array + 1 for name, array in load_file(file).items()}
    save_file(tensors, file, metadata={"stamp": stamp})


def replaced(make):
    def edit(file):
        file.unlink()
        make(file)

    return edit


def write(content):
    return lambda file: file.write_bytes(content)


TABLE = {
    # Torn.
    "missing": lambda file: file.unlink(),
    "empty": write(b""),
    "cut in its header": lambda file: os.truncate(file, 20),
    "cut in its numbers": lambda file: os.truncate(file, file.stat().st_size - 4),
    "longer": lambda file: file.write_bytes(file.read_bytes() + b"\0"),
    # Stale.
    "of other settings": with_stamp(lambda stamp: stamp | {"settings": "0"}),
    "of other recordings": with_stamp(lambda stamp: stamp | {"sources": {"1-1-0": "0"}}),
    "of other numbers": with_other_numbers,
    # Of somebody else.
    "without a stamp": lambda file: save_file(load_file(file), file),
    "with a stamp of a number": with_stamp(lambda _: 17),
    "with half a stamp": with_stamp(lambda _: {"settings": "settings", "sources": 3}),
    "with a stamp of brackets": with_stamp(lambda _: eval("[" * 90 + "]" * 90)),
    "of another speaker": lambda file: shutil.copy(file.with_name("2.safetensors"), file),
    "a pickle": write(pickle.dumps({"1-1-0": np.ones(3)})),
    "of numpy": lambda file: np.save(file.open("wb"), np.ones(3)),
    "a header that claims terabytes": write((1 << 60).to_bytes(8, "little") + b"{}"),
    "text": write(b"1-1-0 0.5 0.5\n"),
    "an endless device": replaced(lambda file: file.symlink_to("/dev/zero")),
    "a pipe": replaced(os.mkfifo),
    "a link to nothing": replaced(lambda file: file.symlink_to("nothing")),
}


@pytest.mark.parametrize("spoil", TABLE.values(), ids=TABLE)
def test_what_is_not_the_very_file_of_the_last_run_is_made_again(extract, file, spoil):
    content = file.read_bytes()
    spoil(file)
    assert extract() == 2
    assert file.read_bytes() == content
    assert not file.is_symlink()
    assert extract() == 0


READ = {name: TABLE[name] for name in ("missing", "empty", "cut in its numbers", "text")}


@pytest.mark.parametrize("spoil", READ.values(), ids=READ)
def test_a_stage_that_reads_a_torn_file_says_how_to_make_it_again(file, spoil):
    spoil(file)
    with pytest.raises(UserError, match=r"1\.safetensors: missing or damaged; run `dvc repro`"):
        read_speaker(file)


LIBRARIES = ("numpy", "scipy", "soundfile", "soxr", "python_speech_features")


@pytest.mark.parametrize("upgraded", LIBRARIES)
def test_after_an_upgrade_of_a_library_nothing_old_is_kept(extract, file, monkeypatch, upgraded):
    assert extract() == 0
    monkeypatch.setattr(
        speech.features.extraction,
        "version",
        lambda name: "99" if name == upgraded else version(name),
    )
    assert extract() == 3


def test_after_a_change_of_the_code_that_computes_nothing_old_is_kept(
    tmp_path, monkeypatch, extract, file
):
    """Be it that of the features, of decoding, of the extraction itself, or of the stage."""
    assert extract() == 0
    changed = tmp_path / "changed.py"
    changed.write_text("# other code")
    for module in (speech.features.mfcc, speech.features.extraction):
        with monkeypatch.context() as patch:
            patch.setattr(module, "__file__", str(changed))
            assert extract() == 3
        assert extract() == 3
    with monkeypatch.context() as patch:
        patch.setattr(speech.features.extraction.inspect, "getsourcefile", lambda _: changed)
        assert extract() == 3


class Compute:
    """What a stage may hand over instead of a function."""

    def __call__(self, signal, utterance):
        return {utterance: signal}


def test_the_code_that_computes_is_found_in_whatever_form_it_is_handed_over():
    code_of = speech.features.extraction._code_of
    own = {code_of(stamp_of), code_of(partial(stamp_of, 1)), code_of(Compute())}
    assert len(own) == 1
    assert own != {code_of(speech.features.mfcc.mfcc)}
