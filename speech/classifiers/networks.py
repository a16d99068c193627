"""The neural networks of Keras: a multilayer perceptron and a convolutional network.

Keras on TensorFlow is imported when a network is built, not before: it takes seconds, and the
other classifiers do without.
"""

import json
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from speech.classifiers.protocol import Labelled
from speech.errors import UserError
from speech.examples import Form
from speech.params import Cnn, Mlp, Training

if TYPE_CHECKING:
    import keras

_DESCRIPTION, _WEIGHTS = "network.json", "weights.safetensors"
_STD_FLOOR = 1e-6
_PREDICTION_BATCH = 512


class _Shared(NamedTuple):
    """A compiled network, its variables (weights, moments, states of its seeds), their values."""

    network: "keras.Model"
    variables: list[Any]
    values: list[NDArray[Any]]


_SHARED: dict[tuple, _Shared] = {}


class Network(ABC):
    """A Keras network under the protocol of `speech.classifiers.protocol.Classifier`.

    Parameters
    ----------
    settings
        Architecture and training.
    seed
        Of initialisation, shuffling and dropout.
    epochs
        Train exactly that long; None to stop early by validation loss, if there is validation data.
    """

    form: Form
    stops_early = True
    calibration_fits = 1
    workers = "processes"
    """TensorFlow's random state is one for the whole process."""
    _settings_type: ClassVar[type[Training]]

    def __init__(self, settings: Training, seed: int, epochs: int | None = None) -> None:
        self._settings = settings
        self._seed = seed
        self._epochs = epochs
        self.classes: list[str] = []
        self.curves: list[dict[str, float]] = []
        self.best_epochs = 0

    def fit(self, training: Labelled, validation: Labelled | None = None) -> Self:
        """Learn from training data until validation loss has not fallen for `patience` epochs.

        Inputs are standardised by the mean and standard deviation of the training data. Classes
        weigh equally, however many examples they have. The weights of the best epoch are kept.
        """
        keras = _keras()
        self.classes = sorted(set(training.labels.tolist()))
        axes = tuple(range(training.inputs.ndim - 1))
        self._mean = training.inputs.mean(axis=axes, dtype=np.float64).astype(np.float32)
        std = training.inputs.std(axis=axes, dtype=np.float64).astype(np.float32)
        self._std = np.maximum(std, _STD_FLOOR)
        self._shape = training.inputs.shape[1:]
        network = self._untrained()
        callbacks = []
        stops_early = self._epochs is None and validation is not None
        if stops_early:
            callbacks.append(
                keras.callbacks.EarlyStopping(
                    "val_loss", patience=self._settings.patience, restore_best_weights=True
                )
            )
        targets = self._targets(training.labels)
        history = network.fit(
            self._standardise(training.inputs),
            targets,
            sample_weight=_balanced_weights(targets),
            validation_data=(
                None
                if validation is None
                else (self._standardise(validation.inputs), self._targets(validation.labels))
            ),
            batch_size=self._settings.batch_size,
            epochs=self._epochs or self._settings.epochs,
            callbacks=callbacks,
            verbose=0,
        ).history
        self._weights = network.get_weights()
        self.curves = _curves(history)
        self.best_epochs = (
            int(np.argmin(history["val_loss"])) + 1 if stops_early else len(self.curves)
        )
        return self

    def predict_proba(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probability of each class, shape (examples, classes)."""
        return self._with_weights().predict(
            self._standardise(inputs), batch_size=_PREDICTION_BATCH, verbose=0
        )

    def save(self, folder: Path) -> None:
        """Write architecture as JSON and weights as safetensors: a .keras file holds its date."""
        folder.mkdir(parents=True, exist_ok=True)
        description = {
            "classes": self.classes,
            "shape": list(self._shape),
            "seed": self._seed,
            "settings": self._settings.model_dump(),
        }
        (folder / _DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n", "utf-8")
        weights = {f"{number:03d}": w for number, w in enumerate(self._weights)}
        save_file({"mean": self._mean, "std": self._std, **weights}, folder / _WEIGHTS)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        UserError
            If a file is missing or does not fit the other.
        """
        try:
            description = json.loads((folder / _DESCRIPTION).read_text("utf-8"))
            weights = load_file(folder / _WEIGHTS)
            network = cls(cls._settings_type(**description["settings"]), description["seed"])
            network.classes = description["classes"]
            network._shape = tuple(description["shape"])
            network._mean, network._std = weights.pop("mean"), weights.pop("std")
            network._weights = [weights[name] for name in sorted(weights)]
            network._with_weights()
        except (OSError, KeyError, ValueError, TypeError, SafetensorError):
            raise UserError(
                f"{folder}: no network of this project, or damaged; run `dvc repro` to fit it."
            ) from None
        return network

    @property
    def frames(self) -> int:
        """How many frames an example has, if it is one of frames."""
        return self._shape[0]

    def _untrained(self) -> "keras.Model":
        """Return the network as it was built, whatever it has been trained on since."""
        shared = self._shared()
        for variable, value in zip(shared.variables, shared.values, strict=True):
            variable.assign(value)
        _keras().utils.set_random_seed(self._seed)
        return shared.network

    def _with_weights(self) -> "keras.Model":
        """Return the network with what this classifier has learnt."""
        network = self._shared().network
        network.set_weights(self._weights)
        return network

    def _shared(self) -> "_Shared":
        """Build and compile the network, once per process for all folds.

        TensorFlow spends more time on tracing a small network than on training it.
        """
        key = (type(self), self._settings.model_dump_json(), self._shape, len(self.classes))
        key += (self._seed,)
        if key not in _SHARED:
            keras = _keras()
            keras.utils.set_random_seed(self._seed)
            network = self._build()
            optimizer = keras.optimizers.AdamW(
                self._settings.learning_rate, weight_decay=self._settings.weight_decay
            )
            optimizer.build(network.trainable_variables)
            network.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
            variables = [*network.variables, *optimizer.variables]
            _SHARED[key] = _Shared(network, variables, [v.numpy() for v in variables])
        return _SHARED[key]

    @abstractmethod
    def _build(self) -> "keras.Model":
        """Build the untrained network for inputs of `_shape` and the known classes."""

    def _standardise(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        return (inputs - self._mean) / self._std

    def _targets(self, labels: NDArray[np.str_]) -> NDArray[np.int64]:
        return np.searchsorted(np.asarray(self.classes), labels)


class MlpModel(Network):
    """Multilayer perceptron on pooled features."""

    form: Form = "pooled"
    _settings_type = Mlp
    _settings: Mlp

    def _build(self) -> "keras.Model":
        layers = _keras().layers
        stack: list[Any] = [layers.Input(self._shape)]
        for units in self._settings.hidden:
            stack += [
                layers.Dense(units, use_bias=False),
                layers.BatchNormalization(),
                layers.ReLU(),
                layers.Dropout(self._settings.dropout),
            ]
        stack.append(layers.Dense(len(self.classes), activation="softmax"))
        return _keras().Sequential(stack)


class CnnModel(Network):
    """Convolutional network over frames, pooled by mean and maximum over time."""

    form: Form = "frames"
    _settings_type = Cnn
    _settings: Cnn

    def _build(self) -> "keras.Model":
        layers = _keras().layers
        inputs = hidden = layers.Input(self._shape)
        for number, channels in enumerate(self._settings.channels):
            if number:
                hidden = layers.MaxPooling1D(2, padding="same")(hidden)
            hidden = layers.Conv1D(channels, self._settings.kernel, padding="same", use_bias=False)(
                hidden
            )
            hidden = layers.ReLU()(layers.BatchNormalization()(hidden))
        pooled = layers.Concatenate()(
            [layers.GlobalAveragePooling1D()(hidden), layers.GlobalMaxPooling1D()(hidden)]
        )
        pooled = layers.Dropout(self._settings.dropout)(pooled)
        outputs = layers.Dense(len(self.classes), activation="softmax")(pooled)
        return _keras().Model(inputs, outputs)


def _balanced_weights(targets: NDArray[np.int64]) -> NDArray[np.float32]:
    counts = np.bincount(targets)
    return (len(targets) / (len(counts) * counts))[targets].astype(np.float32)


def _curves(history: dict[str, list[float]]) -> list[dict[str, float]]:
    columns = {
        "loss": "loss",
        "val_loss": "validation_loss",
        "accuracy": "accuracy",
        "val_accuracy": "validation_accuracy",
    }
    return [
        {"epoch": epoch + 1}
        | {new: float(history[old][epoch]) for old, new in columns.items() if old in history}
        for epoch in range(len(history["loss"]))
    ]


@contextmanager
def _muted_stderr() -> Iterator[None]:
    """Drop what native code writes to stderr.

    TensorFlow's C++ parts tell at import which processor they found, whatever the log level.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@cache
def _keras() -> Any:
    """Import Keras on TensorFlow: quiet, deterministic, on one thread per process."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    with _muted_stderr():
        import keras
        import tensorflow

    tensorflow.get_logger().setLevel("ERROR")
    tensorflow.config.threading.set_intra_op_parallelism_threads(1)
    tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    tensorflow.config.experimental.enable_op_determinism()
    return keras
