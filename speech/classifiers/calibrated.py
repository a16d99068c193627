"""A classifier with a temperature learnt on held-out training sessions.

The probabilities that a classifier gives for its own training data are too high, and so are those
for other utterances of a training session. So the temperature is learnt from predictions of whole
sessions of the training data that were held out: validation data, if there are any, else those of
further fits that leave sessions out. Only labels with two or more sessions can have one left out;
the others do not count for the temperature. If no label has two, whole utterances are left out
instead, and `Calibrated.calibrated_on` says so.
"""

import json
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors import SafetensorError

from speech.classifiers.protocol import Classifier
from speech.classifiers.temperature import at_temperature, fit_temperature
from speech.errors import UserError
from speech.storage.examples import Examples, Form, draw_utterances
from speech.storage.files import write_json

HeldOut = Literal["sessions", "utterances", "nothing"]

_FILE = "temperature.json"
_PARTS = 3

_MOST_CHUNKS = 10_000
"""Of a held-out part, from which the temperature is learnt; more would change little."""


_UNREADABLE = (
    *(AttributeError, LookupError, OSError, SafetensorError, TypeError, ValueError),
    # Its JSON is nested too deep, or it describes what no machine can hold.
    *(MemoryError, RecursionError),
)
"""What is raised where the files of a model are missing, damaged or do not fit together."""


@dataclass(frozen=True)
class Calibrated:
    """A fitted classifier and its temperature.

    Attributes
    ----------
    classifier
        By itself.
    temperature
        Above 1, the probabilities of the classifier by itself are too high; below 1, too low.
    calibrated_on
        What the temperature was learnt from: held-out ``sessions``, held-out ``utterances`` of
        training sessions, or ``nothing``.
    """

    classifier: Classifier
    temperature: float = 1.0
    calibrated_on: HeldOut = "nothing"

    @property
    def form(self) -> Form:
        """Which form of inputs it takes."""
        return self.classifier.form

    @property
    def frames(self) -> int:
        """How many frames an example of frames has, as in training; 0 for pooled ones."""
        return getattr(self.classifier, "frames", 0)

    @property
    def classes(self) -> list[str]:
        """The labels, sorted."""
        return self.classifier.classes

    def predict_proba(self, inputs: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the probability of each class, shape (examples, classes)."""
        return at_temperature(self.classifier.predict_proba(inputs), self.temperature)

    def save(self, folder: Path) -> None:
        """Write the classifier, and the temperature beside it."""
        self.classifier.save(folder)
        write_json(folder / _FILE, {"temperature": self.temperature})

    @classmethod
    def load(cls, folder: Path, classifier_class: type[Classifier]) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        UserError
            If a file is missing or damaged.
        """
        try:
            temperature = float(json.loads((folder / _FILE).read_text("utf-8"))["temperature"])
            if not 0 < temperature < np.inf:
                raise ValueError("no temperature")
            return cls(classifier_class.load(folder), temperature)
        except _UNREADABLE:
            raise UserError(
                f"{folder}: no model of this project, or damaged; run `dvc repro` to fit it."
            ) from None


def fit_calibrated(
    classifier: Classifier, training: Examples, validation: Examples | None = None, *, seed: int = 0
) -> Calibrated:
    """Fit a classifier on all training data and copies, and its temperature on held-out sessions.

    The temperature is learnt from clean examples only, not from copies.

    Parameters
    ----------
    classifier
        Is fitted.
    training
        Examples of a task.
    validation
        Those of other sessions.
    seed
        Of the draw of sessions that are left out.
    """
    classifier.fit(training, validation)
    fits = classifier.calibration_fits
    if not fits:
        return Calibrated(classifier)
    if validation is not None:
        calibrated_on: HeldOut = "sessions"
        fitted = iter([(classifier, validation)])
    else:
        parts, calibrated_on = held_out_parts(training, seed)
        fitted = (
            (copy(classifier).fit(training[parts != part]), training[parts == part])
            for part in range(min(fits, parts.max() + 1))
        )
    if calibrated_on == "nothing":
        return Calibrated(classifier)
    held_out, predicted = [], []
    for other, examples in fitted:
        # As many whole utterances as one number can be learnt from, of all sessions.
        groups = examples.utterances, examples.sessions, examples.labels
        held_out.append(examples[draw_utterances(*groups, most=_MOST_CHUNKS, seed=seed)])
        predicted.append(other.predict_proba(held_out[-1].inputs))
    labels = np.concatenate([part.labels for part in held_out])
    utterances = np.concatenate([part.utterances for part in held_out])
    targets = np.searchsorted(np.asarray(classifier.classes), labels)
    temperature = fit_temperature(np.concatenate(predicted), targets, utterances)
    return Calibrated(classifier, temperature, calibrated_on)


def held_out_parts(training: Examples, seed: int) -> tuple[NDArray[np.int64], HeldOut]:
    """Deal the sessions of every label that has two or more to three parts.

    Parameters
    ----------
    training
        Examples of a task.
    seed
        Of the draw.

    Returns
    -------
    parts : ndarray of shape (examples,)
        0 to 2; -1 for what is never left out. A session is in one part, and every label has
        something outside of each part. Part 0 holds a session of every label that is in any.
    units : str
        What was dealt: ``sessions``; ``utterances`` if no label has two sessions; ``nothing`` if
        none has two utterances.
    """
    kinds: list[tuple[HeldOut, NDArray[np.str_]]] = [
        ("sessions", training.sessions),
        ("utterances", training.utterances),
    ]
    for kind, names in kinds:
        table = pd.DataFrame({"label": training.labels, "unit": names})
        units = table.drop_duplicates().sort_values(["label", "unit"])
        units = units[units.groupby("label")["unit"].transform("size") > 1]
        if len(units):
            shuffled = units.sample(frac=1, random_state=seed)
            part_of = shuffled.groupby("label").cumcount() % _PARTS
            part_of.index = shuffled["unit"]
            parts = table["unit"].map(part_of)
            return parts.fillna(-1).to_numpy(np.int64), kind
    return np.full(len(training), -1), "nothing"
