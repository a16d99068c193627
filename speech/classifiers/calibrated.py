"""A classifier with a temperature learnt on held-out training sessions.

The probabilities that a classifier gives for its own training data are too high, and so are those
for other utterances of a training session. So the temperature is learnt from predictions of whole
sessions of the training data that were held out: those of validation data, if they are whole
sessions, else those of further fits that leave sessions out. Only labels with two or more sessions
can have one left out; the others do not count for the temperature. If no label has two, whole
utterances are left out instead, and `Calibrated.calibrated_on` says so.
"""

import json
from copy import copy
from pathlib import Path
from typing import Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from speech.classifiers.protocol import Classifier, Form, Labelled
from speech.classifiers.temperature import at_temperature, fit_temperature
from speech.errors import UserError
from speech.storage.examples import draw_utterances
from speech.storage.files import write_json

HeldOut = Literal["sessions", "utterances", "nothing"]

_FILE = "temperature.json"
_PARTS = 3

_MOST_CHUNKS = 10_000
"""Of a held-out part, from which the temperature is learnt; more would change little."""


class Calibrated:
    """A classifier and its temperature, under `speech.classifiers.protocol.Classifier`.

    Parameters
    ----------
    classifier
        Unfitted.
    seed
        Of the draw of sessions that are left out.
    temperature
        To be used as it is; None to learn it.

    Attributes
    ----------
    temperature
        Above 1, the probabilities of the classifier by itself are too high; below 1, too low.
    calibrated_on
        What the temperature was learnt from: held-out ``sessions``, held-out ``utterances`` of
        training sessions, or ``nothing``, which is a temperature that was given, or of 1.
    """

    def __init__(
        self, classifier: Classifier, *, seed: int = 0, temperature: float | None = None
    ) -> None:
        self._classifier = classifier
        self._seed = seed
        self._given = temperature
        self.temperature = temperature or 1.0
        self.calibrated_on: HeldOut = "nothing"

    @property
    def form(self) -> Form:
        """Which form of inputs it takes."""
        return self._classifier.form

    @property
    def frames(self) -> int:
        """How many frames an example of frames has, as in training; 0 for pooled ones."""
        return getattr(self._classifier, "frames", 0)

    @property
    def classes(self) -> list[str]:
        """The labels, sorted."""
        return self._classifier.classes

    def fit(self, training: Labelled, validation: Labelled | None = None) -> Self:
        """Learn from all training data and its copies, the temperature from held-out sessions.

        The temperature is learnt from clean examples only, not from copies.
        """
        self._classifier.fit(training, validation)
        if self._given is None:
            self._learn_temperature(training, validation)
        return self

    def predict_proba(self, inputs: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the probability of each class, shape (examples, classes)."""
        return at_temperature(self._classifier.predict_proba(inputs), self.temperature)

    def save(self, folder: Path) -> None:
        """Write the classifier, and the temperature beside it."""
        self._classifier.save(folder)
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
                raise ValueError
        except (OSError, KeyError, TypeError, ValueError):
            raise UserError(
                f"{folder}: its temperature is missing or damaged; run `dvc repro` to fit it."
            ) from None
        return cls(classifier_class.load(folder), temperature=temperature)

    def _learn_temperature(self, training: Labelled, validation: Labelled | None) -> None:
        fits = self._classifier.calibration_fits
        if not fits:
            return
        if validation is not None and _without_sessions_of(training, validation):
            held_out = [self._few(validation)]
            predicted = [self._classifier.predict_proba(held_out[0].inputs)]
            self.calibrated_on = "sessions"
        else:
            parts, self.calibrated_on = held_out_parts(training, self._seed)
            if self.calibrated_on == "nothing":
                return
            held_out, predicted = [], []
            for part in range(fits):
                out = parts == part
                if out.any():
                    other = copy(self._classifier)
                    other.fit(training[~out])
                    held_out.append(self._few(training[out]))
                    predicted.append(other.predict_proba(held_out[-1].inputs))
        labels = np.concatenate([part.labels for part in held_out])
        utterances = np.concatenate([part.utterances for part in held_out])
        targets = np.searchsorted(np.asarray(self.classes), labels)
        self.temperature = fit_temperature(np.concatenate(predicted), targets, utterances)

    def _few(self, held_out: Labelled) -> Labelled:
        """Return as many whole utterances as one number can be learnt from, of all sessions."""
        groups = held_out.utterances, held_out.sessions_of_labels, held_out.labels
        return held_out[draw_utterances(*groups, most=_MOST_CHUNKS, seed=self._seed)]


def _without_sessions_of(training: Labelled, validation: Labelled) -> bool:
    return not np.isin(validation.sessions_of_labels, training.sessions_of_labels).any()


def held_out_parts(training: Labelled, seed: int) -> tuple[NDArray[np.int64], HeldOut]:
    """Deal the sessions of every label that has two or more to three parts.

    Parameters
    ----------
    training
        Examples.
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
            # A session's name need be unique among its label's only.
            shuffled = units.sample(frac=1, random_state=seed)
            dealt = shuffled.assign(part=shuffled.groupby("label").cumcount() % _PARTS)
            parts = table.merge(dealt, on=["label", "unit"], how="left")["part"]
            return parts.fillna(-1).to_numpy(np.int64), kind
    return np.full(len(training.labels), -1), "nothing"
