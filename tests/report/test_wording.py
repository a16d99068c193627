"""How the page writes numbers and names."""

from typing import get_args

import pytest

from speech.params import Features, ModelName
from speech.report import wording


def scores(value, low, high):
    return {"accuracy": value, "accuracy_low": low, "accuracy_high": high}


def test_shares_are_percent_with_their_interval():
    assert wording.percent(0.9714) == "97.1 %"
    assert wording.interval(scores(0.9714, 0.946, 0.992), "accuracy") == "97.1 % [94.6, 99.2]"


@pytest.mark.parametrize("value", [None, float("nan")])
def test_what_is_not_defined_is_a_dash(value):
    assert wording.percent(value) == wording.number(value) == wording.UNKNOWN
    assert wording.interval(scores(0.5, value, 0.6), "accuracy") == "50.0 %"


def test_numbers_have_a_true_minus():
    assert wording.number(-1234.5, 1) == f"{wording.MINUS}1,234.5"


def test_things_are_counted_and_listed_as_in_a_sentence():
    assert wording.plural(1, "woman", "women") == "1 woman"
    assert wording.plural(1313, "utterance") == "1,313 utterances"
    assert wording.listed(["a"]) == "a"
    assert wording.listed(["a", "b", "c"]) == "a, b and c"


def test_every_model_and_feature_has_a_name_and_an_unknown_one_keeps_its_own():
    assert set(wording.MODELS) <= {*get_args(ModelName), "best"}
    assert wording.system("bayes · mfcc") == "bayes · MFCC"
    assert set(get_args(Features)) == set(wording.FEATURES)
    assert wording.system("svm · mfcc_pitch") == "SVM · MFCC + pitch"
    assert wording.system("forest · lpc") == "forest · lpc"
