"""Linear discriminant analysis: what it does that the other classifiers do not."""

import numpy as np
import pytest
from made_examples import examples_of

from speech.classifiers.classical import LdaModel
from speech.errors import UserError


def test_a_label_with_few_examples_is_as_likely_as_one_with_many():
    random = np.random.default_rng(0)
    many, few = random.normal(-1, 1, size=(900, 5)), random.normal(1, 1, size=(20, 5))
    training = examples_of(np.concatenate([many, few]), ["a"] * 900 + ["b"] * 20)
    between = np.zeros((1, 5), dtype=np.float32)
    even, _ = LdaModel().fit(training).predict_proba(between)[0]
    assert 0.3 < even < 0.7


def test_a_single_chunk_of_each_label_is_too_little():
    with pytest.raises(UserError, match=r"^models: lda needs a label with two chunks .*\.$"):
        LdaModel().fit(examples_of(np.eye(3), ["a", "b", "c"]))
