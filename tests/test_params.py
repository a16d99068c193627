"""params.yaml: what is shipped is sound, and every mistake is one sentence that helps."""

import copy
from pathlib import Path

import pytest
import yaml

from speech.errors import UserError
from speech.params import load_params


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
        for jargon in ("nput should", "a valid ", "after validation", "instance of", "iteral"):
            assert jargon not in message, "the words of pydantic"
        return message.removeprefix(f"{path}:").strip()

    return complain


def test_the_shipped_params_are_sound(shipped_params, params):
    assert params.mfcc.coefficients == shipped_params["mfcc"]["coefficients"]
    assert params.models == shipped_params["models"]


def test_what_is_loaded_is_what_was_written_key_by_key(shipped_params, params):
    assert params.model_dump() == shipped_params


def test_params_cannot_be_changed_in_passing(params):
    with pytest.raises(ValueError, match="frozen"):
        params.mfcc.fft = 1024


def test_an_unknown_block_is_named_with_the_known_ones(complaint_about):
    message = complaint_about("formants", {"low_hz": 60})
    assert message.startswith("unknown key formants; the keys allowed there are corpus, corpus_")
    assert "wav2vec2" in message


@pytest.mark.parametrize("name", ["coeficients", "high-hz", "0"])
def test_an_unknown_key_is_named_with_the_known_ones_of_its_block(complaint_about, name):
    message = complaint_about(f"mfcc.{name}", 13)
    assert message.startswith(
        f"unknown key mfcc.{name}; the keys allowed there are coefficients, filters, "
    )
    assert "corpus" not in message


def test_an_unknown_key_two_blocks_deep_is_named(complaint_about):
    message = complaint_about("inputs.mfcc.normalization", "none")
    assert message == (
        "unknown key inputs.mfcc.normalization; the keys allowed there are normalisation, "
        "statistics, correlated, augmentation."
    )


def test_a_key_that_is_a_number_is_unknown(complaint_about, shipped_params):
    text = yaml.safe_dump(shipped_params) + "1: sample\n"
    assert complaint_about(text=text).startswith("unknown key 1; the keys allowed there are corpus")


@pytest.mark.parametrize("key", ["seed", "mfcc", "mfcc.fft", "inputs.wav2vec2.layer"])
def test_a_missing_key_is_named(complaint_about, key):
    message = complaint_about(key, remove=True)
    assert message == f"the key {key} is missing; restore it from git or set it."


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("mfcc.coefficients", "13", 'is "13", but should be a whole number'),
        ("mfcc.coefficients", 13.5, "is 13.5, but should be a whole number"),
        ("mfcc.coefficients", True, "is true, but should be a whole number"),
        ("mfcc.coefficients", None, "is null, but should be a whole number"),
        ("mfcc.high_hz", "8k", 'is "8k", but should be a number'),
        ("mfcc.energy", 1, "is 1, but should be true or false"),
        ("mfcc", 3, "is 3, but should be a block of keys"),
        ("corpus", None, "is null, but should be a list or text"),
        ("models", "svm", 'is "svm", but should be a list'),
        ("parallel.jobs", "all", 'is "all", but should be a whole number'),
        ("logistic.C", float("inf"), "is Infinity, but should be a finite number"),
        ("chunks.hop_seconds", float("nan"), "is NaN, but should be a finite number"),
    ],
)
def test_a_value_of_the_wrong_type_is_quoted_with_the_right_one(complaint_about, key, value, said):
    assert complaint_about(key, value) == f"{key} {said}; change it."


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("mfcc.high_hz", 9000, "at most 8000"),
        ("mfcc.low_hz", -1, "at least 0"),
        ("folds.gender", 1, "at least 2"),
        ("svm.C", 0, "above 0"),
        ("clusters.pca_variance", 1, "below 1"),
        ("seed", 2**32, f"below {2**32}"),
        ("sample_encoder.hidden", 100, "a multiple of 16"),
        ("chunks.hop_seconds", 0, "at least 0.01"),
        ("cnn.validation_fraction", 0.9, "at most 0.5"),
        ("cnn.decay", "linear", "'none' or 'cosine'"),
        ("models", [], "a list at least 1 long"),
        ("cnn.channels", [8, 8, 8, 8, 8, 8], "a list at most 5 long"),
        ("corpus", [], "a list at least 1 long or text"),
        ("corpus_mirror", "", "at least one character"),
        ("keep_archives", "yes", "true or false"),
        ("chunks.tail", "pad", "'overlap' or 'drop'"),
        ("model", "forest", "'dummy', 'logistic', 'svm', 'lda', 'mlp', 'cnn' or 'best'"),
        ("subset.speakers_per_gender", 0, "at least 1"),
        ("subset.chapters_at_least", 0, "at least 1"),
        ("subset.minutes_per_speaker", 0, "above 0"),
        ("parallel.jobs", 0, "-1 for all cores, or the number of workers"),
    ],
)
def test_a_value_out_of_range_is_quoted_with_the_range(complaint_about, key, value, allowed):
    message = complaint_about(key, value)
    shown = f'"{value}"' if isinstance(value, str) else value
    assert message == f"{key} is {shown}, but should be {allowed}; change it."


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("wav2vec2.layers", "some", "a list or 'all'"),
        ("corpus", "", "a list or at least one character"),
        ("gender_overrides", ["7976"], "a block of keys or text"),
        ("svm.gamma", "wide", "a number or 'scale' or 'auto'"),
        ("svm.gamma", -1.0, "above 0 or 'scale' or 'auto'"),
    ],
)
def test_where_two_kinds_of_value_are_allowed_both_are_said(complaint_about, key, value, allowed):
    message = complaint_about(key, value)
    assert message.startswith(f"{key} is ")
    assert message.endswith(f", but should be {allowed}; change it.")


@pytest.mark.parametrize(
    ("key", "value", "place"),
    [
        ("models", ["svm", "forest"], "models[1] is "),
        ("corpus", ["dev-clean", "sample"], "corpus[1] is \"sample\", but should be 'dev-clean', "),
        ("wav2vec2.layers", [0, -1], "wav2vec2.layers[1] is -1, but should be at least 0"),
        ("mlp.hidden", [64, "wide"], 'mlp.hidden[1] is "wide", but should be a whole number'),
    ],
)
def test_an_item_of_a_list_is_named_by_its_position(complaint_about, key, value, place):
    assert complaint_about(key, value).startswith(place)


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
            "wav2vec2.sequence_layer (4) must be among wav2vec2.layers ([0, 6]) while "
            "inputs.wav2vec2.layer is auto",
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


def test_a_model_named_twice_is_refused(complaint_about):
    assert "models (logistic, logistic) must not repeat a name" in complaint_about(
        "models", ["logistic", "logistic"]
    )


def test_a_subset_named_twice_is_refused(complaint_about):
    said = complaint_about("corpus", ["dev-clean", "dev-other", "dev-clean"])
    assert said.startswith("corpus (dev-clean, dev-other, dev-clean) must not repeat a subset; ")


@pytest.mark.parametrize("value", ["76f8", "Z" * 64, "A" * 64])
def test_a_checksum_that_is_none_is_quoted_with_what_it_should_be(complaint_about, value):
    said = complaint_about("corpus_sha256", {"dev-clean": value})
    assert said.startswith(f'corpus_sha256.dev-clean is "{value[:50]}')
    assert said.endswith(", but should be 64 hexadecimal digits in small letters; change it.")


def test_a_checksum_for_no_subset_is_told_which_there_are(complaint_about):
    said = complaint_about("corpus_sha256", {"dev-cleen": "0" * 64})
    assert said.startswith("unknown key corpus_sha256.dev-cleen; the keys allowed there are 'dev-c")


@pytest.mark.parametrize(
    ("model", "space", "said"),
    [
        ("svm", {"C": [1.0, 0]}, "tuning.space.svm.C[1] is 0, but should be above 0; change it."),
        (
            "svm",
            {"gamma": ["scale", "wide"]},
            "tuning.space.svm.gamma[1] is \"wide\", but should be a number or 'scale' or 'auto'; "
            "change it.",
        ),
        (
            "mlp",
            {"hidden": [64]},
            "tuning.space.mlp.hidden[0] is 64, but should be a list; change it.",
        ),
        (
            "logistic",
            {"c": [1.0]},
            "unknown key tuning.space.logistic.c; the keys allowed there are C, max_iter.",
        ),
        ("cnn", {"kernel": []}, "tuning.space.cnn.kernel is [], but should be a list at least 1 "),
        ("cnn", {"kernel": 3}, "tuning.space.cnn.kernel is 3, but should be a list; change it."),
        ("cnn", 3, "tuning.space.cnn is 3, but should be a block of keys; change it."),
    ],
)
def test_only_what_a_model_allows_can_be_searched_for(complaint_about, model, space, said):
    assert complaint_about(f"tuning.space.{model}", space).startswith(said)


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


@pytest.mark.parametrize("gender", ["unknown", "f", None])
def test_an_override_that_is_neither_f_nor_m_is_refused(complaint_about, gender):
    message = complaint_about("gender_overrides", {7976: gender})
    assert message.startswith("gender_overrides.7976 is ")
    assert "should be 'F' or 'M'" in message
