"""Files of estimators: never more than an estimator."""

import json
import os

import numpy as np
import pytest
from made_examples import examples_of
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from speech.classifiers.calibrated import Calibrated
from speech.classifiers.classical import LogisticModel
from speech.classifiers.estimator_file import write_estimator
from speech.errors import UserError


@pytest.fixture
def saved(tmp_path):
    inputs = np.random.default_rng(0).normal(size=(60, 4))
    training = examples_of(inputs, np.where(inputs[:, 0] > 0, "F", "M"))
    Calibrated(LogisticModel().fit(training)).save(tmp_path)
    return tmp_path


@pytest.mark.parametrize("what", ["function", "forest"])
def test_what_is_not_known_is_not_written(what, tmp_path):
    unknown = FunctionTransformer(os.system)
    if what == "forest":
        unknown = RandomForestClassifier(n_estimators=2).fit([[0.0], [1.0]], [0, 1])
    with pytest.raises(TypeError, match="cannot be kept"):
        write_estimator(tmp_path, make_pipeline(unknown))


def refused(folder, reason="no model of this project, or damaged"):
    with pytest.raises(UserError, match=reason) as error:
        Calibrated.load(folder, LogisticModel)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["RandomForestClassifier", "os.system", "object", "list"])
def test_a_file_that_names_another_type_is_refused(name, saved):
    file = saved / "estimator.json"
    file.write_text(file.read_text("utf-8").replace('"LogisticRegression"', f'"{name}"'), "utf-8")
    refused(saved)


@pytest.mark.parametrize("file", ["estimator.json", "estimator.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "other"])
def test_a_damaged_file_is_refused_in_one_sentence(file, damage, saved):
    path = saved / file
    whole = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes({"empty": b"", "cut": whole[:-40], "other": b'{"a": [1]}'}[damage])
    refused(saved)


def test_another_version_of_scikit_learn_is_named(saved):
    file = saved / "estimator.json"
    tree = json.loads(file.read_text("utf-8")) | {"scikit-learn": "0.1"}
    file.write_text(json.dumps(tree), "utf-8")
    refused(saved, r"made with scikit-learn 0\.1")
