"""How the page says numbers and names."""

import re
from pathlib import Path
from typing import get_args

import pytest

from speech.params import Features, ModelName
from speech.report import wording

TEMPLATES = Path(__file__).parents[2] / ".dvc/plots"


def test_shares_are_percent_with_their_interval():
    assert wording.percent(0.9714) == "97.1 %"
    assert wording.interval(0.9714, 0.946, 0.992) == "97.1 % [94.6, 99.2]"


@pytest.mark.parametrize("value", [None, float("nan")])
def test_what_is_not_defined_is_a_dash(value):
    assert wording.percent(value) == wording.number(value) == wording.UNKNOWN
    assert wording.interval(0.5, value, 0.6) == "50.0 %"


def test_numbers_have_a_true_minus_and_changes_their_sign():
    assert wording.number(-1234.5, 1) == f"{wording.MINUS}1,234.5"
    assert wording.signed(2.05, 1) == "+2.0"
    assert wording.signed(-2.0, 1) == f"{wording.MINUS}2.0"


def test_things_are_counted_and_listed_as_in_a_sentence():
    assert wording.plural(1, "woman", "women") == "1 woman"
    assert wording.plural(1313, "utterance") == "1,313 utterances"
    assert wording.listed(["a"]) == "a"
    assert wording.listed(["a", "b", "c"]) == "a, b and c"


def test_a_model_or_feature_without_a_name_here_keeps_its_own():
    assert wording.system("svm · mfcc_pitch") == "SVM · MFCC + pitch"
    assert wording.system("forest · lpc") == "forest · lpc"


def test_every_model_and_feature_has_a_name_a_reader_knows():
    models = set(get_args(ModelName))
    assert models <= set(wording.MODELS)
    assert models == set(wording.SHORT_MODELS)
    assert set(get_args(Features)) == set(wording.FEATURES)


@pytest.mark.parametrize("template", ["intervals", "roc"])
def test_dvcs_plots_name_every_model_too(template):
    text = (TEMPLATES / f"{template}.json").read_text("utf-8")
    (named,) = re.findall(r"\{(dummy: .*?)\}", text)
    assert set(re.findall(r"(\w+):", named)) == set(get_args(ModelName))
