"""Files of estimators: never more than an estimator."""

import json
import os

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from speech.classifiers.classical import LogisticModel
from speech.classifiers.estimator_file import read_estimator, write_estimator
from speech.errors import UserError


@pytest.fixture
def fitted():
    inputs = np.random.default_rng(0).normal(size=(60, 4))
    return clone(LogisticModel().estimator).fit(inputs, np.where(inputs[:, 0] > 0, "F", "M"))


@pytest.mark.parametrize("what", ["function", "forest"])
def test_what_is_not_known_is_not_written(what, tmp_path):
    unknown = FunctionTransformer(os.system)
    if what == "forest":
        unknown = RandomForestClassifier(n_estimators=2).fit([[0.0], [1.0]], [0, 1])
    with pytest.raises(TypeError, match="cannot be kept"):
        write_estimator(tmp_path, make_pipeline(unknown))


@pytest.mark.parametrize("name", ["RandomForestClassifier", "os.system", "object", "list"])
def test_a_file_that_names_another_type_is_refused(name, fitted, tmp_path):
    write_estimator(tmp_path, fitted)
    file = tmp_path / "estimator.json"
    file.write_text(file.read_text("utf-8").replace('"LogisticRegression"', f'"{name}"'), "utf-8")
    with pytest.raises(UserError, match="no estimator of this project, or damaged"):
        read_estimator(tmp_path, fitted)


@pytest.mark.parametrize("file", ["estimator.json", "estimator.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "other"])
def test_a_damaged_file_is_refused_in_one_sentence(file, damage, fitted, tmp_path):
    write_estimator(tmp_path, fitted)
    path = tmp_path / file
    whole = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes({"empty": b"", "cut": whole[:-40], "other": b'{"a": [1]}'}[damage])
    with pytest.raises(UserError, match="no estimator of this project, or damaged") as error:
        read_estimator(tmp_path, fitted)
    assert str(error.value).count("\n") == 0


def test_another_version_of_scikit_learn_is_named(fitted, tmp_path):
    write_estimator(tmp_path, fitted)
    file = tmp_path / "estimator.json"
    tree = json.loads(file.read_text("utf-8")) | {"scikit-learn": "0.1"}
    file.write_text(json.dumps(tree), "utf-8")
    with pytest.raises(UserError, match=r"made with scikit-learn 0\.1"):
        read_estimator(tmp_path, fitted)
