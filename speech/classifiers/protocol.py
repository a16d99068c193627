"""What every classifier can do, and what it is given."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from speech.storage.examples import Form


class Rows:
    """Some rows of an array, read as an array is; copied only as far as they are read.

    Folds would otherwise hold all frames several times over.
    """

    def __init__(self, array: NDArray[Any], chosen: NDArray[Any]) -> None:
        self._array = array
        self._positions = np.arange(len(array))[chosen]
        self.shape = (len(self._positions), *array.shape[1:])

    def __len__(self) -> int:
        return len(self._positions)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        return self._array[self._positions[key]]

    def choose(self, chosen: NDArray[Any]) -> "Rows":
        """Return some of the rows, again without copying them."""
        return Rows(self._array, self._positions[chosen])


@dataclass(frozen=True)
class Labelled:
    """Examples to learn from.

    Attributes
    ----------
    inputs
        Shape (examples, dimensions) or (examples, frames, dimensions).
    labels
        Shape (examples,), strings.
    utterances
        Shape (examples,): what predictions are averaged over.
    sessions
        Shape (examples,): what is never in both training and test (speakers for gender, chapters
        for speakers); unique among the sessions of a label.
    copies
        The inputs under other acoustic conditions, for training; each of the shape of `inputs`.
    """

    inputs: NDArray[np.floating]
    labels: NDArray[np.str_]
    utterances: NDArray[np.str_]
    sessions: NDArray[np.str_]
    copies: tuple[NDArray[np.floating], ...] = ()

    def __getitem__(self, chosen: NDArray[Any]) -> "Labelled":
        """Return the chosen examples, by boolean mask or positions; frames are not copied."""
        return Labelled(
            _choose(self.inputs, chosen),
            self.labels[chosen],
            self.utterances[chosen],
            self.sessions[chosen],
            tuple(_choose(copy, chosen) for copy in self.copies),
        )

    def with_copies(self) -> "Labelled":
        """Return the examples followed by their copies as further examples."""
        if not self.copies:
            return self
        times = 1 + len(self.copies)
        return Labelled(
            np.concatenate([self.inputs, *self.copies]),
            np.tile(self.labels, times),
            np.tile(self.utterances, times),
            np.tile(self.sessions, times),
        )


def _choose(array: Any, chosen: NDArray[Any]) -> Any:
    if isinstance(array, Rows):
        return array.choose(chosen)
    return Rows(array, chosen) if array.ndim > 2 else array[chosen]


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
        Whether it is trained in epochs, so that validation data can stop its training.
    calibration_fits
        How many further fits, each without a third of the sessions, its temperature is learnt
        from; 0 if it needs none.
    classes
        The labels, sorted; the columns of `predict_proba`.
    curves
        One row per epoch of training (epoch, loss, validation_loss, accuracy,
        validation_accuracy); empty if it is not trained in epochs.
    best_epochs
        How many epochs its weights were trained; 0 if it is not trained in epochs.
    """

    form: Form
    trains_in_epochs: bool
    calibration_fits: int
    classes: list[str]
    curves: list[dict[str, float]]
    best_epochs: int

    def fit(
        self, training: Labelled, validation: Labelled | None = None, epochs: int | None = None
    ) -> Self:
        """Learn from training data and its copies.

        Parameters
        ----------
        training
            Examples.
        validation
            May stop the training early.
        epochs
            Train exactly that long; only for what is trained in epochs.
        """

    def predict_proba(self, inputs: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the probability of each class, shape (examples, classes)."""

    def save(self, folder: Path) -> None:
        """Write the fitted classifier, without pickle, byte-identical for identical fits."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
