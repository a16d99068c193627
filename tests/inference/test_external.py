"""What of a corpus took part in training, and averages of a class that occurs alone."""

import pandas as pd
import pytest
from made_models import make_models

from speech.evaluation.calibration import reliability
from speech.evaluation.scores import average_by
from speech.inference.external import find_overlap, load_models

COLUMNS = ["utterance_id", "speaker_id", "chapter_id", "content"]


def table(*rows):
    return pd.DataFrame(rows, columns=COLUMNS)


TRAINED = table(("a", "ann", "monday", "1"), ("b.wav", "bob", "b.wav", "2"))


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (("x", "cyd", "monday", "3"), set()),
        (("x", "ann", "friday", "3"), {"speaker"}),
        (("x", "ann", "monday", "3"), {"speaker", "session"}),
        # Whoever has a recording in both is one person, whatever the name.
        (("x", "cyd", "monday", "1"), {"recording", "speaker"}),
        # A file that is a session by itself is another file, though it has the same path.
        (("b.wav", "bob", "b.wav", "3"), {"speaker"}),
    ],
)
def test_a_recording_speaker_or_session_in_training_is_found(row, found):
    overlap = find_overlap(table(row), TRAINED)
    assert {name for name in overlap if overlap[name].item()} == found


def test_a_speaker_of_whom_one_recording_is_in_training_is_known_in_all_others():
    overlap = find_overlap(table(("x", "cyd", "x", "1"), ("y", "cyd", "y", "9")), TRAINED)
    assert overlap["speaker"].tolist() == [True, True]
    assert overlap["recording"].tolist() == [True, False]


def test_models_are_asked_whatever_an_earlier_run_said_of_the_headline(tmp_path, params):
    models = make_models(tmp_path / "models", params)
    (models / "gender-headline.json").write_text("{}")  # of a run for speakers alone
    ((model,), embed) = load_models(models, "gender", ["mfcc-logistic"])
    assert (str(model), embed) == ("gender-mfcc-logistic", None)


def test_women_alone_can_be_averaged():
    women = pd.DataFrame({"speaker_id": ["1", "2"], "label": "F", "p_F": [0.9, 0.2]})
    women = women.assign(p_M=1 - women["p_F"])
    (row,) = average_by(women, women["label"], "gender", resamples=100).itertuples()
    assert row.value == 0.5
    assert len(reliability(women, "gender", resamples=100)) == 2
