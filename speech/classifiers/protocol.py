"""What every classifier can do."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from speech.storage.examples import Examples, Form


class Classifier(Protocol):
    """Learns labels from examples and gives a probability for each.

    A classifier is built from keyword arguments: its hyperparameters, whose names, types and
    bounds params.yaml is checked against, and ``seed``. Like a scikit-learn estimator, `fit`
    starts anew each time.

    Attributes
    ----------
    form
        Which form of inputs it takes.
    trains_in_epochs
        Whether it is trained in epochs, and so has curves.
    calibration_fits
        How many further fits, each without a third of the sessions, its temperature is learnt
        from; 0 if it needs none.
    classes
        The labels, sorted; the columns of `predict_proba`.
    curves
        One row per epoch of training (epoch, loss, validation_loss, accuracy,
        validation_accuracy); empty if it is not trained in epochs.
    """

    form: Form
    trains_in_epochs: bool
    calibration_fits: int
    classes: list[str]
    curves: list[dict[str, float]]

    def fit(self, training: Examples, validation: Examples | None = None) -> Self:
        """Learn from training data and its copies.

        Parameters
        ----------
        training
            Examples of a task.
        validation
            Those of other sessions, for curves only.
        """

    def predict_proba(self, inputs: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the probability of each class, shape (examples, classes)."""

    def save(self, folder: Path) -> None:
        """Write the fitted classifier, without pickle, byte-identical for identical fits."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""


def in_parts(inputs: NDArray[np.floating], size: int) -> Iterator[NDArray[np.floating]]:
    """Cut examples into views of so few that what is computed of them takes little memory."""
    for start in range(0, max(1, len(inputs)), size):
        yield inputs[start : start + size]
