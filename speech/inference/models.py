"""The trained models, loaded from wherever their folder is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from operator import attrgetter
from pathlib import Path
from typing import Any, get_args

from speech.classifiers.calibrated import Calibrated
from speech.classifiers.registry import CLASSIFIERS, load_classifier
from speech.errors import UserError
from speech.evaluation.headline import Headline, model_folder, read_headline
from speech.features.checkpoint import checkpoint_digests
from speech.features.feature_spec import FeatureSpec, read_spec
from speech.params import FEATURES_OF, Features, Task

HEADLINE = "headline"
OWN_MODELS = Path("models")
"""Where a run of the pipeline leaves the user's own models."""
PRETRAINED = Path(__file__).resolve().parents[2] / "pretrained"
"""The model that comes with the project, beside the library wherever that is installed."""
ENCODER_PLACES = ("encoder", "../data/encoder")
"""Where the encoder is looked for, from the folder of the models: inside it, in the project."""


@dataclass(frozen=True)
class ChosenModel:
    """A model and what is known of it.

    Attributes
    ----------
    task, features, model
        Its name.
    classifier
        Ready to predict.
    spec
        How its features are made.
    card
        Its model.json.
    folder
        Where it lies.
    """

    task: Task
    features: Features
    model: str
    classifier: Calibrated
    spec: FeatureSpec
    card: Mapping[str, Any]
    folder: Path

    def __str__(self) -> str:
        return f"{self.task}-{self.features}-{self.model}"

    @property
    def headline(self) -> Headline:
        """Of the task: what the models were trained on, and the scores of all."""
        return read_headline(self.folder.parents[1], self.task)

    @property
    def encoder_family(self) -> str:
        """What the encoder of its features is; models that do not say it are on wav2vec 2.0."""
        return self.spec.encoder_family or "wav2vec 2.0"


def find_models(named: Path | None = None) -> Path:
    """Return the folder that is named, else that of the user's own models, else `PRETRAINED`.

    The models that come with the project go by their name, wherever this is run.
    """
    if named is not None:
        return PRETRAINED if named == Path(PRETRAINED.name) and not named.exists() else named
    own = any(any(OWN_MODELS.glob(f"{task}-*")) for task in get_args(Task))
    return OWN_MODELS if own else PRETRAINED


def is_pretrained(models: Path) -> bool:
    """Decide whether a folder of models is the one that comes with the project."""
    return models.resolve() == PRETRAINED.resolve()


def load_model(models: Path, task: Task, choice: str) -> ChosenModel:
    """Load a model of a task.

    Parameters
    ----------
    models
        The folder of all models.
    task
        Which task.
    choice
        ``<features>-<model>``, such as ``mfcc-logistic``, or `HEADLINE`.

    Raises
    ------
    UserError
        If the folder or the model is not there, is of another version, damaged or changed.
    """
    if not models.is_dir():
        raise UserError(f"{models}: no such folder; run `dvc repro`, or name the models' folder.")
    choices: dict[str, tuple[Features, str]] = {
        f"{kind}-{name}": (kind, name) for kind in FEATURES_OF[task] for name in CLASSIFIERS
    }
    if choice not in (HEADLINE, *choices):
        raise UserError(
            f"{choice}: is no model for {task}; name one of {', '.join(choices)}, or {HEADLINE}."
        )
    if choice == HEADLINE:
        headline = read_headline(models, task)
        features, model = headline.features, headline.model
    else:
        features, model = choices[choice]
    folder = model_folder(models, task, features, model)
    if not folder.is_dir():
        there = ", ".join(models_there(models, task)) or "none"
        raise UserError(f"{folder}: no such model; those there are {there}; run `dvc repro`.")
    _require_libraries(folder, features, model)
    classifier, card = load_classifier(folder)
    if (card.get("task"), card.get("features"), card["model"]) != (task, features, model):
        raise UserError(f"{folder}: holds another model than its name says; copy it anew.")
    spec = read_spec(card.get("spec"), folder)
    return ChosenModel(task, features, model, classifier, spec, card, folder)


def _require_libraries(folder: Path, features: Features, model: str) -> None:
    """Refuse a model for which more is needed than ``pip install .`` brings."""
    needed = ["tensorflow", "keras"] if CLASSIFIERS[model].trains_in_epochs else []
    needed += ["torch", "transformers"] if features == "wav2vec2" else []
    absent = [name for name in needed if find_spec(name) is None]
    if absent:
        raise UserError(
            f"{folder}: needs {' and '.join(absent)}, which the light installation does without; "
            "run `pip install -e '.[pipeline]'` in the project's folder, or choose another model."
        )


def models_there(models: Path, task: Task) -> list[str]:
    """Name the models of a task that are in a folder, as `load_model` takes them."""
    return [
        f"{kind}-{name}"
        for kind in FEATURES_OF[task]
        for name in CLASSIFIERS
        if (model_folder(models, task, kind, name) / "model.json").is_file()
    ]


def find_encoder(models: Path, chosen: ChosenModel, named: Path | None) -> Path:
    """Find the encoder of a model, and check that it is the one of training.

    Parameters
    ----------
    models
        The folder of all models.
    chosen
        A model on wav2vec 2.0.
    named
        Where the user says it is; None to look at `ENCODER_PLACES`.

    Raises
    ------
    UserError
        If it is not there, or another one is.
    """
    places = [named] if named else [models / place for place in ENCODER_PLACES]
    folder = next((place for place in places if place.is_dir()), None)
    if folder is None:
        raise UserError(
            f"{chosen.folder}: needs the {chosen.encoder_family} it was trained with "
            f"({chosen.headline.encoder}), and it is not at {places[0]}; name its folder by "
            "--encoder, or choose another model by --task or --speaker-model."
        )
    try:
        found = checkpoint_digests(folder)
    except UserError:
        # Its message is about params.yaml, which a user who was given models may not have.
        found = None
    if found is None or found != chosen.spec.encoder:
        raise UserError(
            f"{folder}: is not the {chosen.encoder_family} that {chosen} was "
            f"trained with ({chosen.headline.encoder}); name the folder of that one by --encoder."
        )
    return folder


def require_same_features(specs: Sequence[tuple[str, FeatureSpec]]) -> None:
    """Check that all models share chunks, MFCC, pitch and hidden states: each is computed once.

    Those on wav2vec 2.0 then have the same encoder and the same layer of it.

    Parameters
    ----------
    specs
        Names of models and how their features are made.

    Raises
    ------
    UserError
        If two of them differ.
    """
    for block in ("chunks", "mfcc", "pitch", "wav2vec2", "inputs.wav2vec2", "encoder"):
        settings_of = attrgetter(block)
        used = [(name, settings_of(spec)) for name, spec in specs if settings_of(spec)]
        for name, settings in used[1:]:
            if settings != used[0][1]:
                raise UserError(
                    f"{name}: was trained with other {block} than {used[0][0]}; run `dvc repro`, "
                    "or copy all models of one run."
                )
