"""What every classifier can do, and what it is given."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from speech.features.examples import Form


@dataclass(frozen=True)
class Labelled:
    """Examples to learn from.

    Attributes
    ----------
    inputs
        float32, of shape (examples, dimensions) or (examples, frames, dimensions).
    labels
        Shape (examples,), strings.
    utterances
        Shape (examples,): what answers are given about.
    sessions
        Shape (examples,): what is unheard in every test (speakers for gender, chapters for
        speakers), named once among those of a label.
    copies
        The inputs under other conditions, to be learnt from as well; each of the shape of
        ``inputs``.
    """

    inputs: NDArray[np.float32]
    labels: NDArray[np.str_]
    utterances: NDArray[np.str_]
    sessions: NDArray[np.str_]
    copies: tuple[NDArray[np.float32], ...] = ()

    def __getitem__(self, chosen: NDArray[Any]) -> "Labelled":
        """Return the chosen examples, by boolean mask or positions."""
        return Labelled(
            self.inputs[chosen],
            self.labels[chosen],
            self.utterances[chosen],
            self.sessions[chosen],
            tuple(copy[chosen] for copy in self.copies),
        )

    def with_copies(self) -> "Labelled":
        """Return the examples followed by their copies, which are examples then."""
        if not self.copies:
            return self
        times = 1 + len(self.copies)
        return Labelled(
            np.concatenate([self.inputs, *self.copies]),
            np.tile(self.labels, times),
            np.tile(self.utterances, times),
            np.tile(self.sessions, times),
        )


class Classifier(Protocol):
    """Learns labels from examples and gives a probability for each.

    Attributes
    ----------
    form
        Which form of inputs it takes.
    stops_early
        Whether validation data can tell it when to stop.
    calibration_fits
        How many more fits a temperature is worth, each without another third of the sessions;
        0 if it needs none.
    workers
        What several fits at once must be spread over.
    classes
        The labels, sorted; the columns of `predict_proba`.
    curves
        One row per epoch of training (epoch, loss, validation_loss, accuracy,
        validation_accuracy); empty if it is not trained in epochs.
    best_epochs
        How many epochs the weights that answer were trained; 0 if it is not trained in epochs.
    """

    form: Form
    stops_early: bool
    calibration_fits: int
    workers: Literal["processes", "threads"]
    classes: list[str]
    curves: list[dict[str, float]]
    best_epochs: int

    def fit(self, training: Labelled, validation: Labelled | None = None) -> Self:
        """Learn from training data and its copies; validation data tell when to stop."""

    def predict_proba(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probability of each class, shape (examples, classes)."""

    def save(self, folder: Path) -> None:
        """Write the fitted classifier, without pickle, byte-identical for identical fits."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
