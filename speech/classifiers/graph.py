"""A Keras network as functions of its weights, so that many fits share one graph of TensorFlow.

`keras.Model.fit` traces its graph anew for every fit, which takes longer than to train a small
network, and spends milliseconds on every batch. Here a graph trains on many batches at a time and
holds no weights (`keras.Model.stateless_call`), so that fits in several threads do not disturb
each other.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import keras

Variables = list[Any]
"""Arrays or tensors."""

_FIRST_DECAY, _SECOND_DECAY, _EPSILON = 0.9, 0.999, 1e-7
"""Of AdamW, as in Keras."""


class State(NamedTuple):
    """All that changes in training.

    Attributes
    ----------
    weights
        What is trained.
    others
        Moving moments of batch normalisation, and the states of random numbers.
    moments
        Of AdamW: how many steps it took, then two of each weight's gradient.
    """

    weights: Variables
    others: Variables
    moments: Variables


class Graph(NamedTuple):
    """A network and its training as functions.

    Attributes
    ----------
    initial
        The state before training.
    train
        From a state, inputs, targets, the weights of examples, the first example of each batch and
        their count, the learning rate of each batch and the decay of weights to the next state,
        the sum of the examples' losses and how many of them were predicted correctly.
    predict
        From weights, others and inputs to probabilities.
    """

    initial: State
    train: Callable[..., Any]
    predict: Callable[..., Any]


def graph_of(network: "keras.Model") -> Graph:
    """Return the functions of a network that ends in a softmax over classes.

    They are traced for examples of any number when first called.
    """
    import keras
    import tensorflow as tf

    weights = [variable.numpy() for variable in network.trainable_variables]
    others = [variable.numpy() for variable in network.non_trainable_variables]
    zeros = [np.zeros_like(weight) for weight in weights for _ in range(2)]
    initial = State(weights, others, [np.float32(0), *zeros])
    state = [[tf.TensorSpec(value.shape, value.dtype) for value in part] for part in initial]
    examples, numbers = tf.TensorSpec([None, *network.input_shape[1:]]), tf.TensorSpec([None])
    positions = tf.TensorSpec([None], tf.int64)
    signature = [*state, examples, positions, numbers, positions, numbers, tf.TensorSpec([])]

    @tf.function(input_signature=signature)
    def train(
        weights: Variables,
        others: Variables,
        moments: Variables,
        inputs: Any,
        targets: Any,
        importance: Any,
        firsts: Any,
        rates: Any,
        decay: Any,
    ) -> tuple[Variables, Variables, Variables, Any, Any]:
        losses = correct = tf.constant(0.0)
        for number in tf.range(tf.size(rates)):
            batch = slice(firsts[number], firsts[number + 1])
            with tf.GradientTape() as tape:
                tape.watch(weights)
                probabilities, others = network.stateless_call(
                    weights, others, inputs[batch], training=True
                )
                each = keras.losses.sparse_categorical_crossentropy(targets[batch], probabilities)
                loss = tf.reduce_mean(each * importance[batch])
            gradients = tape.gradient(loss, weights)
            weights, moments = adamw(weights, moments, gradients, rates[number], decay)
            right = tf.equal(tf.argmax(probabilities, axis=1), targets[batch])
            losses += tf.reduce_sum(each * importance[batch])
            correct += tf.reduce_sum(tf.cast(right, tf.float32))
        return weights, others, moments, losses, correct

    @tf.function(input_signature=[*state[:2], examples])
    def predict(weights: Variables, others: Variables, inputs: Any) -> Any:
        return network.stateless_call(weights, others, inputs, training=False)[0]

    return Graph(initial, train, predict)


def adamw(
    weights: Variables, moments: Variables, gradients: Variables, rate: Any, decay: Any
) -> tuple[Variables, Variables]:
    """Take one step of AdamW [1]_; Keras' own changes variables, and here there are none.

    Parameters
    ----------
    weights, moments, gradients
        Tensors; moments as in `State`.
    rate, decay
        The learning rate, and the decay of weights.

    Returns
    -------
    weights, moments : list of tensors
        After the step.

    References
    ----------
    .. [1] Loshchilov, I. and Hutter, F., "Decoupled weight decay regularization", ICLR 2019.
    """
    step = moments[0] + 1
    corrected = rate * (1 - _SECOND_DECAY**step) ** 0.5 / (1 - _FIRST_DECAY**step)
    updated, following = [], [step]
    for weight, first, second, gradient in zip(
        weights, moments[1::2], moments[2::2], gradients, strict=True
    ):
        mean = first + (1 - _FIRST_DECAY) * (gradient - first)
        square = second + (1 - _SECOND_DECAY) * (gradient**2 - second)
        decayed = weight * (1 - rate * decay)
        updated.append(decayed - corrected * mean / (square**0.5 + _EPSILON))
        following += [mean, square]
    return updated, following


@cache
def import_keras() -> Any:
    """Import Keras on TensorFlow: quiet, deterministic, each operation on one thread."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    with _muted_stderr():
        import keras
        import tensorflow

    tensorflow.get_logger().setLevel("ERROR")
    tensorflow.config.threading.set_intra_op_parallelism_threads(1)
    tensorflow.config.experimental.enable_op_determinism()
    return keras


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
