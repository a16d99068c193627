"""params.yaml: what is shipped is sound, and is taken as it is written."""

import inspect
import math

import pytest
from dvc.utils.serialize import load_yaml

from speech.classifiers.registry import CLASSIFIERS
from speech.params import Params, read_yaml


def numbers(schema):
    """List the schema of every number, wherever in a schema, with where it stands."""
    for key, part in schema.items() if isinstance(schema, dict) else enumerate(schema):
        if isinstance(part, dict | list):
            yield from ((f"{key}/{inner}", number) for inner, number in numbers(part))
        elif key == "type" and part in ("integer", "number") and "const" not in schema:
            yield "", schema


def test_every_number_is_bounded_on_both_sides_so_that_none_is_refused_after_hours():
    unbounded = []
    for where, number in numbers(Params.model_json_schema()):
        for end in ("inimum", "aximum"):
            bound = number.get(f"m{end}", number.get(f"exclusiveM{end}", math.inf))
            if not abs(bound) <= 2**32 and "propertyNames" not in where:
                unbounded.append(where)
    assert unbounded == []


def test_what_is_loaded_is_what_was_written_so_no_stage_depends_on_the_schema(
    shipped_params, params
):
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


NAMES = ["1e", "e5", "take-1e-05", "1e-05-take", "1e5 takes", "12-34", "off", "17:30"]
"""They only look like numbers or switches, and stay what they are."""


@pytest.mark.parametrize(
    "written",
    [
        *("1e-05", "1E-3", "2.5e-4", "+.5", "0o17", "017", "1_000", "0x1F", "TRUE", "~"),
        *NAMES,
    ],
)
def test_a_value_is_read_as_dvc_reads_it_so_that_its_lock_records_what_ran(tmp_path, written):
    path = tmp_path / "params.yaml"
    path.write_text(f"value: {written}\nlist:\n- {written}\n")
    read = read_yaml(path)
    assert read == load_yaml(path)
    assert (read["value"] == written) == (written in NAMES)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model", "best"),
        ("wav2vec2.layers", [0, 4]),
        ("wav2vec2.layers", "all"),
        ("svm.gamma", 0.1),
        ("svm.gamma", "auto"),
        ("mfcc.high_hz", 7600.5),
        ("compute.jobs", 3),
        ("subset.speakers_per_gender", 9),
        ("subset.minutes_per_speaker", 5),
        ("gender_overrides", {}),
        ("gender_overrides", {7976: "F", "007": "M"}),
        ("gender_overrides", "my/overrides.csv"),
        ("corpus", "../sounds/Hörbücher"),
        ("corpus", ["dev-clean", "test-other"]),
        ("external", None),
        ("external", "/mine/others.csv"),
        ("external", ["test-clean", "test-other"]),
        ("corpus_mirror", "https://us.openslr.org"),
        ("corpus_sha256", {"dev-clean": "0123456789abcdef" * 4}),
    ],
)
def test_every_kind_of_allowed_value_is_taken(make_params, key, value):
    found = make_params(**{key: value})
    for part in key.split("."):
        found = getattr(found, part)
    assert found == value


@pytest.mark.parametrize(
    "key", ["corpus", "corpus_mirror", "encoder", "external", "gender_overrides"]
)
def test_a_tilde_is_the_users_home_wherever_a_path_may_stand(make_params, monkeypatch, key):
    monkeypatch.setenv("HOME", "/home/ann")
    assert getattr(make_params(**{key: "~/mine"}), key) == "/home/ann/mine"
