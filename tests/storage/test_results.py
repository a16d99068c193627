"""Metrics have four significant digits, plots six, and nothing undefined is a number."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from speech.storage.results import write_metrics, write_plot


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
