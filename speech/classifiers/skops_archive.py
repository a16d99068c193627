"""scikit-learn estimators in skops archives that are byte-identical for identical estimators."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from sklearn.base import BaseEstimator

from speech.errors import UserError

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest date a zip entry can carry."""

_SCHEMA = "schema.json"

_TRUSTED = [
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._TemperatureScaling",
]
"""Types of scikit-learn itself that skops does not know to be harmless."""


def write_estimator(path: Path, estimator: BaseEstimator) -> None:
    """Write an estimator.

    skops names objects by their address in memory and stamps entries with the time; both differ
    from run to run, so the archive is rewritten with numbers in order of appearance and a fixed
    date.

    Parameters
    ----------
    path
        The archive.
    estimator
        A fitted estimator.
    """
    import skops.io  # slow to import, as it looks at all of torch

    raw = zipfile.ZipFile(io.BytesIO(skops.io.dumps(estimator)))
    schema = json.loads(raw.read(_SCHEMA))
    names: dict[str, str] = {}
    schema = _renumber(schema, {}, names)
    with zipfile.ZipFile(path, "w") as archive:
        for old, new in names.items():
            archive.writestr(_entry(new), raw.read(old))
        archive.writestr(_entry(_SCHEMA), json.dumps(schema, indent=2))


def read_estimator(path: Path) -> BaseEstimator:
    """Read an estimator; only types of the known kinds are ever built.

    Raises
    ------
    UserError
        If the file is missing, damaged, or holds a type that is not trusted.
    """
    import skops.io  # slow to import, as it looks at all of torch

    try:
        estimator = skops.io.load(path, trusted=_TRUSTED)
        if not isinstance(estimator, BaseEstimator):
            raise TypeError(f"it holds a {type(estimator).__name__}")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run `dvc repro` to fit the model.") from None
    except Exception as error:  # skops raises many kinds for a damaged or hostile archive
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"{path}: not a model of this project ({reason}); fit it again.") from None
    return estimator


def _renumber(node: Any, ids: dict[int, int], names: dict[str, str]) -> Any:
    if isinstance(node, list):
        return [_renumber(item, ids, names) for item in node]
    if not isinstance(node, dict):
        return node
    renumbered = {}
    for key, value in node.items():
        if key == "__id__":
            renumbered[key] = ids.setdefault(value, len(ids))
        elif key == "file" and isinstance(value, str):
            suffix = Path(value).suffix
            renumbered[key] = names.setdefault(value, f"{len(names)}{suffix}")
        else:
            renumbered[key] = _renumber(value, ids, names)
    return renumbered


def _entry(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name, date_time=_EPOCH)
