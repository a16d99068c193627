"""A recording of any length takes the memory of a passage, and its MFCC are those of the whole."""

import tracemalloc

import numpy as np
import pytest

from speech.features.mfcc import mfcc
from stages import extract_mfcc
from stages.extract_mfcc import ComputeMfcc


@pytest.fixture
def compute(params):
    """Compute the MFCC of a signal and of one copy with as much noise as speech."""
    conditions = {"reverb_probability": 0.0, "bandlimit_probability": 0.0}
    conditions |= {"noise_probability": 1.0, "snr_db": [0.0, 0.0]}
    return ComputeMfcc(params.mfcc.model_dump(), conditions, copies=1, seed=17)


@pytest.mark.parametrize("orders", [0, 1, 2])
@pytest.mark.parametrize("seconds", [0.03, 1.0, 2.003, 5.5])
def test_passages_give_the_mfcc_of_the_whole(compute, voice, monkeypatch, orders, seconds):
    compute.settings["delta_orders"] = orders
    signal = voice(seconds)
    whole = mfcc(signal, **compute.settings)
    undivided = compute(signal, "u")
    np.testing.assert_array_equal(undivided[""], whole)
    monkeypatch.setattr(extract_mfcc, "PASSAGE_SECONDS", 1)
    passages = compute(signal, "u")
    np.testing.assert_allclose(passages[""], whole, atol=1e-4)
    assert passages["copy0"].shape == whole.shape
    assert np.abs(passages["copy0"] - whole)[:, 1].mean() > 1
    if seconds <= 1:
        np.testing.assert_array_equal(passages["copy0"], undivided["copy0"])


def test_memory_does_not_grow_with_the_length_but_for_the_signal_and_the_frames(compute, voice):
    signal = np.tile(voice(10.0), 30)
    tracemalloc.start()
    compute(signal, "u")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 150e6, "five minutes; all at once would take three times as much"
