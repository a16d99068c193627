"""The neural networks of Keras: a multilayer perceptron and a convolutional network.

Keras on TensorFlow is imported when a network is trained or used, not before: it takes seconds.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from random import Random
from threading import Lock
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from speech.classifiers.graph import Graph, State, Variables, graph_of, import_keras
from speech.classifiers.protocol import in_parts
from speech.storage.arrays import write_arrays
from speech.storage.examples import Examples, Form
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
_AT_ONCE = 128
"""How many examples are standardised and predicted at a time."""
_BATCHES = 8
"""How many batches are copied from the training data at a time."""
_LEAST = 1e-7
"""Lower bound of probabilities in the loss, as in Keras."""
_BUILDING = Lock()
"""So that fits in several threads build one graph between them."""


@dataclass(kw_only=True, eq=False)
class Network(ABC):
    """A Keras network under the protocol of `speech.classifiers.protocol.Classifier`.

    A subclass adds the fields of its architecture, and changes defaults.

    Parameters
    ----------
    learning_rate, decay, weight_decay, batch_size, epochs
        Of the training by AdamW; the learning rate stays, or falls along half a cosine [1]_.
    validation_fraction
        Of the training speakers, those that cross-validation holds out to calibrate on.
    seed
        Of initialisation, shuffling and dropout.

    References
    ----------
    .. [1] Loshchilov, I. and Hutter, F., "SGDR: stochastic gradient descent with warm restarts",
       ICLR 2017.
    """

    form: ClassVar[Form]
    architecture: ClassVar[tuple[str, ...]]
    """The fields that `build` uses, which are kept with the weights."""

    trains_in_epochs = True
    calibration_fits = 1

    learning_rate: LearningRate = 0.003
    decay: Decay = "cosine"
    weight_decay: WeightDecay = 0.0001
    batch_size: Count = 128
    epochs: Count = 20
    validation_fraction: ValidationFraction = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        self.classes: list[str] = []
        self.curves: list[dict[str, float]] = []
        self._shape: tuple[int, ...] = ()
        self._weights: tuple[Variables, Variables] = ([], [])

    @abstractmethod
    def build(self, shape: tuple[int, ...], classes: int) -> "keras.Model":
        """Build the untrained network, from inputs of a shape to the probabilities of classes."""

    def fit(self, training: Examples, validation: Examples | None = None) -> Self:
        """Learn from training data, for all epochs.

        Inputs are standardised by the mean and standard deviation of the training data and its
        copies. Classes weigh equally, however many examples they have.

        Parameters
        ----------
        training, validation
            Examples; those for validation are for the learning curves only.
        """
        self.classes = np.unique(training.labels).tolist()
        self._shape = training.inputs.shape[1:]
        self._mean, self._std = _moments([training.inputs, *training.copies])
        random, state = np.random.default_rng(self.seed), self._graph().initial
        self.curves = []
        for epoch in range(1, 1 + self.epochs):
            progress = (epoch - 1) / self.epochs, epoch / self.epochs
            state, logs = self._train(state, training, progress, random)
            row = {"epoch": epoch, **logs}
            if validation is not None:
                row |= self._validate(state, validation)
            self.curves.append(row)
        weights, others = ([value.numpy() for value in part] for part in state[:2])
        self._weights = weights, others
        return self

    def predict_proba(self, inputs: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the probability of each class, shape (examples, classes)."""
        return self._predict(*self._weights, inputs)

    def save(self, folder: Path) -> None:
        """Write architecture as JSON and weights as safetensors: a .keras file holds its date."""
        folder.mkdir(parents=True, exist_ok=True)
        description = {
            "classes": self.classes,
            "shape": list(self._shape),
            "architecture": self._architecture(),
        }
        write_json(folder / _DESCRIPTION, description)
        values = [*self._weights[0], *self._weights[1]]
        weights = {f"{number:03d}": value for number, value in enumerate(values)}
        write_arrays(folder / _WEIGHTS, {"mean": self._mean, "std": self._std, **weights})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        description = json.loads((folder / _DESCRIPTION).read_text("utf-8"))
        weights = load_arrays(folder / _WEIGHTS)
        network = cls(**description["architecture"])
        network.classes = description["classes"]
        network._shape = tuple(description["shape"])
        network._mean, network._std = weights.pop("mean"), weights.pop("std")
        values = [weights[name] for name in sorted(weights)]
        untrained = network._graph().initial
        expected = [*untrained.weights, *untrained.others]
        if [value.shape for value in values] != [value.shape for value in expected]:
            raise ValueError("weights of another architecture")
        trained = len(untrained.weights)
        network._weights = values[:trained], values[trained:]
        return network

    @property
    def frames(self) -> int:
        """How many frames an example has, if it is one of frames."""
        return self._shape[0]

    def _seeds(self) -> Iterator[int]:
        """Draw a seed for each layer that has random numbers.

        By itself Keras draws them from those that all threads of a process share.
        """
        drawn = Random(self.seed)
        while True:
            yield drawn.randint(1, 10**9)

    def _architecture(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.architecture}

    def _graph(self) -> Graph:
        architecture = json.dumps(self._architecture(), allow_nan=False)
        with _BUILDING:
            return _built(type(self), architecture, self._shape, len(self.classes), self.seed)

    def _train(
        self,
        state: State,
        training: Examples,
        progress: tuple[float, float],
        random: np.random.Generator,
    ) -> tuple[State, dict[str, float]]:
        """Train one epoch, which goes from one share of all training to another."""
        graph, size = self._graph(), self.batch_size
        sources, targets = [training.inputs, *training.copies], self._targets(training.labels)
        importance = _balanced_weights(targets)
        order = random.permutation(len(sources) * len(targets))
        batches = -(-len(order) // size)
        rates = np.full(batches, self.learning_rate)
        if self.decay == "cosine":
            rates *= (1 + np.cos(np.pi * np.linspace(*progress, batches, endpoint=False))) / 2
        losses = correct = 0.0
        for first in range(0, batches, _BATCHES):
            chosen = order[first * size : (first + _BATCHES) * size]
            source, example = np.divmod(chosen, len(targets))
            inputs = np.empty((len(chosen), *self._shape), np.float32)
            for number, array in enumerate(sources):
                inputs[source == number] = array[example[source == number]]
            inputs = self._standardise(inputs)
            *following, loss, right = graph.train(
                *state,
                inputs,
                targets[example],
                importance[example],
                np.append(np.arange(0, len(chosen), size), len(chosen)),
                rates[first : first + _BATCHES].astype(np.float32),
                np.float32(self.weight_decay),
            )
            state = State(*following)
            losses, correct = losses + float(loss), correct + float(right)
        return state, {"loss": losses / len(order), "accuracy": correct / len(order)}

    def _validate(self, state: State, validation: Examples) -> dict[str, float]:
        probabilities = self._predict(state.weights, state.others, validation.inputs)
        targets = self._targets(validation.labels)
        true = np.maximum(probabilities[np.arange(len(targets)), targets], _LEAST)
        return {
            "validation_loss": float(-np.log(true).mean(dtype=np.float64)),
            "validation_accuracy": float((probabilities.argmax(axis=1) == targets).mean()),
        }

    def _predict(
        self, weights: Variables, others: Variables, inputs: NDArray[np.floating]
    ) -> NDArray[np.float32]:
        predict = self._graph().predict
        parts = [
            predict(weights, others, self._standardise(part)) for part in in_parts(inputs, _AT_ONCE)
        ]
        return np.concatenate([part.numpy() for part in parts])

    def _standardise(self, inputs: NDArray[np.floating]) -> NDArray[np.float32]:
        standardised = inputs - self._mean
        standardised /= self._std
        return standardised

    def _targets(self, labels: NDArray[np.str_]) -> NDArray[np.int64]:
        return np.searchsorted(np.asarray(self.classes), labels)


@dataclass(kw_only=True, eq=False)
class MlpModel(Network):
    """Multilayer perceptron on pooled features."""

    form = "pooled"
    architecture = ("hidden", "dropout")

    hidden: Annotated[Sequence[Width], Field(min_length=1, max_length=10)] = (128, 64)
    dropout: Dropout = 0.6

    def build(self, shape: tuple[int, ...], classes: int) -> "keras.Model":
        """Build dense layers with batch normalisation."""
        from keras import Sequential, layers
        from keras.initializers import GlorotUniform

        seeds, stack = self._seeds(), [layers.Input(shape)]
        for units in self.hidden:
            stack += [
                layers.Dense(units, use_bias=False, kernel_initializer=GlorotUniform(next(seeds))),
                layers.BatchNormalization(),
                layers.ReLU(),
                layers.Dropout(self.dropout, seed=next(seeds)),
            ]
        initial = GlorotUniform(next(seeds))
        answer = layers.Dense(classes, activation="softmax", kernel_initializer=initial)
        return Sequential([*stack, answer])


@dataclass(kw_only=True, eq=False)
class CnnModel(Network):
    """Convolutional network over frames, pooled by mean and maximum over time."""

    form = "frames"
    architecture = ("channels", "kernel", "max_steps", "dropout")

    channels: Annotated[Sequence[Width], Field(min_length=1, max_length=5)] = (32, 64, 96)
    kernel: Annotated[int, Field(ge=1, le=31)] = 3
    max_steps: Annotated[int, Field(ge=1, le=10_000)] = 100
    dropout: Dropout = 0.4
    batch_size: Count = 32
    epochs: Count = 8

    def build(self, shape: tuple[int, ...], classes: int) -> "keras.Model":
        """Build convolutions; the first may skip frames, the others follow a pooling."""
        from keras import Model, layers
        from keras.initializers import GlorotUniform

        seeds = self._seeds()
        inputs = hidden = layers.Input(shape)
        for number, width in enumerate(self.channels):
            if number:
                hidden = layers.MaxPooling1D(2, padding="same")(hidden)
            stride = 1 if number else -(-shape[0] // self.max_steps)
            options = {"strides": stride, "padding": "same", "use_bias": False}
            options["kernel_initializer"] = GlorotUniform(next(seeds))
            hidden = layers.Conv1D(width, self.kernel, **options)(hidden)
            hidden = layers.ReLU()(layers.BatchNormalization()(hidden))
        pooled = layers.Concatenate()(
            [layers.GlobalAveragePooling1D()(hidden), layers.GlobalMaxPooling1D()(hidden)]
        )
        initial = GlorotUniform(next(seeds))
        pooled = layers.Dropout(self.dropout, seed=next(seeds))(pooled)
        answer = layers.Dense(classes, activation="softmax", kernel_initializer=initial)
        return Model(inputs, answer(pooled))


@lru_cache(maxsize=32)
def _built(
    kind: type[Network], architecture: str, shape: tuple[int, ...], classes: int, seed: int
) -> Graph:
    import_keras()
    return graph_of(kind(**json.loads(architecture), seed=seed).build(shape, classes))


def _moments(
    sources: Sequence[NDArray[np.floating]],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the mean and standard deviation of each column, a part of the examples at a time."""
    # Deviations from a value nearby, whose squares lose no digits where the mean is large.
    near = sources[0][:1].reshape(-1, sources[0].shape[-1]).mean(axis=0, dtype=np.float64)
    rows, sums, squares = 0, np.zeros_like(near), np.zeros_like(near)
    for part in (part for source in sources for part in in_parts(source, _AT_ONCE)):
        deviations = part.reshape(-1, part.shape[-1]) - near
        rows += len(deviations)
        sums += deviations.sum(axis=0)
        squares += np.square(deviations, out=deviations).sum(axis=0)
    variance = squares / rows - np.square(sums / rows)
    std = np.sqrt(np.maximum(variance, _STD_FLOOR**2))
    return (near + sums / rows).astype(np.float32), std.astype(np.float32)


def _balanced_weights(targets: NDArray[np.int64]) -> NDArray[np.float32]:
    counts = np.bincount(targets)
    return (len(targets) / (len(counts) * counts))[targets].astype(np.float32)
