"""Files of estimators: equal for equal estimators, and never more than an estimator."""

import copy
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from speech.classifiers.estimator_file import read_estimator, write_estimator
from speech.errors import UserError

KINDS = {
    "dummy": DummyClassifier(strategy="stratified", random_state=3),
    "logistic": make_pipeline(StandardScaler(), LogisticRegression(C=0.5)),
    "lda": make_pipeline(
        StandardScaler(), LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.3)
    ),
    "svm": make_pipeline(StandardScaler(), SVC(gamma="scale", class_weight="balanced")),
}


@pytest.fixture
def inputs():
    return np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)


@pytest.fixture(params=["two", "three"])
def labels(request, inputs):
    names = np.array(["F", "M"] if request.param == "two" else ["174", "84 é", "x-y"])
    return names[np.digitize(inputs[:, 0], [-0.5, 0.5] if request.param == "three" else [0])]


@pytest.fixture
def fitted(inputs):
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(
        inputs, np.where(inputs[:, 0] > 0, "F", "M")
    )


def predicted(estimator, inputs):
    method = "predict_proba" if hasattr(estimator, "predict_proba") else "decision_function"
    return getattr(estimator, method)(inputs)


def contents(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_read_predicts_what_was_written_and_equal_estimators_are_equal_bytes(
    kind, inputs, labels, tmp_path
):
    for name in "ab":
        (tmp_path / name).mkdir()
        estimator = copy.deepcopy(KINDS[kind]).fit(inputs, labels)
        write_estimator(tmp_path / name, estimator)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    read = read_estimator(tmp_path / "a", KINDS[kind])
    np.testing.assert_array_equal(predicted(read, inputs), predicted(estimator, inputs))
    np.testing.assert_array_equal(read.predict(inputs), estimator.predict(inputs))
    np.testing.assert_array_equal(read.classes_, estimator.classes_)
    assert str(read.get_params()) == str(estimator.get_params())


@pytest.mark.parametrize(
    "unknown",
    [FunctionTransformer(os.system), RandomForestClassifier().fit([[0.0], [1.0]], [0, 1])],
    ids=["function", "forest"],
)
def test_what_is_not_known_is_not_written(unknown, tmp_path):
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


def test_reading_imports_neither_torch_nor_tensorflow(fitted, tmp_path):
    write_estimator(tmp_path, fitted)
    code = (
        "import sys; from pathlib import Path;"
        "from speech.classifiers.estimator_file import read_estimator;"
        "from speech.classifiers.classical import LogisticModel;"
        f"read_estimator(Path({str(tmp_path)!r}), LogisticModel().estimator);"
        "sys.exit(1 if {'torch', 'tensorflow', 'keras'} & set(sys.modules) else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
