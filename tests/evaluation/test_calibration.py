"""Confidence against accuracy: the definitions of Guo et al. (2017), on tables of known truth."""

import numpy as np
import pandas as pd
import pytest

from speech.evaluation.calibration import (
    BINS,
    calibration_error_by_chance,
    expected_calibration_error,
    reliability,
)

RESAMPLING = {"resamples": 200, "seed": 1000}  # other draws than those of the predictions


def uniform(random, rows):
    return random.uniform(0.5, 1, rows)


def predictions(draw=uniform, right=lambda confidence: confidence, rows=200, seed=0):
    """Make up rows whose confidences are drawn, and that are right with the given chance."""
    random = np.random.default_rng(seed)
    speaker = np.repeat(np.arange(10), rows)
    label = np.array(["F", "M"])[speaker % 2]
    confidence = np.broadcast_to(draw(random, len(label)), len(label))
    correct = random.random(len(label)) < right(confidence)
    women = np.where((label == "F") == correct, confidence, 1 - confidence)
    columns = {"speaker_id": speaker.astype(str), "label": label, "p_F": women, "p_M": 1 - women}
    return pd.DataFrame(columns)


def error(table):
    return expected_calibration_error(reliability(table, "gender", **RESAMPLING))


def test_the_error_is_that_of_a_loop_over_the_bins_and_each_row_is_in_one():
    table = predictions(right=lambda confidence: confidence**2)
    confidence = table[["p_F", "p_M"]].max(axis=1).to_numpy()
    correct = (table["p_F"] > table["p_M"]) == (table["label"] == "F")
    total = 0.0
    for number in range(BINS):
        inside = (confidence > number / BINS) & (confidence <= (number + 1) / BINS)
        if inside.any():
            total += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    assert error(table) == pytest.approx(total, abs=1e-12)
    bins = reliability(table, "gender", **RESAMPLING)
    assert bins["rows"].sum() == len(table)
    assert bins["confidence"].between((bins["bin"] - 1) / BINS, bins["bin"] / BINS).all()
    assert bins["value"].between(bins["low"], bins["high"]).all()


@pytest.mark.parametrize("certain", [0.5, 1.0])
def test_both_ends_of_the_scale_have_a_bin(certain):
    bins = reliability(predictions(lambda *_: certain), "gender", **RESAMPLING)
    assert bins["bin"].tolist() == [np.ceil(certain * BINS)]
    assert bins["rows"].tolist() == [2000]


def test_a_last_bit_moves_nothing_to_another_bin():
    edge = 12 / BINS
    confidence = np.resize([edge, np.nextafter(edge, 1), np.nextafter(edge, 0)], 2000)
    table = predictions(lambda *_: confidence)
    assert len(reliability(table, "gender", **RESAMPLING)) == 1


def test_a_calibrated_system_has_the_error_that_chance_gives_it():
    tables = [predictions(rows=20, seed=seed) for seed in range(40)]
    by_chance = calibration_error_by_chance(tables[0], **RESAMPLING)
    assert by_chance == pytest.approx(np.mean([error(table) for table in tables]), rel=0.1)
    # Chance gives less error to more predictions, and none to certain ones.
    of_many = calibration_error_by_chance(predictions(rows=2000), **RESAMPLING)
    assert of_many == pytest.approx(by_chance / 10, rel=0.15)
    assert calibration_error_by_chance(predictions(lambda *_: 1.0), **RESAMPLING) == 0
