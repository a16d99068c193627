"""Tables of predictions: their classes and probabilities, and how chunks become utterances."""

import numpy as np
import pandas as pd

from speech.storage.predictions import (
    classes_of,
    predicted_classes,
    probabilities_of,
    utterance_level,
)


def test_classes_are_in_the_order_of_their_columns():
    table = pd.DataFrame({"label": ["a"], "p_b": [0.2], "fold": [0], "p_p_a": [0.8]})
    assert classes_of(table) == ["b", "p_a"]


def test_probabilities_are_scaled_to_sum_to_one():
    table = pd.DataFrame({"p_F": [0.2, 0.6], "p_M": [0.8, 1.4]})
    np.testing.assert_allclose(probabilities_of(table), [[0.2, 0.8], [0.3, 0.7]])


def test_of_equal_probabilities_the_first_class_is_predicted():
    assert predicted_classes(pd.DataFrame({"p_F": [0.5], "p_M": [0.5]})) == ["F"]


def chunks_of(utterance, label, women):
    rows = [(utterance, label, "3", 0, label, p, 1 - p) for p in women]
    columns = ["utterance_id", "speaker_id", "chapter_id", "fold", "label", "p_F", "p_M"]
    return pd.DataFrame(rows, columns=columns).assign(chunk=range(len(women)), end_seconds=2.0)


def test_an_utterances_probability_is_the_geometric_mean_of_its_chunks():
    b, a = chunks_of("b", "M", [0.9, 0.2, 0.1]), chunks_of("a", "F", [0.6])
    averaged = utterance_level(pd.concat([b.head(2), a, b.tail(1)], ignore_index=True))
    assert list(averaged.columns) == [
        *("utterance_id", "speaker_id", "chapter_id", "fold", "label", "p_F", "p_M")
    ]
    assert averaged["utterance_id"].tolist() == ["b", "a"]
    assert averaged["label"].tolist() == ["M", "F"]
    women, men = np.cbrt(0.9 * 0.2 * 0.1), np.cbrt(0.1 * 0.8 * 0.9)
    np.testing.assert_allclose(averaged["p_F"], [women / (women + men), 0.6])
    np.testing.assert_allclose(averaged["p_M"], [men / (women + men), 0.4])


def test_one_certain_chunk_does_not_outweigh_all_others():
    (share,) = utterance_level(chunks_of("u", "F", [0.0, *[0.9] * 9]))["p_F"]
    assert 0.5 < share < 0.7
