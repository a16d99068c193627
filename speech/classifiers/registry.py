"""Classifiers by name: which there are, how to keep and load a fitted one.

A new classifier is a class with keyword arguments, a line here, and a block of its name in
params.yaml.
"""

from pathlib import Path
from typing import Any

from speech.classifiers.calibrated import Calibrated
from speech.classifiers.classical import DummyBaseline, LdaModel, LogisticModel, SvmModel
from speech.classifiers.networks import CnnModel, MlpModel
from speech.errors import UserError
from speech.storage.files import replacing_folder
from speech.storage.sealed import digests_of, read_sealed, write_sealed

CLASSIFIERS: dict[str, type[Any]] = {
    "dummy": DummyBaseline,
    "logistic": LogisticModel,
    "svm": SvmModel,
    "lda": LdaModel,
    "mlp": MlpModel,
    "cnn": CnnModel,
}

_CARD = "model.json"
_FORMAT = 6
_REMEDY = "copy the model anew, or run `dvc repro` to fit it"


def save_classifier(folder: Path, classifier: Calibrated, card: dict[str, Any]) -> None:
    """Write a classifier and its card.

    Parameters
    ----------
    folder
        Made or replaced.
    classifier
        Fitted.
    card
        What a user of the model needs to know, JSON-serialisable; must hold ``model``, the
        classifier's name.
    """
    with replacing_folder(folder) as unfinished:
        classifier.save(unfinished)
        own = {"classes": classifier.classes, "files": _digests(unfinished)}
        write_sealed(unfinished / _CARD, _FORMAT, {**card, **own})


def read_card(folder: Path) -> dict[str, Any]:
    """Read the card of a saved model, without loading the model.

    Raises
    ------
    UserError
        If the folder holds no model of this project, one of another format, or files that are
        not those the model was saved with.
    """
    card = read_sealed(folder / _CARD, _FORMAT, _REMEDY)
    if card.get("model") not in list(CLASSIFIERS):
        raise UserError(f"{folder}: holds a model of an unknown kind; {_REMEDY}.")
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
    return Calibrated.load(folder, CLASSIFIERS[card["model"]]), card


def _digests(folder: Path) -> dict[str, str]:
    """Digest every file but the card: damage is noticed before anything is built from it."""
    digests = digests_of(folder, _REMEDY)
    digests.pop(_CARD, None)
    return digests
