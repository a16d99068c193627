"""The neural networks of Keras: a multilayer perceptron and a convolutional network.

Keras on TensorFlow is imported when a network is trained or used, not before: it takes seconds.

The loop over epochs is our own: `keras.Model.fit` took a third more time on batches this small
(2,460 examples a second by ``train_on_batch``, 1,860 by ``fit``, the CNN on one thread).
"""

import json
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from safetensors import SafetensorError
from safetensors.numpy import save_file

from speech.classifiers.protocol import Form, Labelled
from speech.errors import UserError
from speech.storage.files import write_json
from speech.storage.sealed import load_arrays

if TYPE_CHECKING:
    import keras

Dropout = Annotated[float, Field(ge=0, lt=1)]
Decay = Literal["none", "cosine"]
ValidationFraction = Annotated[float, Field(gt=0, le=0.5)]
LearningRate = Annotated[float, Field(gt=0, le=10)]
WeightDecay = Annotated[float, Field(ge=0, le=10)]
Width = Annotated[int, Field(ge=1, le=4096)]
Count = Annotated[int, Field(ge=1, le=100_000)]

_DESCRIPTION, _WEIGHTS = "network.json", "weights.safetensors"
_STD_FLOOR = 1e-6
_AT_ONCE = 512
"""How many examples are standardised and predicted at a time."""
_LEAST = 1e-7
"""Lower bound of probabilities in the loss, as in Keras."""
_Batch = tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]


class _Compiled(NamedTuple):
    """A compiled network, its variables (weights, moments, states of its seeds), their values."""

    network: "keras.Model"
    variables: list[Any]
    values: list[NDArray[Any]]


class Network(ABC):
    """A Keras network under the protocol of `speech.classifiers.protocol.Classifier`.

    A network is compiled once and set back at each fit, because TensorFlow takes longer to trace
    a small network than to train it. Shallow copies share the compiled network: each keeps its own
    weights, and puts them in before it predicts.

    Parameters
    ----------
    seed
        Of initialisation, shuffling and dropout.
    architecture
        Keyword arguments of the subclass.
    learning_rate, decay, weight_decay, batch_size, epochs
        Of the training by AdamW; the learning rate stays, or falls along half a cosine.
    patience
        Epochs without a lower validation loss after which training stops; None for never.
    """

    form: Form
    trains_in_epochs = True
    calibration_fits = 1
    workers = "processes"
    """TensorFlow's random state is one for the whole process."""

    def __init__(
        self,
        *,
        seed: int,
        architecture: dict[str, Any],
        learning_rate: float,
        decay: Decay,
        weight_decay: float,
        batch_size: int,
        epochs: int,
        patience: int | None,
    ) -> None:
        self._seed = seed
        self._architecture = architecture
        self._learning_rate = learning_rate
        self._decay = decay
        self._weight_decay = weight_decay
        self._batch_size = batch_size
        self._epochs = epochs
        self.patience = patience
        self.classes: list[str] = []
        self.curves: list[dict[str, float]] = []
        self.best_epochs = 0
        self._weights: list[NDArray[Any]] = []
        self._shape: tuple[int, ...] = ()
        self._scratch: dict[tuple, _Compiled] = {}

    def fit(
        self, training: Labelled, validation: Labelled | None = None, epochs: int | None = None
    ) -> Self:
        """Learn from training data, for all epochs or until validation loss stops falling.

        Inputs are standardised by the mean and standard deviation of the training data and its
        copies. Classes weigh equally, however many examples they have. The weights of the best
        epoch are kept where patience is limited, else those of the last.

        Parameters
        ----------
        training, validation
            Examples.
        epochs
            Train exactly that long.

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
        stops_early = epochs is None and validation is not None and self.patience is not None
        self.curves, self.best_epochs, lowest = [], 0, np.inf
        for epoch, batches in enumerate(self._batches(sources, targets, epochs), start=1):
            network.optimizer.learning_rate = self._rate(epoch, epochs)
            row = {"epoch": epoch, **_train(network, batches)}
            if validation is not None:
                row |= self._validate(network, validation)
            self.curves.append(row)
            # The first is kept in any case: a loss may be no number from the start.
            if epoch == 1 or not stops_early or row["validation_loss"] < lowest:
                self.best_epochs, lowest = epoch, row.get("validation_loss", lowest)
                self._weights = network.get_weights()
            elif epoch - self.best_epochs == self.patience:
                break
        return self

    def predict_proba(self, inputs: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the probability of each class, shape (examples, classes)."""
        return self._predict(self._trained(), inputs)

    def save(self, folder: Path) -> None:
        """Write architecture as JSON and weights as safetensors: a .keras file holds its date."""
        folder.mkdir(parents=True, exist_ok=True)
        description = {
            "classes": self.classes,
            "shape": list(self._shape),
            "architecture": self._architecture,
        }
        write_json(folder / _DESCRIPTION, description)
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
            weights = load_arrays(folder / _WEIGHTS)
            network = cls(**description["architecture"])
            network.classes = description["classes"]
            network._shape = tuple(description["shape"])
            network._mean, network._std = weights.pop("mean"), weights.pop("std")
            network._weights = [weights[name] for name in sorted(weights)]
            network._trained()
        except (OSError, KeyError, ValueError, TypeError, SafetensorError):
            raise UserError(
                f"{folder}: no network of this project, or damaged; run `dvc repro` to fit it."
            ) from None
        return network

    def __copy__(self) -> Self:
        """Share the compiled network, which `__getstate__` would leave behind."""
        other = object.__new__(type(self))
        vars(other).update(vars(self))
        return other

    def __getstate__(self) -> dict[str, Any]:
        """Leave the compiled network behind: it belongs to its process."""
        return vars(self) | {"_scratch": {}}

    @property
    def frames(self) -> int:
        """How many frames an example has, if it is one of frames."""
        return self._shape[0]

    @abstractmethod
    def _build(self) -> "keras.Model":
        """Build the untrained network for inputs of `_shape` and the known classes."""

    def _untrained(self) -> "keras.Model":
        """Return the network as it was built, whatever it has been trained on since."""
        compiled = self._compiled()
        if compiled.network.train_function is None:
            self._trace(compiled.network)
        for variable, value in zip(compiled.variables, compiled.values, strict=True):
            variable.assign(value)
        _keras().utils.set_random_seed(self._seed)
        return compiled.network

    def _trace(self, network: "keras.Model") -> None:
        """Train on one example, then on two: from the second size on, one trace serves all.

        A trace for one size of batches rounds otherwise than one for any size, so that results
        would depend on what the network was trained on before.
        """
        for size in (1, 2):
            inputs = np.zeros((size, *self._shape), dtype=np.float32)
            network.train_on_batch(inputs, np.zeros(size, np.int64), np.ones(size, np.float32))

    def _trained(self) -> "keras.Model":
        """Return the network with the weights that this classifier has learnt."""
        network = self._compiled().network
        network.set_weights(self._weights)
        return network

    def _compiled(self) -> _Compiled:
        key = (*self._shape, len(self.classes))
        if key not in self._scratch:
            keras = _keras()
            keras.utils.set_random_seed(self._seed)
            network = self._build()
            optimizer = keras.optimizers.AdamW(self._learning_rate, weight_decay=self._weight_decay)
            optimizer.build(network.trainable_variables)
            network.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
            variables = [*network.variables, *optimizer.variables]
            values = [variable.numpy() for variable in variables]
            self._scratch[key] = _Compiled(network, variables, values)
        return self._scratch[key]

    def _batches(
        self, sources: list[NDArray[np.floating]], targets: NDArray[np.int64], epochs: int | None
    ) -> Iterator[Iterator[_Batch]]:
        """Yield the batches of each epoch: inputs, targets and weights, shuffled anew.

        Of the training data, only batches are copied.
        """
        random = np.random.default_rng(self._seed)
        weights = _balanced_weights(targets)
        count, size = len(targets), self._batch_size

        def batch(chosen: NDArray[np.int64]) -> _Batch:
            source, example = np.divmod(chosen, count)
            inputs = np.stack([sources[s][e] for s, e in zip(source, example, strict=True)])
            return self._standardise(inputs), targets[example], weights[example]

        for _ in range(epochs or self._epochs):
            order = random.permutation(len(sources) * count)
            yield (batch(order[start : start + size]) for start in range(0, len(order), size))

    def _rate(self, epoch: int, epochs: int | None) -> float:
        if self._decay == "none":
            return self._learning_rate
        # A network that trains fewer epochs than it could goes the same way down, not all of it.
        longest = max(self._epochs, epochs or 0)
        return self._learning_rate * (1 + np.cos(np.pi * (epoch - 1) / longest)) / 2

    def _validate(self, network: "keras.Model", validation: Labelled) -> dict[str, float]:
        probabilities = self._predict(network, validation.inputs)
        targets = self._targets(validation.labels)
        true = np.maximum(probabilities[np.arange(len(targets)), targets], _LEAST)
        return {
            "validation_loss": float(-np.log(true).mean(dtype=np.float64)),
            "validation_accuracy": float((probabilities.argmax(axis=1) == targets).mean()),
        }

    def _predict(self, network: "keras.Model", inputs: NDArray[np.floating]) -> NDArray[np.float32]:
        return np.concatenate(
            [network(self._standardise(part), training=False).numpy() for part in _parts(inputs)]
        )

    def _standardise(self, inputs: NDArray[np.floating]) -> NDArray[np.float32]:
        return (inputs - self._mean) / self._std

    def _targets(self, labels: NDArray[np.str_]) -> NDArray[np.int64]:
        return np.searchsorted(np.asarray(self.classes), labels)


class MlpModel(Network):
    """Multilayer perceptron on pooled features."""

    form: Form = "pooled"

    def __init__(
        self,
        *,
        hidden: Annotated[Sequence[Width], Field(min_length=1, max_length=10)] = (128, 64),
        dropout: Dropout = 0.4,
        learning_rate: LearningRate = 0.003,
        decay: Decay = "none",
        weight_decay: WeightDecay = 0.0001,
        batch_size: Count = 128,
        epochs: Count = 30,
        patience: Count | None = 5,
        validation_fraction: ValidationFraction = 0.2,
        seed: int = 0,
    ) -> None:
        self.validation_fraction = validation_fraction
        super().__init__(
            seed=seed,
            architecture={"hidden": list(hidden), "dropout": dropout},
            learning_rate=learning_rate,
            decay=decay,
            weight_decay=weight_decay,
            batch_size=batch_size,
            epochs=epochs,
            patience=patience,
        )

    def _build(self) -> "keras.Model":
        layers = _keras().layers
        stack: list[Any] = [layers.Input(self._shape)]
        for units in self._architecture["hidden"]:
            stack += [
                layers.Dense(units, use_bias=False),
                layers.BatchNormalization(),
                layers.ReLU(),
                layers.Dropout(self._architecture["dropout"]),
            ]
        stack.append(layers.Dense(len(self.classes), activation="softmax"))
        return _keras().Sequential(stack)


class CnnModel(Network):
    """Convolutional network over frames, pooled by mean and maximum over time."""

    form: Form = "frames"

    def __init__(
        self,
        *,
        channels: Annotated[Sequence[Width], Field(min_length=1, max_length=5)] = (
            32,
            64,
            96,
        ),
        kernel: Annotated[int, Field(ge=1, le=31)] = 5,
        dropout: Dropout = 0.4,
        learning_rate: LearningRate = 0.003,
        decay: Decay = "cosine",
        weight_decay: WeightDecay = 0.0001,
        batch_size: Count = 64,
        epochs: Count = 12,
        patience: Count | None = None,
        validation_fraction: ValidationFraction = 0.2,
        seed: int = 0,
    ) -> None:
        self.validation_fraction = validation_fraction
        super().__init__(
            seed=seed,
            architecture={"channels": list(channels), "kernel": kernel, "dropout": dropout},
            learning_rate=learning_rate,
            decay=decay,
            weight_decay=weight_decay,
            batch_size=batch_size,
            epochs=epochs,
            patience=patience,
        )

    def _build(self) -> "keras.Model":
        layers = _keras().layers
        kernel = self._architecture["kernel"]
        inputs = hidden = layers.Input(self._shape)
        for number, channels in enumerate(self._architecture["channels"]):
            if number:
                hidden = layers.MaxPooling1D(2, padding="same")(hidden)
            hidden = layers.Conv1D(channels, kernel, padding="same", use_bias=False)(hidden)
            hidden = layers.ReLU()(layers.BatchNormalization()(hidden))
        pooled = layers.Concatenate()(
            [layers.GlobalAveragePooling1D()(hidden), layers.GlobalMaxPooling1D()(hidden)]
        )
        pooled = layers.Dropout(self._architecture["dropout"])(pooled)
        outputs = layers.Dense(len(self.classes), activation="softmax")(pooled)
        return _keras().Model(inputs, outputs)


def _moments(
    sources: list[NDArray[np.floating]],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the mean and standard deviation of each column, a part of the examples at a time."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler()
    for source in sources:
        for part in _parts(source):
            scaler.partial_fit(part.reshape(-1, part.shape[-1]).astype(np.float64))
    std = np.sqrt(scaler.var_).astype(np.float32)
    return scaler.mean_.astype(np.float32), np.maximum(std, _STD_FLOOR)


def _parts(examples: NDArray[np.floating]) -> list[NDArray[np.floating]]:
    """Cut examples into views of so few that another copy of them takes little memory."""
    return np.array_split(examples, len(examples) // _AT_ONCE + 1)


def _balanced_weights(targets: NDArray[np.int64]) -> NDArray[np.float32]:
    counts = np.bincount(targets)
    return (len(targets) / (len(counts) * counts))[targets].astype(np.float32)


def _train(network: "keras.Model", batches: Iterator[_Batch]) -> dict[str, float]:
    """Train one epoch; return the means over it."""
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

    TensorFlow's C++ parts report at import which processor they found, whatever the log level.
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
