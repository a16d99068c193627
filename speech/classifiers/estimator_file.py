"""scikit-learn estimators as JSON and safetensors: nothing in them can run, equal ones are equal.

skops does the same for every estimator there is, at the price of importing torch, which takes
longer than fitting, and of archives that differ from run to run.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from speech.errors import UserError
from speech.storage.arrays import write_arrays
from speech.storage.files import write_json
from speech.storage.sealed import load_arrays

_TREE, _ARRAYS = "estimator.json", "estimator.safetensors"

_SEQUENCES: dict[str, type[list[Any]] | type[tuple[Any, ...]]] = {"list": list, "tuple": tuple}


def write_estimator(folder: Path, estimator: BaseEstimator) -> None:
    """Write a fitted estimator.

    Parameters
    ----------
    folder
        Gets estimator.json, the estimator's attributes, and estimator.safetensors, its arrays.
    estimator
        Of scikit-learn, or a pipeline of such.

    Raises
    ------
    TypeError
        If it holds anything else.
    """
    arrays: dict[str, NDArray[Any]] = {}
    taken = _taken_apart(estimator, arrays, _types_of(estimator))
    tree = {"scikit-learn": sklearn.__version__, "estimator": taken}
    write_json(folder / _TREE, tree)
    write_arrays(folder / _ARRAYS, arrays)


def read_estimator(folder: Path, template: BaseEstimator) -> BaseEstimator:
    """Read an estimator of the types of another one; no others are ever built.

    Parameters
    ----------
    folder
        Where `write_estimator` wrote it.
    template
        An unfitted estimator of the same classes.

    Raises
    ------
    UserError
        If it is of another version of scikit-learn.
    OSError, SafetensorError, ValueError, TypeError, LookupError, AttributeError
        If a file is missing or damaged, or names another type.
    """
    tree = json.loads((folder / _TREE).read_text("utf-8"))
    made_with = tree["scikit-learn"]
    if made_with == sklearn.__version__:
        return _put_together(tree["estimator"], load_arrays(folder / _ARRAYS), _types_of(template))
    raise UserError(
        f"{folder}: was made with scikit-learn {made_with}, this is {sklearn.__version__}; "
        "install that version or fit the model again."
    )


def _types_of(estimator: BaseEstimator) -> dict[str, type]:
    """Name the classes of an estimator and, if it is a pipeline, of its steps."""
    steps = [step for _, step in estimator.steps] if isinstance(estimator, Pipeline) else []
    return {type(part).__name__: type(part) for part in (estimator, *steps)}


def _taken_apart(value: Any, arrays: dict[str, NDArray[Any]], types: dict[str, type]) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind == "U":
        return {"strings": value.tolist()}
    if isinstance(value, np.ndarray):
        name = f"{len(arrays):03d}"
        arrays[name] = value
        return {"array": name}
    for kind, built_in in _SEQUENCES.items():
        if isinstance(value, built_in):
            return {kind: [_taken_apart(item, arrays, types) for item in value]}
    name = type(value).__name__
    if types.get(name) is not type(value):
        raise TypeError(f"a {type(value).__qualname__} cannot be kept in a model's file")
    state = {key: _taken_apart(item, arrays, types) for key, item in vars(value).items()}
    return {"type": name, "attributes": state}


def _put_together(node: Any, arrays: dict[str, NDArray[Any]], types: dict[str, type]) -> Any:
    if not isinstance(node, dict):
        return node
    if "strings" in node:
        return np.array(node["strings"], dtype=str)
    if "array" in node:
        return arrays[node["array"]]
    for kind, built_in in _SEQUENCES.items():
        if kind in node:
            return built_in(_put_together(item, arrays, types) for item in node[kind])
    built: Any = object.__new__(types[node["type"]])
    vars(built).update(
        {key: _put_together(item, arrays, types) for key, item in node["attributes"].items()}
    )
    return built
