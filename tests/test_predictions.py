"""Tables of predictions: what their classes are, and how chunks become utterances."""

import numpy as np
import pandas as pd

from speech.predictions import classes_of, utterance_level


def test_classes_come_in_the_order_of_their_columns():
    table = pd.DataFrame({"label": ["a"], "p_b": [0.2], "fold": [0], "p_p_a": [0.8]})
    assert classes_of(table) == ["b", "p_a"]


def chunks_of(*probabilities):
    rows = [("a", "1", "3", 0, "F", p, 1 - p) for p in probabilities]
    columns = ["utterance_id", "speaker_id", "chapter_id", "fold", "label", "p_F", "p_M"]
    return pd.DataFrame(rows, columns=columns)


def test_an_utterances_probability_is_the_geometric_mean_of_its_chunks():
    chunks = pd.DataFrame(
        {
            "utterance_id": ["b", "b", "a", "b"],
            "speaker_id": ["2", "2", "1", "2"],
            "chapter_id": ["4", "4", "3", "4"],
            "chunk": [0, 1, 0, 2],
            "start_seconds": 0.0,
            "end_seconds": 2.0,
            "fold": [1, 1, 0, 1],
            "label": ["M", "M", "F", "M"],
            "p_F": [0.9, 0.2, 0.6, 0.1],
            "p_M": [0.1, 0.8, 0.4, 0.9],
        }
    )
    averaged = utterance_level(chunks)
    assert list(averaged.columns) == [
        *("utterance_id", "speaker_id", "chapter_id", "fold", "label", "p_F", "p_M")
    ]
    assert averaged["utterance_id"].tolist() == ["b", "a"]
    assert averaged["label"].tolist() == ["M", "F"]
    women, men = np.cbrt(0.9 * 0.2 * 0.1), np.cbrt(0.1 * 0.8 * 0.9)
    np.testing.assert_allclose(averaged["p_F"], [women / (women + men), 0.6])
    np.testing.assert_allclose(averaged["p_M"], [men / (women + men), 0.4])


def test_chunks_that_agree_are_one_chunk():
    np.testing.assert_allclose(utterance_level(chunks_of(0.8, 0.8, 0.8))["p_F"], 0.8)


def test_one_sure_chunk_does_not_outweigh_all_others():
    (share,) = utterance_level(chunks_of(0.0, *[0.9] * 9))["p_F"]
    assert 0.5 < share < 0.7
