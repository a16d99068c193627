"""The trained models, loaded from wherever their folder is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from speech.classifiers.calibrated import Calibrated
from speech.classifiers.registry import load_classifier
from speech.errors import UserError
from speech.evaluation.headline import Headline, model_folder, read_headline
from speech.features.checkpoint import checkpoint_digests
from speech.features.feature_spec import Recipe, read_recipe
from speech.params import FEATURES_OF, Features, ModelName, Task

HEADLINE = "headline"
ENCODER_PLACES = ("encoder", "../data/encoder")
"""Where the encoder is looked for, from the folder of the models: beside them, in the project."""


@dataclass(frozen=True)
class ChosenModel:
    """A model and what is known of it.

    Attributes
    ----------
    task, features, model
        Which.
    classifier
        Ready to predict.
    recipe
        What its features are made of.
    card
        As saved.
    folder
        Where it lies.
    headline
        What is said of it and all others of the task.
    """

    task: Task
    features: Features
    model: ModelName
    classifier: Calibrated
    recipe: Recipe
    card: Mapping[str, Any]
    folder: Path
    headline: Headline

    def __str__(self) -> str:
        return f"{self.task}-{self.features}-{self.model}"


def choices_of(task: Task) -> list[str]:
    """List what can be chosen for a task, as ``<features>-<model>``."""
    return [
        f"{features}-{model}" for features in FEATURES_OF[task] for model in get_args(ModelName)
    ]


def load_model(models: Path, task: Task, choice: str) -> ChosenModel:
    """Load the headline model of a task, or another one.

    Parameters
    ----------
    models
        The folder of all models.
    task
        Which task.
    choice
        One of `choices_of`, or `HEADLINE`.

    Raises
    ------
    UserError
        If the folder or the model is not there, is of another version, damaged or changed.
    """
    if not models.is_dir():
        raise UserError(f"{models}: no such folder; run `dvc repro`, or name the models' folder.")
    if choice not in (HEADLINE, *choices_of(task)):
        raise UserError(
            f"{choice}: is no model for {task}; name one of {', '.join(choices_of(task))}, or "
            f"{HEADLINE}."
        )
    headline = read_headline(models, task)
    features, model = (
        (headline.features, headline.model) if choice == HEADLINE else choice.split("-")
    )
    folder = model_folder(models, task, features, model)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such model; those there are {_listed(models, task)}.")
    classifier, card = load_classifier(folder)
    if (card.get("task"), card.get("features"), card["model"]) != (task, features, model):
        raise UserError(f"{folder}: holds another model than its name says; copy it anew.")
    recipe = read_recipe(card.get("recipe"), folder)
    return ChosenModel(task, features, model, classifier, recipe, card, folder, headline)


def find_encoder(models: Path, chosen: ChosenModel, named: Path | None) -> Path:
    """Find the wav2vec 2.0 that a model was trained with, and make sure that it is the same.

    Parameters
    ----------
    models
        The folder of all models.
    chosen
        A model on wav2vec 2.0.
    named
        Where the user says it lies; None to look for it beside the models.

    Raises
    ------
    UserError
        If it is not there, or another one is.
    """
    places = [named] if named else [models / place for place in ENCODER_PLACES]
    folder = next((place for place in places if place.is_dir()), None)
    if folder is None:
        where = f"it is not at {named}" if named else f"it is not at {models / ENCODER_PLACES[0]}"
        raise UserError(
            f"{chosen.folder}: needs the wav2vec 2.0 it was trained with "
            f"({chosen.headline.encoder}), and {where}; name its folder by --encoder, or choose "
            "another model by --task or --speaker-model."
        )
    try:
        found = checkpoint_digests(folder)
    except UserError:
        # Its sentence is about params.yaml, which who has been given models may not have.
        found = None
    if found is None or found != chosen.recipe.encoder:
        raise UserError(
            f"{folder}: is not the wav2vec 2.0 that {chosen.folder.name} was trained with "
            f"({chosen.headline.encoder}); name the folder of that one by --encoder."
        )
    return folder


def same_chunks(recipes: Sequence[tuple[str, Recipe]]) -> None:
    """Make sure that all models hear the same chunks.

    Raises
    ------
    UserError
        If two of them were trained on chunks of another length.
    """
    (first, recipe), *others = recipes
    for name, other in others:
        if other.chunks != recipe.chunks:
            raise UserError(
                f"{name}: was trained on other chunks than {first}; run `dvc repro`, or copy all "
                "models of one run."
            )


def _listed(models: Path, task: Task) -> str:
    names = [choice for choice in choices_of(task) if (models / f"{task}-{choice}").is_dir()]
    return ", ".join(names) or "none"
