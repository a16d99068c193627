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
from sklearn.preprocessing import StandardScaler

from speech.classifiers.protocol import Labelled
from speech.errors import UserError
from speech.features.examples import Form
from speech.params import Cnn, Mlp, Training

if TYPE_CHECKING:
    import keras

_DESCRIPTION, _WEIGHTS = "network.json", "weights.safetensors"
_STD_FLOOR = 1e-6
_AT_ONCE = 512
"""How many examples are copied at a time, and answered."""
_LEAST = 1e-7
"""Of probability, as Keras has it: none has an infinite loss."""
_Batch = tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]


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
        Train exactly that long; None to stop early by validation loss, if there is validation data
        and patience has an end.
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
        """Learn from training data, for all epochs or until `patience` with validation loss ends.

        Inputs are standardised by the mean and standard deviation of the training data and its
        copies. Classes weigh equally, however many examples they have. The learning rate stays,
        or falls along half a cosine [1]_. The weights of the best epoch are kept where patience is
        limited, else those of the last.

        References
        ----------
        .. [1] Loshchilov, I. and Hutter, F., "SGDR: stochastic gradient descent with warm
           restarts", ICLR 2017.
        """
        self.classes = sorted(set(training.labels.tolist()))
        sources = [training.inputs, *training.copies]
        self._mean, self._std = _moments(sources)
        self._shape = training.inputs.shape[1:]
        network = self._untrained()
        targets = self._targets(training.labels)
        patience = self._settings.patience
        stops_early = self._epochs is None and validation is not None and patience is not None
        self.curves, self.best_epochs, lowest = [], 0, np.inf
        for epoch, batches in enumerate(self._epochs_of(sources, targets), start=1):
            network.optimizer.learning_rate = self._learning_rate(epoch)
            row = {"epoch": epoch, **_learn(network, batches)}
            if validation is not None:
                row |= self._judge(network, validation)
            self.curves.append(row)
            # The first is kept in any case: a loss may be no number from the start.
            if epoch == 1 or not stops_early or row["validation_loss"] < lowest:
                self.best_epochs, lowest = epoch, row.get("validation_loss", lowest)
                self._weights = network.get_weights()
            elif epoch - self.best_epochs == patience:
                break
        return self

    def predict_proba(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probability of each class, shape (examples, classes)."""
        return self._answers(self._with_weights(), inputs)

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

    def _epochs_of(
        self, sources: list[NDArray[np.float32]], targets: NDArray[np.int64]
    ) -> Iterator[Iterator[_Batch]]:
        """Yield the batches of each epoch: inputs, targets and weights, shuffled anew.

        Of what is learnt from, batches alone are copied.
        """
        random = np.random.default_rng(self._seed)
        weights = _balanced_weights(targets)
        count, size = len(targets), self._settings.batch_size

        def batch(chosen: NDArray[np.int64]) -> _Batch:
            source, example = np.divmod(chosen, count)
            inputs = np.stack([sources[s][e] for s, e in zip(source, example, strict=True)])
            return self._standardise(inputs), targets[example], weights[example]

        for _ in range(self._epochs or self._settings.epochs):
            order = random.permutation(len(sources) * count)
            yield (batch(order[start : start + size]) for start in range(0, len(order), size))

    def _learning_rate(self, epoch: int) -> float:
        if self._settings.decay == "none":
            return self._settings.learning_rate
        # A network that trains fewer epochs than it could goes the same way down, not all of it.
        epochs = max(self._settings.epochs, self._epochs or 0)
        return self._settings.learning_rate * (1 + np.cos(np.pi * (epoch - 1) / epochs)) / 2

    def _judge(self, network: "keras.Model", validation: Labelled) -> dict[str, float]:
        probabilities = self._answers(network, validation.inputs)
        targets = self._targets(validation.labels)
        true = np.maximum(probabilities[np.arange(len(targets)), targets], _LEAST)
        return {
            "validation_loss": float(-np.log(true).mean(dtype=np.float64)),
            "validation_accuracy": float((probabilities.argmax(axis=1) == targets).mean()),
        }

    def _answers(self, network: "keras.Model", inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.concatenate(
            [network(self._standardise(part), training=False).numpy() for part in _parts(inputs)]
        )

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


def _moments(
    sources: list[NDArray[np.float32]],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Give the mean and standard deviation of each column, a part of the examples at a time."""
    scaler = StandardScaler()
    for source in sources:
        for part in _parts(source):
            scaler.partial_fit(part.reshape(-1, part.shape[-1]))
    std = np.sqrt(scaler.var_).astype(np.float32)
    return scaler.mean_.astype(np.float32), np.maximum(std, _STD_FLOOR)


def _parts(examples: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Cut examples into views of so few that another copy of them takes little memory."""
    return np.array_split(examples, len(examples) // _AT_ONCE + 1)


def _balanced_weights(targets: NDArray[np.int64]) -> NDArray[np.float32]:
    counts = np.bincount(targets)
    return (len(targets) / (len(counts) * counts))[targets].astype(np.float32)


def _learn(network: "keras.Model", batches: Iterator[_Batch]) -> dict[str, float]:
    """Train one epoch; give the means over it."""
    logs, sizes = [], []
    for batch in batches:
        logs.append(network.train_on_batch(*batch, return_dict=True))
        sizes.append(len(batch[0]))
    return {
        name: float(np.average([log[name] for log in logs], weights=sizes))
        for name in ("loss", "accuracy")
    }


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
