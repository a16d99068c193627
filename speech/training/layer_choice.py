"""Which hidden state of wav2vec 2.0 each fold is given, as the probe leaves it to later stages.

With ``inputs.wav2vec2.layer: auto`` every fold has the layer that validation inside its own
training part chose, so the fold that is tested has no vote; what learns from all data has the
choice of all. With a number, that is the layer of all.
The CNN always has the layer of which a sequence is kept.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from speech.errors import UserError
from speech.folds import ALL_FOLDS
from speech.params import Params, Task

Layers = Mapping[int | str, int]
"""By fold, and for `ALL_FOLDS`."""


def layers_in_use(chosen: pd.DataFrame, task: Task, params: Params) -> pd.DataFrame:
    """Say which layer to use.

    Parameters
    ----------
    chosen
        As `speech.training.layer_probe.Probed` has it: ``fold``, ``layer``,
        ``validation_accuracy``.
    task
        For which, to be named in the error.
    params
        `inputs.wav2vec2.layer` counts.

    Returns
    -------
    DataFrame
        ``fold`` and ``layer``, one row per fold and one of `ALL_FOLDS`.

    Raises
    ------
    UserError
        If the layer is to be chosen and some training part had nothing to choose it by.
    """
    asked = params.inputs.wav2vec2.layer
    if asked == "auto" and chosen["validation_accuracy"].isna().any():
        raise UserError(
            f"params.yaml: inputs.wav2vec2.layer is auto, but for {task} there is too little "
            "speech to validate a choice on; name a layer, or add recordings."
        )
    layer = chosen["layer"] if asked == "auto" else asked
    return chosen[["fold"]].assign(layer=layer)


def read_layers(path: Path, folds: Iterable[int]) -> Layers:
    """Read what `layers_in_use` said.

    Parameters
    ----------
    path
        The table.
    folds
        Of the task: the layers must have been chosen for just these.

    Raises
    ------
    UserError
        If the file is missing, is no such table, or one of other folds.
    """
    try:
        table = pd.read_csv(path, dtype={"fold": str, "layer": int})
        layers = dict(zip(table["fold"], table["layer"].tolist(), strict=True))
        of_all = {ALL_FOLDS: layers.pop(ALL_FOLDS)}
        of_folds = {int(fold): layer for fold, layer in layers.items()}
        if set(of_folds) != set(folds):
            raise ValueError
    except (OSError, ValueError, KeyError):
        raise UserError(
            f"{path}: missing, damaged or of other folds; run `dvc repro` to choose the layers "
            "again."
        ) from None
    return of_all | of_folds


def by_layer(layers: Layers) -> dict[int, list[int | str]]:
    """Group the folds by their layer; the layer of `ALL_FOLDS` comes last."""
    last = layers[ALL_FOLDS]
    ordered = sorted(set(layers.values()), key=lambda layer: (layer == last, layer))
    return {
        layer: [fold for fold, own in layers.items() if own == layer and fold != ALL_FOLDS]
        for layer in ordered
    }


def with_unchosen_layer(params: Params) -> Params:
    """Return params under which examples of wav2vec 2.0 are of a layer that no label chose.

    For what has no folds of its own to choose by: that of the sequence, unless the user named one.
    """
    asked = params.inputs.wav2vec2.layer
    return with_layer(params, params.wav2vec2.sequence_layer if asked == "auto" else asked)


def with_layer(params: Params, layer: int) -> Params:
    """Return params under which examples of wav2vec 2.0 are of one layer."""
    wav2vec2 = params.inputs.wav2vec2.model_copy(update={"layer": layer})
    inputs = params.inputs.model_copy(update={"wav2vec2": wav2vec2})
    return params.model_copy(update={"inputs": inputs})
