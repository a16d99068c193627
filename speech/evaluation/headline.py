"""Which model is the headline of a task, and how good each model is: a file beside the models."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
import pandas as pd

from speech.errors import UserError
from speech.params import Features, ModelName, Task
from speech.storage.results import named_with_ends, rounded
from speech.storage.sealed import read_sealed, write_sealed

_FORMAT = 2
_REMEDY = "copy the folder of models anew, or run `dvc repro` to make it"

Score = tuple[float, float, float]
"""Value and the lower and upper end of its 95 % interval over speakers."""


class Headline(NamedTuple):
    """What `models/<task>-headline.json` says.

    Attributes
    ----------
    model, features
        The headline.
    corpus, encoder
        What the models were trained on, and which wav2vec 2.0 embeds for them: a name, or the last
        part of a path.
    scores
        Of every model that was compared, by ``<features>-<model>``, and there by the score's name:
        value, lower and upper end.
    """

    model: ModelName
    features: Features
    corpus: str
    encoder: str
    scores: Mapping[str, Mapping[str, Score]]


def headline_of(
    model: ModelName,
    features: Features,
    models: pd.DataFrame,
    scores: pd.DataFrame,
    *,
    corpus: str | Sequence[str],
    encoder: str,
) -> Headline:
    """Say which model is the headline, and how good it and all others are.

    Parameters
    ----------
    model, features
        The headline: which model is kept.
    models
        features, model, level, score, value, low and high of every system.
    scores
        Of the headline, likewise. Where the model was picked among several they are those of the
        whole selection: its own would be optimistic.
    corpus, encoder
        What the models were trained on, and what embeds for them; of a path the last part is
        written: the rest says where on whose disk it lies.
    """
    compared = models.groupby(["features", "model"], sort=False)
    tables = {"-".join(map(str, names)): own for names, own in compared}
    tables[f"{features}-{model}"] = scores
    by_system = {
        system: {
            f"{row.level} {row.score}": (row.value, row.low, row.high)
            for row in own[own["score"].isin(["accuracy", "log_loss"])].itertuples()
        }
        for system, own in tables.items()
    }
    corpora = [corpus] if isinstance(corpus, str) else corpus
    trained_on = ", ".join(Path(place).name for place in corpora)
    embedder = Path(encoder).name if encoder.startswith((".", "/")) else encoder
    return Headline(model, features, trained_on, embedder, rounded(by_system))


def headline_file(models: Path, task: Task) -> Path:
    """Return where a task's headline is named."""
    return models / f"{task}-headline.json"


def model_folder(models: Path, task: Task, features: Features, model: ModelName) -> Path:
    """Return where a model lies."""
    return models / f"{task}-{features}" / model


def write_headline(models: Path, task: Task, headline: Headline) -> None:
    """Write which model is a task's headline, and how good all models are.

    Parameters
    ----------
    models
        The folder of all models.
    task
        Of which task.
    headline
        What to write.
    """
    folder = model_folder(models, task, headline.features, headline.model)
    place = folder.relative_to(models).as_posix()
    content = {"task": task, "folder": place, **headline._asdict()}
    write_sealed(headline_file(models, task), _FORMAT, content)


def with_printed(systems: Sequence[Mapping[str, Any]], headline: Headline) -> list[dict[str, Any]]:
    """Put beside what models got on other recordings what was printed of them.

    Parameters
    ----------
    systems
        Of each model ``features``, ``model`` and scores.
    headline
        Of the task.

    Returns
    -------
    list of dict
        The same with ``headline`` (whether it is), ``printed``, ``printed_low`` and
        ``printed_high``: accuracy out of fold, with its interval; NaN where it is not known.
    """
    rows = []
    for system in systems:
        name = {key: system[key] for key in ("model", "features")}
        scores = headline.scores.get(f"{system['features']}-{system['model']}", {})
        printed = named_with_ends("printed", scores.get("utterance accuracy", (np.nan,) * 3))
        is_headline = name == {"model": headline.model, "features": headline.features}
        # First what it is, as in every table of models.
        rows.append({**name, "headline": is_headline, **printed, **system})
    return rows


def trained_tasks(models: Path) -> list[Task]:
    """Name the tasks that models were trained for: those whose headline was not left empty."""
    return [task for task in get_args(Task) if not _is_left_out(headline_file(models, task))]


def _is_left_out(path: Path) -> bool:
    # The first bytes only: what is there may be anything, without an end.
    with suppress(OSError), path.open("rb") as file:
        return file.read(8).strip() == b"{}"
    return False


def require_trained(models: Path, task: Task) -> None:
    """Refuse a task that was not asked for when the models were trained.

    Raises
    ------
    UserError
        If its headline was left empty.
    """
    if _is_left_out(headline_file(models, task)):
        raise UserError(
            f"{models}: has no model for {task}, because only {', '.join(trained_tasks(models))} "
            f"was asked for in training; ask for that, or add {task} to tasks in params.yaml and "
            "run `dvc repro`."
        )


def read_headline(models: Path, task: Task) -> Headline:
    """Read what `write_headline` wrote.

    Raises
    ------
    UserError
        If it is missing, of another version, changed, or names no model of this project; or if
        models of this task were not asked for.
    """
    require_trained(models, task)
    path = headline_file(models, task)
    content: dict[str, Any] = read_sealed(path, _FORMAT, _REMEDY)
    try:
        headline = Headline(**{name: content[name] for name in Headline._fields})
    except KeyError as error:
        raise UserError(f"{path}: has no key {error.args[0]}; {_REMEDY}.") from None
    if headline.model not in get_args(ModelName) or headline.features not in get_args(Features):
        raise UserError(f"{path}: names a model that this version does not have; {_REMEDY}.")
    return headline
