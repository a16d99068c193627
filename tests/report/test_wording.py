"""How the page writes numbers and names."""

from typing import get_args

import pytest

from speech.params import Features, ModelName
from speech.report import wording


def test_numbers_ranges_and_agreements_are_written_as_in_a_sentence():
    assert wording.number(-1234.5, 1) == f"{wording.MINUS}1,234.5"
    assert wording.plural(1313, "utterance") == "1,313 utterances"
    assert wording.ranged([5, 4, 6]) == "4 to 6"
    assert wording.ranged([5, 5]) == "5"
    assert [wording.agreement(rand) for rand in (1, 0.8, 0.5, 0.2, -0.1)] == [
        *("almost match", "almost match", "largely match", "partly match", "hardly match")
    ]
    assert wording.listed(["a"]) == "a"


@pytest.mark.parametrize("value", [None, float("nan")])
def test_what_is_not_defined_is_a_dash(value):
    assert wording.percent(value) == wording.number(value) == wording.NOTHING
    scores = {"accuracy": 0.5, "accuracy_low": value, "accuracy_high": 0.6}
    assert wording.interval(scores, "accuracy") == "50.0 %"


def test_every_model_and_feature_has_a_name_and_an_unknown_one_keeps_its_own():
    assert set(wording.MODELS) <= {*get_args(ModelName), "best"}
    assert wording.system("bayes · mfcc") == "bayes · MFCC"
    assert set(get_args(Features)) == set(wording.FEATURES)
    assert wording.system("svm · mfcc_pitch") == "SVM · MFCC + pitch"
    assert wording.system("forest · lpc") == "forest · lpc"
