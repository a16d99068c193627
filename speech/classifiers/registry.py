"""Classifiers by name: how to build one from params, and how to load a saved one."""

import hashlib
from pathlib import Path
from typing import Any, get_args

from speech.classifiers.calibrated import Calibrated
from speech.classifiers.classical import DummyBaseline, LdaModel, LogisticModel, SvmModel
from speech.classifiers.networks import CnnModel, MlpModel
from speech.classifiers.protocol import Classifier
from speech.errors import UserError
from speech.params import ModelName, Params
from speech.storage.sealed import read_sealed, write_sealed

_CLASSES: dict[str, Any] = {
    "dummy": DummyBaseline,
    "logistic": LogisticModel,
    "svm": SvmModel,
    "lda": LdaModel,
    "mlp": MlpModel,
    "cnn": CnnModel,
}
assert set(_CLASSES) == set(get_args(ModelName))

_CARD = "model.json"
_FORMAT = 4
_REMEDY = "copy the model anew, or run `dvc repro` to fit it"


def classifier_class(name: ModelName) -> type[Classifier]:
    """Return the class behind a name, to ask for its form before building one."""
    return _CLASSES[name]


def build_classifier(
    name: ModelName,
    params: Params,
    seed: int,
    epochs: int | None = None,
    temperature: float | None = None,
) -> Calibrated:
    """Build an unfitted classifier.

    Parameters
    ----------
    name
        Which.
    params
        Its block of hyperparameters is taken from there.
    seed
        Of everything random in it.
    epochs
        For networks: train exactly that long.
    temperature
        Of its probabilities; None to learn it from held-out sessions.
    """
    chosen = _CLASSES[name]
    settings = getattr(params, name)

    def build(epochs: int | None) -> Classifier:
        return chosen(settings, seed, epochs) if chosen.stops_early else chosen(settings, seed)

    return Calibrated(build, seed, epochs, temperature)


def save_classifier(folder: Path, classifier: Calibrated, card: dict[str, Any]) -> None:
    """Write a classifier and what is to be known about it.

    Parameters
    ----------
    folder
        Made if it is not there.
    classifier
        Fitted.
    card
        JSON-serialisable; must hold ``model``, the classifier's name.
    """
    classifier.save(folder)
    known = {"classes": classifier.classes, "files": _digests(folder)}
    write_sealed(folder / _CARD, _FORMAT, {**card, **known})


def read_card(folder: Path) -> dict[str, Any]:
    """Read what is to be known about a saved model, without loading it.

    Raises
    ------
    UserError
        If the folder holds no model of this project, one of another format, or files that are
        not those the model was saved with.
    """
    card = read_sealed(folder / _CARD, _FORMAT, _REMEDY)
    if card.get("model") not in list(_CLASSES):
        raise UserError(f"{folder}: holds no model of a kind known here; {_REMEDY}.")
    if card.get("files") != _digests(folder):
        raise UserError(
            f"{folder}: its files are not those that the model was saved with; {_REMEDY}."
        )
    return card


def load_classifier(folder: Path) -> tuple[Calibrated, dict[str, Any]]:
    """Read what `save_classifier` wrote.

    Returns
    -------
    Calibrated
        Ready to predict.
    dict
        Its card.

    Raises
    ------
    UserError
        As `read_card`, or if the files do not fit together.
    """
    card = read_card(folder)
    return Calibrated.load(folder, _CLASSES[card["model"]]), card


def _digests(folder: Path) -> dict[str, str]:
    """Digest every file but the card: damage is noticed before anything is built from it."""
    return {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.iterdir())
        if file.name != _CARD
    }
