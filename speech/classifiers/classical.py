"""The classifiers of scikit-learn: naive baseline, logistic regression, support vector machine."""

from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from speech.classifiers.estimator_file import read_estimator, write_estimator
from speech.classifiers.protocol import Labelled
from speech.errors import UserError
from speech.examples import Form
from speech.params import Dummy, Logistic, Svm

_CALIBRATION_FOLDS = 3


class ScikitClassifier:
    """A scikit-learn estimator under the protocol of `speech.classifiers.protocol.Classifier`."""

    form: Form = "pooled"
    stops_early = False
    workers = "threads"
    """scikit-learn's solvers release the GIL, and threads spare them the start of processes."""

    def __init__(self, estimator: BaseEstimator) -> None:
        self.estimator = estimator
        self.curves: list[dict[str, float]] = []
        self.best_epochs = 0

    @property
    def classes(self) -> list[str]:
        """The labels, sorted."""
        return [str(name) for name in self.estimator.classes_]

    def fit(self, training: Labelled, validation: Labelled | None = None) -> Self:  # noqa: ARG002
        """Learn from all training data; nothing here stops early."""
        self.estimator.fit(training.inputs, training.labels)
        return self

    def predict_proba(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probability of each class, shape (examples, classes)."""
        return self.estimator.predict_proba(inputs).astype(np.float32)

    def save(self, folder: Path) -> None:
        """Write the estimator as JSON and safetensors."""
        folder.mkdir(parents=True, exist_ok=True)
        write_estimator(folder, self.estimator)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        classifier = cls.__new__(cls)
        ScikitClassifier.__init__(classifier, read_estimator(folder))
        return classifier


class DummyBaseline(ScikitClassifier):
    """Knows how frequent each label is, and nothing else."""

    def __init__(self, settings: Dummy, seed: int) -> None:
        super().__init__(DummyClassifier(strategy=settings.strategy, random_state=seed))


class CalibratedClassifier(ScikitClassifier):
    """An estimator on standardised features whose probabilities are brought to what they say.

    What an estimator says of the data that it learnt from is too sure. One temperature makes up
    for that (Guo et al. 2017, "On calibration of modern neural networks"). It is fitted on
    training examples held out from the estimator: whole sessions of a label that has two or more,
    else whole groups, else chunks. The estimator itself learns from all training examples.
    """

    def __init__(self, uncalibrated: BaseEstimator, seed: int) -> None:
        self._seed = seed
        self._uncalibrated = make_pipeline(StandardScaler(), uncalibrated)
        super().__init__(self._uncalibrated)

    def fit(self, training: Labelled, validation: Labelled | None = None) -> Self:  # noqa: ARG002
        """Learn from all training data, and the temperature from held-out sessions of it."""
        self.estimator = CalibratedClassifierCV(
            self._uncalibrated,
            method="temperature",
            cv=_calibration_splits(training, self._seed),
            ensemble=False,
        )
        self.estimator.fit(training.inputs, training.labels)
        # The splits are as large as the training data and of no use to anyone later.
        self.estimator.cv = None
        return self


class LogisticModel(CalibratedClassifier):
    """Multinomial logistic regression."""

    def __init__(self, settings: Logistic, seed: int) -> None:
        super().__init__(
            LogisticRegression(
                C=settings.C,
                max_iter=settings.max_iter,
                class_weight="balanced",
                random_state=seed,
            ),
            seed,
        )


class SvmModel(CalibratedClassifier):
    """Support vector machine, which knows margins and no probabilities before the temperature."""

    def __init__(self, settings: Svm, seed: int) -> None:
        super().__init__(
            SVC(
                C=settings.C, kernel=settings.kernel, gamma=settings.gamma, class_weight="balanced"
            ),
            seed,
        )


def _calibration_splits(training: Labelled, seed: int) -> list[tuple[Any, Any]]:
    table = pd.DataFrame({"label": training.labels, "unit": _calibration_units(training)})
    units = table.drop_duplicates()
    counts = units["label"].value_counts()
    if counts.min() < 2:
        raise UserError(
            f"chunks.seconds: {counts.idxmin()} has a single chunk to learn from, and models "
            "logistic and svm need two to calibrate; lower it, set chunks.tail to overlap, or "
            "take them out of models."
        )
    folds = StratifiedKFold(
        min(_CALIBRATION_FOLDS, int(counts.min())), shuffle=True, random_state=seed
    )
    return [
        (np.flatnonzero(~held_out), np.flatnonzero(held_out))
        for _, tested in folds.split(units, units["label"])
        for held_out in [table.index.isin(_members(table, units.iloc[tested]))]
    ]


def _calibration_units(training: Labelled) -> NDArray[np.str_]:
    """Name, for each example, the largest unit of which its label has at least two."""
    chunks = np.arange(len(training.labels)).astype(str)
    units = np.empty(len(training.labels), dtype=object)
    for label in np.unique(training.labels):
        own = training.labels == label
        for candidate in (training.sessions, training.groups, chunks):
            units[own] = candidate[own]
            if len(set(units[own])) > 1:
                break
    return units.astype(str)


def _members(table: pd.DataFrame, units: pd.DataFrame) -> pd.Index:
    return table.reset_index().merge(units, on=["label", "unit"])["index"]
