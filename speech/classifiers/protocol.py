"""What every classifier can do, and what it is given."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from speech.errors import UserError
from speech.storage.arrays import choose_rows
from speech.storage.examples import Form, draw_in_proportion


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
            choose_rows(self.inputs, chosen),
            self.labels[chosen],
            self.utterances[chosen],
            self.sessions[chosen],
            tuple(choose_rows(copy, chosen) for copy in self.copies),
        )

    @property
    def sessions_of_labels(self) -> NDArray[np.str_]:
        """The sessions by names that are unique among all."""
        return np.char.add(np.char.add(self.labels, "/"), self.sessions)

    def with_copies(self, most: int | None = None, seed: int = 0) -> "Labelled":
        """Return the examples followed by their copies as further examples, all in memory.

        Parameters
        ----------
        most
            Of more, a sample is returned: as large a share of each session of each label, so of
            each speaker, or of each label where there are more sessions than that.
        seed
            Of the draw.

        Raises
        ------
        UserError
            If a sample of that size cannot hold two examples of some label.
        """
        versions, count = [self.inputs, *self.copies], len(self.labels)
        if most is None or len(versions) * count <= most:
            chosen = np.arange(len(versions) * count)
        elif most <= (labels := len(set(self.labels.tolist()))):
            raise UserError(
                f"max_examples is {most:,}, but there are {labels:,} labels to learn; set it "
                "higher, or to null."
            )
        else:
            groups = (np.tile(own, len(versions)) for own in (self.sessions_of_labels, self.labels))
            chosen = draw_in_proportion(*groups, most=most, seed=seed)
        version, row = np.divmod(chosen, count)
        inputs = [array[row[version == number]] for number, array in enumerate(versions)]
        return Labelled(
            np.concatenate(inputs), self.labels[row], self.utterances[row], self.sessions[row]
        )


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

    def fit(self, training: Labelled, validation: Labelled | None = None) -> Self:
        """Learn from training data and its copies.

        Parameters
        ----------
        training
            Examples.
        validation
            For curves only.
        """

    def predict_proba(self, inputs: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the probability of each class, shape (examples, classes)."""

    def save(self, folder: Path) -> None:
        """Write the fitted classifier, without pickle, byte-identical for identical fits."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
