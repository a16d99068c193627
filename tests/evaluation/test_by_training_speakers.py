"""Accuracy by the number of training speakers, and the gain of a doubling."""

import numpy as np
import pandas as pd
import pytest

from speech.evaluation.by_training_speakers import accuracy_by_training_speakers, last_doubling

RESAMPLING = {"resamples": 200, "seed": 0}


def predictions(accuracies, speakers=20, utterances=50):
    """Make predictions up of a given accuracy for each number of training speakers."""
    tables = []
    for number, accuracy in accuracies.items():
        speaker = np.repeat(np.arange(speakers), utterances)
        label = np.array(["F", "M"])[speaker % 2]
        right = np.tile(np.arange(utterances) < accuracy * utterances, speakers)
        women = np.where((label == "F") == right, 0.8, 0.2)
        table = pd.DataFrame({"speaker_id": speaker.astype(str), "label": label, "p_F": women})
        table = table.assign(p_M=1 - women, utterance_id=np.arange(len(table)).astype(str))
        tables += [table.assign(speakers=number, draw=draw) for draw in range(2)]
    return pd.concat(tables, ignore_index=True)


def test_the_curve_is_the_mean_accuracy_of_each_number_of_speakers():
    curve = accuracy_by_training_speakers(predictions({2: 0.6, 4: 0.7, 8: 0.9}), **RESAMPLING)
    assert curve["speakers"].tolist() == [2, 4, 8]
    assert curve["value"].tolist() == pytest.approx([0.6, 0.7, 0.9])


@pytest.mark.parametrize(
    ("accuracies", "gain"),
    [({2: 0.1, 4: 0.7, 8: 0.9}, 0.2), ({2: 0.5, 8: 0.9}, 0.2)],
    ids=["the last doubling alone counts", "two doublings in one step are shared out"],
)
def test_the_gain_is_that_of_one_doubling(accuracies, gain):
    assert last_doubling(predictions(accuracies), **RESAMPLING) == pytest.approx((gain,) * 3)


def test_the_interval_of_the_gain_resamples_speakers():
    table = predictions({4: 0.5, 8: 0.5})
    # Half of the speakers gain everything that was wrong.
    lucky = (table["speaker_id"].astype(int) < 10) & (table["speakers"] == 8)
    table["p_F"] = table["p_F"].mask(lucky, np.where(table["label"] == "F", 0.9, 0.1))
    table["p_M"] = 1 - table["p_F"]
    value, low, high = last_doubling(table, **RESAMPLING)
    assert value == pytest.approx(0.25)
    assert 0.05 < low < 0.2
    assert 0.3 < high < 0.45
