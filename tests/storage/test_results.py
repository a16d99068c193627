"""Metrics have four significant digits, plots six, and nothing undefined is a number."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from speech.storage.results import percent, write_metrics, write_plot


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.123456789, 0.1235),
        (np.float64(1234567.8), 1235000.0),
        (np.float32(0.1), 0.1),
        (1.23456789e-12, 1.235e-12),
        (1234567, 1234567),
        ("0.123456789", "0.123456789"),
        (math.nan, None),
        (None, None),
    ],
)
def test_a_metric_keeps_four_digits_wherever_it_stands(tmp_path, value, written):
    path = tmp_path / "metrics.json"
    write_metrics(path, {"utterance": {"accuracy": {"value": value}}, "value": value})
    assert json.loads(path.read_text()) == {
        "utterance": {"accuracy": {"value": written}},
        "value": written,
    }


def test_points_keep_six_digits_and_small_ones_do_not_become_zero(tmp_path):
    path = tmp_path / "plot.csv"
    points = {"x": [1, 1234567], "p": [1.23456789e-12, math.nan], "name": ["a", None]}
    write_plot(path, pd.DataFrame(points))
    assert path.read_bytes() == b"x,p,name\n1,1.23457e-12,a\n1234567,,\n"


@pytest.mark.parametrize(
    ("score", "written"),
    [
        ((0.97125, 0.9, 1.0), "97.1 % [90.0, 100.0]"),
        ((0.5,), "50.0 %"),
        ((0.5, math.nan, math.nan), "50.0 %"),
        ((None, None, None), "\N{EN DASH}"),  # as JSON has one that is not defined
        ((math.nan,), "\N{EN DASH}"),
    ],
)
def test_a_share_is_written_in_percent_with_its_interval_if_it_has_one(score, written):
    assert percent(*score) == written
