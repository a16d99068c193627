"""Archives of estimators: equal for equal estimators, and never more than an estimator."""

import copy
import json
import os
import pickle
import re
import zipfile

import numpy as np
import pytest
import skops.io
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from speech.classifiers.skops_archive import read_estimator, write_estimator
from speech.errors import UserError


@pytest.fixture
def inputs():
    return np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)


@pytest.fixture
def estimator(inputs):
    labels = np.where(inputs[:, 0] > 0, "F", "M")
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.5)).fit(inputs, labels)


def test_what_is_read_predicts_what_was_written(estimator, inputs, tmp_path):
    write_estimator(tmp_path / "e.skops", estimator)
    read = read_estimator(tmp_path / "e.skops")
    np.testing.assert_array_equal(read.predict_proba(inputs), estimator.predict_proba(inputs))
    assert read.get_params()["logisticregression__C"] == 0.5


def test_equal_estimators_are_equal_bytes_wherever_they_lie_in_memory(estimator, tmp_path):
    # Both alive at once, so that no address in memory is the same.
    twin = copy.deepcopy(estimator)
    write_estimator(tmp_path / "a.skops", estimator)
    write_estimator(tmp_path / "b.skops", twin)
    assert (tmp_path / "a.skops").read_bytes() == (tmp_path / "b.skops").read_bytes()
    # It is the rewriting that makes them so.
    assert skops.io.dumps(estimator) != skops.io.dumps(twin)


def test_other_estimators_are_other_bytes(estimator, inputs, tmp_path):
    write_estimator(tmp_path / "a.skops", estimator)
    labels = np.where(inputs[:, 1] > 0, "F", "M")
    write_estimator(tmp_path / "b.skops", estimator.fit(inputs, labels))
    assert (tmp_path / "a.skops").read_bytes() != (tmp_path / "b.skops").read_bytes()


def test_neither_the_date_nor_an_address_is_in_an_archive(estimator, tmp_path):
    write_estimator(tmp_path / "e.skops", estimator)
    with zipfile.ZipFile(tmp_path / "e.skops") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        names = [name for name in archive.namelist() if name != "schema.json"]
        schema = archive.read("schema.json").decode()
    assert names == [f"{number}.npy" for number in range(len(names))]
    identifiers = [int(number) for number in re.findall(r'"__id__": (\d+)', schema)]
    assert identifiers
    assert max(identifiers) < len(identifiers)


def test_objects_that_are_one_stay_one(tmp_path):
    """Renumbering keeps apart what was apart, and together what was together."""
    scaler = StandardScaler()
    steps = make_pipeline(scaler, StandardScaler(), DummyClassifier())
    steps.steps.insert(1, ("again", scaler))
    write_estimator(tmp_path / "e.skops", steps)
    first, second, third, _ = (step for _, step in read_estimator(tmp_path / "e.skops").steps)
    assert first is second
    assert first is not third


def test_a_function_in_an_archive_is_refused_and_never_called(tmp_path, monkeypatch):
    hostile = FunctionTransformer(os.system, kw_args={})
    skops.io.dump(hostile, tmp_path / "e.skops")
    monkeypatch.setattr(os, "system", lambda _: pytest.fail("called"))
    with pytest.raises(UserError, match=r"e\.skops: not a model of this project.*system"):
        read_estimator(tmp_path / "e.skops")


class Stranger(LogisticRegression):
    """A type that is none of scikit-learn's own."""


def test_a_type_from_outside_scikit_learn_is_refused_by_name(estimator, inputs, tmp_path):
    labels = np.where(inputs[:, 0] > 0, "F", "M")
    skops.io.dump(Stranger().fit(inputs, labels), tmp_path / "e.skops")
    with pytest.raises(UserError, match="Stranger") as error:
        read_estimator(tmp_path / "e.skops")
    assert "\n" not in str(error.value)


def test_a_pickle_under_the_name_of_an_archive_is_refused(estimator, tmp_path):
    (tmp_path / "e.skops").write_bytes(pickle.dumps(estimator))
    with pytest.raises(UserError, match=r"e\.skops: not a model of this project"):
        read_estimator(tmp_path / "e.skops")


@pytest.mark.parametrize("content", [[1, 2], {"classes": "F"}, "text"], ids=str)
def test_an_archive_of_something_else_is_refused(content, tmp_path):
    skops.io.dump(content, tmp_path / "e.skops")
    with pytest.raises(UserError, match=r"e\.skops: not a model of this project"):
        read_estimator(tmp_path / "e.skops")


def test_an_archive_without_its_schema_is_refused(estimator, tmp_path):
    with zipfile.ZipFile(tmp_path / "e.skops", "w") as archive:
        archive.writestr("schema", json.dumps({}))
    with pytest.raises(UserError, match=r"e\.skops: not a model of this project"):
        read_estimator(tmp_path / "e.skops")


def test_a_missing_archive_is_named(tmp_path):
    with pytest.raises(UserError, match=r"e\.skops: no such file"):
        read_estimator(tmp_path / "e.skops")
