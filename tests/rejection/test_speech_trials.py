"""How often speech is rejected: which chunks are tried, and what is counted."""

import numpy as np
import pandas as pd
import pytest

from speech.audio.conditions import CONDITIONS
from speech.rejection import speech_trials as module
from speech.rejection.speech_trials import CHUNKS_PER_SPEAKER, speech_false_rejection, speech_trials


@pytest.fixture
def speaker(tiny_corpus):
    folder = min(path.parents[1] for path in tiny_corpus.rglob("*.flac"))
    return "ann", sorted(folder.rglob("*.flac"))


def test_some_chunks_are_tried_under_every_condition_and_the_same_twice(speaker):
    trials = speech_trials(speaker, seed=1)
    tried = min(CHUNKS_PER_SPEAKER, len(speaker[1]))
    assert trials["condition"].value_counts().to_dict() == dict.fromkeys(CONDITIONS, tried)
    assert set(trials["speaker_id"]) == {"ann"}
    assert not trials["rejected"].any()
    pd.testing.assert_frame_equal(trials, speech_trials(speaker, seed=1))


@pytest.mark.parametrize(("seconds", "tried"), [(0.5, 0.5), (100, None)])
def test_a_chunk_is_the_middle_of_a_recording_and_at_most_all_of_it(
    speaker, monkeypatch, seconds, tried
):
    lengths = []
    monkeypatch.setattr(module, "is_speech", lambda x: lengths.append(x.shape[1]) or x[:, 0] < 9)
    assert len(speech_trials(speaker, seconds=seconds)) == len(CONDITIONS) * len(lengths)
    whole = [len(module.load_audio(path)) for path in speaker[1]]
    assert set(lengths) <= ({round(tried * 16_000)} if tried else set(whole))


def test_clean_chunks_have_an_interval_over_speakers_and_the_others_a_share():
    rows = [
        (str(number), condition, condition != "clean" or number == 0)
        for number in range(10)
        for condition in ("clean", "noise 10 dB")
        for _ in range(4)
    ]
    trials = pd.DataFrame(rows, columns=["speaker_id", "condition", "rejected"])
    rates = speech_false_rejection(trials, resamples=200, seed=0)
    name = "speech_false_rejection"
    assert rates[name] == pytest.approx(0.1)
    assert rates[f"{name}_low"] == 0 < rates[name] < rates[f"{name}_high"] < 0.5
    assert rates[f"{name}_by_condition"] == {"clean": np.float64(0.1), "noise_10_dB": 1.0}
