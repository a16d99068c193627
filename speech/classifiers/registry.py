"""Classifiers by name: how to build one from params, and how to load a saved one."""

import hashlib
import json
from pathlib import Path
from typing import Any, get_args

from speech.classifiers.calibrated import Calibrated
from speech.classifiers.classical import DummyBaseline, LdaModel, LogisticModel, SvmModel
from speech.classifiers.networks import CnnModel, MlpModel
from speech.classifiers.protocol import Classifier
from speech.errors import UserError
from speech.params import ModelName, Params

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
_FORMAT = 3


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
    text = json.dumps(
        {"format": _FORMAT, **card, "classes": classifier.classes, "files": _digests(folder)},
        indent=2,
    )
    (folder / _CARD).write_text(text + "\n", "utf-8")


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
        If the folder holds no model of this project, one of another format, or files that are
        not those the model was saved with.
    """
    try:
        card = json.loads((folder / _CARD).read_text("utf-8"))
        known = card["format"] == _FORMAT and card["model"] in _CLASSES
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{folder}: holds no model; run `dvc repro` to fit one.") from None
    if not known:
        raise UserError(
            f"{folder}: holds a model of another version of this project; fit it again."
        )
    if card.get("files") != _digests(folder):
        raise UserError(
            f"{folder}: its files are not those that the model was saved with; copy it anew, or "
            "run `dvc repro` to fit it."
        )
    return Calibrated.load(folder, _CLASSES[card["model"]]), card


def _digests(folder: Path) -> dict[str, str]:
    """Digest every file but the card: damage is noticed before anything is built from it."""
    return {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.iterdir())
        if file.name != _CARD
    }
