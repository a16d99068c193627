"""params.yaml: what is shipped is sound, and every mistake is one sentence that helps."""

import copy
import inspect
from pathlib import Path

import pytest
import yaml

from speech.classifiers.registry import CLASSIFIERS
from speech.errors import UserError
from speech.params import Params, load_params


@pytest.fixture
def complaint_about(shipped_params, tmp_path):
    """Return what is said about params.yaml after changing it, without the file's name."""

    def complain(key=None, value=None, *, remove=False, text=None):
        path = tmp_path / "params.yaml"
        if text is None:
            content = copy.deepcopy(shipped_params)
            *blocks, name = key.split(".")
            block = content
            for part in blocks:
                block = block[part]
            if remove:
                del block[name]
            else:
                block[name] = value
            text = yaml.safe_dump(content)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(UserError) as caught:
            load_params(path)
        message = str(caught.value)
        assert message.startswith(f"{path}:")
        assert message.endswith(".")
        assert "\n" not in message
        assert ". " not in message, "more than one sentence"
        for jargon in ("nput should", "after validation", "nstance", "dictionary", "iteral"):
            assert jargon not in message, "the words of pydantic"
        return message.removeprefix(f"{path}:").strip()

    return complain


# --- what is shipped --------------------------------------------------------------------------


def test_what_is_loaded_is_what_was_written_key_by_key(shipped_params, params):
    assert params.model_dump() == shipped_params


def test_the_order_of_tasks_changes_nothing(make_params, params):
    assert make_params(tasks=["speaker", "gender"]) == params


def test_params_cannot_be_changed_in_passing(params):
    with pytest.raises(ValueError, match="frozen"):
        params.mfcc.fft = 1024


@pytest.mark.parametrize("model", CLASSIFIERS)
def test_the_block_of_a_classifier_has_its_keyword_arguments(params, model):
    """All but the seed, which is one for the whole pipeline."""
    arguments = {*inspect.signature(CLASSIFIERS[model]).parameters} - {"seed"}
    assert {*Params.model_fields[model].annotation.model_fields} == arguments
    assert {*params.hyperparameters(model)} == arguments
    assert {*params.search.get(model, {})} <= arguments
    # What is shipped is the default of the class, so that a notebook gets what the pipeline gets.
    for name, parameter in inspect.signature(CLASSIFIERS[model]).parameters.items():
        default = [*parameter.default] if name in ("hidden", "channels") else parameter.default
        assert name == "seed" or params.hyperparameters(model)[name] == default


# --- unknown and missing keys -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "allowed"),
    [
        ("formants", "corpus, corpus_mirror, "),
        ("mfcc.coeficients", "coefficients, filters, "),
        ("mfcc.0", "coefficients, filters, "),
        ("inputs.mfcc.normalization", "normalisation, statistics, correlated, frame_stride."),
        ("svm.shrinkage", "C, kernel, gamma."),
        ("svm.seed", "C, kernel, gamma."),
        ("search.svm.shrinkage", "C, kernel, gamma."),
        ("search.svm.seed", "C, kernel, gamma."),
        ("search.logistic.c", "C, max_iter."),
        ("corpus_sha256.dev-cleen", "'dev-clean', "),
    ],
)
def test_an_unknown_key_is_named_with_those_allowed_there(complaint_about, key, allowed):
    message = complaint_about(key, [0.5])
    assert message.startswith(f"unknown key {key}; the keys allowed there are {allowed}")


def test_a_key_that_is_a_number_is_unknown(complaint_about, shipped_params):
    text = yaml.safe_dump(shipped_params) + "1: sample\n"
    assert complaint_about(text=text).startswith("unknown key 1; the keys allowed there are corpus")


@pytest.mark.parametrize(
    "key", ["seed", "mfcc", "mfcc.fft", "svm", "svm.C", "inputs.wav2vec2.layer"]
)
def test_a_missing_key_is_named(complaint_about, key):
    message = complaint_about(key, remove=True)
    assert message == f"the key {key} is missing; restore it from git or set it."


# --- values that are not allowed --------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        # of another type
        ("mfcc.coefficients", "13", 'is "13", but should be a valid integer'),
        ("mfcc.coefficients", 13.5, "is 13.5, but should be a valid integer"),
        ("mfcc.coefficients", True, "is true, but should be a valid integer"),
        ("mfcc.coefficients", None, "is null, but should be a valid integer"),
        ("mfcc.high_hz", "8k", 'is "8k", but should be a valid number'),
        ("mfcc.energy", 1, "is 1, but should be a valid boolean"),
        ("mfcc", 3, "is 3, but should be a block of keys"),
        ("svm", 3, "is 3, but should be a block of keys"),
        ("models", "svm", 'is "svm", but should be a valid list'),
        ("mlp.hidden", 64, "is 64, but should be a valid list"),
        ("mlp.hidden", "wide", 'is "wide", but should be a valid list'),
        ("logistic.C", float("inf"), "is Infinity, but should be a finite number"),
        ("chunks.hop_seconds", float("nan"), "is NaN, but should be a finite number"),
        # out of range
        ("mfcc.high_hz", 9000, "is 9000, but should be less than or equal to 8000"),
        ("mfcc.low_hz", -1, "is -1, but should be greater than or equal to 0"),
        ("svm.C", 0, "is 0, but should be greater than 0"),
        ("clusters.pca_variance", 1, "is 1, but should be less than 1"),
        ("sample_encoder.hidden", 100, "is 100, but should be a multiple of 16"),
        ("cnn.validation_fraction", 0.9, "is 0.9, but should be less than or equal to 0.5"),
        ("cnn.decay", "linear", "is \"linear\", but should be 'none' or 'cosine'"),
        ("models", [], "is [], but should be at least 1 item"),
        ("cnn.channels", [8] * 6, "is [8, 8, 8, 8, 8, 8], but should be at most 5 items"),
        ("corpus_mirror", "", 'is "", but should be at least 1 character'),
        ("chunks.tail", "pad", "is \"pad\", but should be 'overlap' or 'drop'"),
        ("subset.minutes_per_speaker", 0, "is 0, but should be greater than 0"),
        ("parallel.jobs", 0, "is 0, but should be -1 for all cores, or the number of workers"),
        # of several kinds, all of which are named
        ("wav2vec2.layers", "some", "is \"some\", but should be a valid list or 'all'"),
        ("corpus", None, "is null, but should be a valid list or a valid string"),
        ("gender_overrides", [1], "is [1], but should be a block of keys or a valid string"),
        ("svm.gamma", "wide", "is \"wide\", but should be a valid number or 'scale' or 'auto'"),
        ("svm.gamma", -1.0, "is -1.0, but should be greater than 0 or 'scale' or 'auto'"),
        # in a list or a mapping
        ("wav2vec2.layers", [0, -1], "[1] is -1, but should be greater than or equal to 0"),
        ("mlp.hidden", [64, "wide"], '[1] is "wide", but should be a valid integer'),
        ("gender_overrides", {7976: "f"}, ".7976 is \"f\", but should be 'F' or 'M'"),
        # in the search space of a classifier
        ("search.svm", {"C": [1.0, 0]}, ".C[1] is 0, but should be greater than 0"),
        (
            "search.svm",
            {"gamma": ["scale", "wide"]},
            ".gamma[1] is \"wide\", but should be a valid number or 'scale' or 'auto'",
        ),
        ("search.mlp", {"hidden": [64]}, ".hidden[0] is 64, but should be a valid list"),
        ("search.mlp", {"dropout": [0.5, 1]}, ".dropout[1] is 1, but should be less than 1"),
        ("search.cnn", {"kernel": []}, ".kernel is [], but should be at least 1 item"),
        ("search.cnn", {"kernel": 3}, ".kernel is 3, but should be a valid list"),
        ("search.cnn", 3, " is 3, but should be a block of keys"),
    ],
)
def test_a_value_is_quoted_with_what_is_allowed(complaint_about, key, value, said):
    space = " " if said.startswith("is ") else ""
    assert complaint_about(key, value) == f"{key}{space}{said}; change it."


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        (
            "model",
            "forest",
            "model is \"forest\", but should be 'dummy', 'logistic', 'svm', 'lda', ",
        ),
        ("models", ["svm", "forest"], "models[1] is \"forest\", but should be 'dummy', "),
        ("corpus", ["dev-clean", "sample"], "corpus[1] is \"sample\", but should be 'dev-clean', "),
        ("corpus_sha256", {"dev-clean": "76f8"}, 'corpus_sha256.dev-clean is "76f8", but should '),
        ("models", ["logistic"] * 2, "models (logistic, logistic) must not repeat a name; "),
        ("tasks", ["speaker"] * 2, "tasks (speaker, speaker) must not repeat a name; "),
        ("tasks", ["gender", "age"], "tasks[1] is \"age\", but should be 'gender' or 'speaker'"),
        ("tasks", [], "tasks is [], but should be "),
        ("tasks", "speaker", 'tasks is "speaker", but should be a valid list'),
        ("corpus", ["dev-clean"] * 2, "corpus (dev-clean, dev-clean) must not repeat a subset; "),
        (
            "augmentation.snr_db",
            [9.0, 5.0],
            "augmentation.snr_db is [9.0, 5.0], but should be the ",
        ),
    ],
)
def test_a_name_that_is_none_or_twice_there_is_quoted(complaint_about, key, value, said):
    assert complaint_about(key, value).startswith(said)


def test_a_long_value_is_cut(complaint_about):
    assert len(complaint_about("seed", "seventeen " * 100)) < 150


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("mfcc.coefficients", 41, "mfcc.coefficients (41) cannot exceed mfcc.filters (40)"),
        ("mfcc.fft", 256, "mfcc.fft (256) must cover mfcc.window_seconds (400 samples)"),
        ("mfcc.low_hz", 6000, "mfcc.low_hz (6000) must be below mfcc.high_hz (6000)"),
        (
            "mfcc.delta_orders",
            0,
            "inputs.mfcc.statistics has delta_correlation, but mfcc.delta_orders is 0",
        ),
        ("models", ["mlp", "cnn"], "model (logistic) must be among models (mlp, cnn)"),
        (
            "wav2vec2.layers",
            [0, 6],
            "inputs.wav2vec2.layer (4) must be among wav2vec2.layers ([0, 6])",
        ),
        (
            "wav2vec2.sequence_layer",
            9,
            "wav2vec2.sequence_layer (9) must not exceed sample_encoder.layers (6)",
        ),
        (
            "inputs.wav2vec2.layer",
            7,
            "inputs.wav2vec2.layer (7) must not exceed sample_encoder.layers (6)",
        ),
    ],
)
def test_values_that_contradict_each_other_are_both_named(complaint_about, key, value, said):
    assert complaint_about(key, value) == f"{said}; change one of them."


def test_the_best_model_need_not_be_named(make_params):
    assert make_params(model="best", models=["mlp", "cnn"]).model == "best"


# --- the file ---------------------------------------------------------------------------------


def test_a_missing_file_is_named_with_where_to_run():
    with pytest.raises(UserError, match=r"nowhere/params\.yaml: no such file; run from the root"):
        load_params(Path("nowhere/params.yaml"))


@pytest.mark.parametrize("text", ["seed: [1\nmodel: svm\n", "seed: 1: 2", "a: 1\n\tb: 2"])
def test_broken_yaml_is_reported_with_its_line(complaint_about, text):
    message = complaint_about(text=text)
    assert message.startswith("line ")
    assert message.endswith("is not valid YAML; mend the syntax there.")


@pytest.mark.parametrize("text", ["", "- svm\n- mlp\n", "svm\n", "17"])
def test_yaml_that_holds_no_keys_is_refused(complaint_about, text):
    assert complaint_about(text=text) == "holds no keys; restore it from git."


def test_a_file_in_another_encoding_is_refused(complaint_about):
    message = complaint_about(text="corpus: Käse".encode("latin-1"))
    assert message == "is not UTF-8 text; save it as UTF-8."


def test_a_folder_in_place_of_the_file_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"cannot be read"):
        load_params(tmp_path)


@pytest.mark.parametrize(
    ("written", "meant"), [("1e-05", 1e-5), ("1E-3", 1e-3), ("2.5e-4", 2.5e-4)]
)
def test_numbers_are_read_as_dvc_writes_them(shipped_params, tmp_path, written, meant):
    content = copy.deepcopy(shipped_params)
    content["mlp"]["learning_rate"] = "HERE"
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(content).replace("HERE", written))
    assert load_params(path).mlp.learning_rate == meant


@pytest.mark.parametrize("name", ["1e", "e5", "take-1e-05", "1e-05-take", "1e5 takes", "12-34"])
def test_names_that_only_look_like_numbers_stay_names(shipped_params, tmp_path, name):
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(shipped_params).replace("corpus: sample", f"corpus: {name}"))
    assert load_params(path).corpus == name


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("wav2vec2.layers", [0, 4]),
        ("wav2vec2.layers", "all"),
        ("svm.gamma", 0.1),
        ("svm.gamma", "auto"),
        ("mfcc.high_hz", 7600.5),
        ("parallel.jobs", 3),
        ("subset.speakers_per_gender", 9),
        ("subset.minutes_per_speaker", 5),
        ("gender_overrides", {}),
        ("gender_overrides", {7976: "F", "007": "M"}),
        ("gender_overrides", "my/overrides.csv"),
        ("corpus", "../sounds/Hörbücher"),
        ("corpus", ["dev-clean", "test-other"]),
        ("corpus_mirror", "https://us.openslr.org"),
        ("corpus_sha256", {"dev-clean": "0123456789abcdef" * 4}),
    ],
)
def test_every_kind_of_allowed_value_is_taken(make_params, key, value):
    found = make_params(**{key: value})
    for part in key.split("."):
        found = getattr(found, part)
    assert found == value


@pytest.mark.parametrize("key", ["corpus", "corpus_mirror", "encoder", "gender_overrides"])
def test_a_tilde_is_the_users_home_wherever_a_path_may_stand(make_params, monkeypatch, key):
    monkeypatch.setenv("HOME", "/home/ann")
    assert getattr(make_params(**{key: "~/mine"}), key) == "/home/ann/mine"
