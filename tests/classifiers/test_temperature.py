"""The temperature that is learnt is the one that was put in, and it changes no prediction."""

import numpy as np
import pytest
from scipy.special import softmax

from speech.classifiers.temperature import at_temperature, fit_temperature

CLASSES = 4


def predictions(utterances, chunks, *, temperature, seed=0):
    """Draw true classes from known logits of utterances, and multiply the logits by a factor."""
    random = np.random.default_rng(seed)
    known = random.normal(scale=2, size=(utterances, CLASSES))
    truth = [random.choice(CLASSES, p=p) for p in softmax(known, axis=1)]
    # The chunks' logarithms scatter about what is known and average to it.
    scatter = random.normal(size=(utterances, chunks, CLASSES))
    scatter -= scatter.mean(axis=1, keepdims=True)
    probabilities = softmax(temperature * (known[:, None] + scatter), axis=2)
    names = np.repeat(np.arange(utterances).astype(str), chunks)
    return probabilities.reshape(-1, CLASSES), np.repeat(truth, chunks), names


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
@pytest.mark.parametrize("chunks", [1, 5])
def test_the_factor_by_which_logits_of_utterances_are_too_large_is_learnt(temperature, chunks):
    probabilities, truth, names = predictions(4000, chunks, temperature=temperature)
    found = fit_temperature(probabilities, truth, names)
    assert found == pytest.approx(temperature, rel=0.08)


def test_where_every_prediction_is_right_confidence_stays_below_the_rule_of_succession():
    truth = np.arange(20) % 2
    right = np.where(truth[:, None] == [0, 1], 0.9, 0.1)
    temperature = fit_temperature(right, truth, np.arange(20).astype(str))
    assert 0.9 < at_temperature(right, temperature).max() == pytest.approx(21 / 22, abs=1e-3)


def test_random_predictions_become_undecided():
    random = np.random.default_rng(0)
    probabilities = softmax(random.normal(scale=3, size=(2000, CLASSES)), axis=1)
    truth = random.integers(CLASSES, size=2000)
    temperature = fit_temperature(probabilities, truth, np.arange(2000).astype(str))
    assert at_temperature(probabilities, temperature).max() < 0.5


def test_no_temperature_changes_which_class_is_most_probable():
    probabilities, _, _ = predictions(200, 1, temperature=1.0)
    for temperature in (0.1, 1.0, 8.0):
        tempered = at_temperature(probabilities, temperature)
        assert (tempered.argmax(axis=1) == probabilities.argmax(axis=1)).all()
        np.testing.assert_allclose(tempered.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(at_temperature(probabilities, 1.0), probabilities, rtol=1e-5)


def test_a_probability_of_zero_stays_possible():
    certain = np.array([[1, 0], [0, 1], [1, 0]], dtype=np.float32)
    temperature = fit_temperature(certain, np.array([0, 1, 1]), np.array(["a", "b", "c"]))
    tempered = at_temperature(certain, temperature)
    assert np.isfinite(tempered).all()
    assert 0 < tempered[2, 1] < 0.5
