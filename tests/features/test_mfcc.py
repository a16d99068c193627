"""MFCC are those of python_speech_features, but for the padded last frame and digital silence."""

import tracemalloc

import numpy as np
import pytest
import python_speech_features
import scipy.fft
from hypothesis import given
from hypothesis import strategies as st

from speech.audio import SAMPLE_RATE
from speech.features.mfcc import frame_count, mfcc, mfcc_and_copies, mfcc_in_passages
from speech.params import Mfcc

SETTINGS = {
    "as shipped": {},
    "wide": {"mfcc.coefficients": 40, "mfcc.filters": 64, "mfcc.fft": 1024},
    "telephone band": {"mfcc.low_hz": 300, "mfcc.high_hz": 3400},
    "long windows": {"mfcc.window_seconds": 0.06, "mfcc.hop_seconds": 0.03, "mfcc.fft": 1024},
    "windows apart": {"mfcc.window_seconds": 0.02, "mfcc.hop_seconds": 0.035},
    "half a sample": {"mfcc.window_seconds": 0.02503125, "mfcc.hop_seconds": 0.01003125},
    "bare": {"mfcc.preemphasis": 0.0, "mfcc.lifter": 0, "mfcc.energy": False},
    "odd transform": {"mfcc.fft": 401},
    "filters without a bin": {"mfcc.filters": 128},
    "band without a bin": {"mfcc.low_hz": 1, "mfcc.high_hz": 20},
    "no deltas": {"mfcc.delta_orders": 0, "inputs.mfcc.statistics": ["mean", "std"]},
    "accelerations": {"mfcc.delta_orders": 2, "mfcc.delta_width": 4},
}


def whole_frames(settings, frames):
    """Length of a signal that is cut into so many frames without remainder."""
    window, hop = (
        int(seconds * SAMPLE_RATE + 0.5)
        for seconds in (settings.window_seconds, settings.hop_seconds)
    )
    return window + (frames - 1) * hop


def reference(signal, settings):
    """Compute everything, deltas too, by the library alone."""
    names = {
        "winlen": "window_seconds",
        "winstep": "hop_seconds",
        "numcep": "coefficients",
        "nfilt": "filters",
        "nfft": "fft",
        "lowfreq": "low_hz",
        "highfreq": "high_hz",
        "preemph": "preemphasis",
        "ceplifter": "lifter",
        "appendEnergy": "energy",
    }
    options = {theirs: getattr(settings, ours) for theirs, ours in names.items()}
    pcm = signal.astype(np.float64) * 32768
    parts = [python_speech_features.mfcc(pcm, SAMPLE_RATE, winfunc=np.hamming, **options)]
    for _ in range(settings.delta_orders):
        parts.append(python_speech_features.delta(parts[-1], settings.delta_width))
    return np.concatenate(parts, axis=1)


@pytest.mark.parametrize("frames", [1, 2, 5, 300])
@pytest.mark.parametrize("name", SETTINGS)
def test_features_are_those_of_the_library_however_short_the_utterance(
    make_params, voice, name, frames
):
    settings = make_params(**SETTINGS[name], **{"mfcc.top_db": None}).mfcc
    signal = voice(12.0)[: whole_frames(settings, frames)]
    computed = mfcc(signal, **settings.model_dump())
    expected = reference(signal, settings)
    assert computed.dtype == np.float32
    assert computed.shape == (frames, settings.coefficients * (1 + settings.delta_orders))
    # Equal, but for the last digit of single precision.
    np.testing.assert_allclose(computed, expected, rtol=1.2e-7, atol=1e-8)


def test_the_defaults_are_those_of_params_yaml(params, voice):
    np.testing.assert_array_equal(mfcc(voice(1.0)), mfcc(voice(1.0), **params.mfcc.model_dump()))


@given(samples=st.integers(1, 4_000), window=st.floats(0.005, 0.1), hop=st.floats(0.002, 0.1))
def test_only_whole_windows_are_frames_and_counted_as_such(shipped_params, samples, window, hop):
    changed = {"window_seconds": window, "hop_seconds": hop, "fft": 2048, "delta_orders": 0}
    settings = Mfcc(**shipped_params["mfcc"] | changed)
    signal = np.random.default_rng(samples).normal(0, 0.1, samples).astype(np.float32)
    count = frame_count(samples, window_seconds=window, hop_seconds=hop)
    if count:
        computed = mfcc(signal, **settings.model_dump())
        assert len(computed) == count
        assert whole_frames(settings, count) <= samples < whole_frames(settings, count + 1)
        whole = mfcc(signal[: whole_frames(settings, count)], **settings.model_dump())
        np.testing.assert_array_equal(computed, whole)
    else:
        with pytest.raises(ValueError, match="fewer than a window's"):
            mfcc(signal, **settings.model_dump())


@pytest.mark.parametrize("energy", [True, False])
def test_digital_silence_is_as_loud_as_less_than_one_16_bit_step(voice, energy):
    signal = voice(2.0)
    signal[8_000:24_000] = 0
    first = mfcc(signal, energy=energy, top_db=None)[:, 0]
    silent = slice(8_400 // 160, (24_000 - 400) // 160)
    assert (first[silent] == 0).all()
    assert first.min() == 0
    assert first[:40].min() > 5
    assert np.isfinite(mfcc(np.zeros(16_000, np.float32), energy=energy, top_db=None)).all()


def test_what_is_far_below_the_loudest_filter_is_raised_to_that(voice):
    """As librosa.power_to_db does, so that recordings whose faint part was coded away are alike."""
    plain = {"filters": 40, "coefficients": 40, "lifter": 0, "energy": False, "delta_orders": 0}
    signal = voice(2.0)
    decibels = {}
    for top_db in (None, 20.0):
        cepstra = mfcc(signal, top_db=top_db, **plain)
        # The cosine transform has as many coefficients as filters, so it can be undone.
        decibels[top_db] = scipy.fft.idct(cepstra, norm="ortho") * 10 / np.log(10)
    raised = np.maximum(decibels[None], decibels[None].max() - 20)
    np.testing.assert_allclose(decibels[20.0], raised, atol=1e-3)
    assert (raised > decibels[None] + 1).mean() > 0.1


@pytest.mark.parametrize("orders", [0, 1, 2])
@pytest.mark.parametrize("seconds", [0.03, 1.0, 2.003, 5.5])
def test_passages_give_the_mfcc_of_the_whole(voice, orders, seconds):
    signal = voice(seconds)
    settings = {"delta_orders": orders, "top_db": None}
    whole = mfcc(signal, **settings)
    np.testing.assert_array_equal(mfcc_in_passages(signal, **settings), whole)
    passages = mfcc_in_passages(signal, seconds=1.0, **settings)
    np.testing.assert_allclose(passages, whole, atol=1e-4)


def test_each_passage_is_changed_by_itself(voice):
    lengths = []

    def change(passage):
        lengths.append(len(passage))
        return -passage

    made = mfcc_in_passages(voice(2.5), change, seconds=1.0)
    assert len(lengths) == 3
    assert made.shape == mfcc(voice(2.5)).shape


def test_memory_grows_by_the_frames_alone(voice):
    signal = np.tile(voice(10.0), 30)
    tracemalloc.start()
    mfcc_in_passages(signal)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 70e6, "five minutes; all at once would take twice as much"


def test_copies_are_drawn_by_seed_and_name_and_by_nothing_else(params, voice):
    signal, settings = voice(1.0), {"coefficients": 13}
    conditions = params.augmentation.model_dump(exclude={"copies"}) | {"noise_probability": 1.0}

    def computed(name="anna-1", **options):
        given = {"settings": settings, "conditions": conditions, "seed": 1} | options
        return mfcc_and_copies(signal, name, **given)

    three = computed(copies=3)
    assert list(three) == ["", "copy0", "copy1", "copy2"]
    np.testing.assert_array_equal(three[""], mfcc(signal, **settings))
    np.testing.assert_array_equal(three["copy0"], computed()["copy0"])
    assert list(computed(copies=0)) == [""]
    others = [three["copy1"], computed(seed=2)["copy0"], computed("anna-2")["copy0"], three[""]]
    assert not any(np.array_equal(three["copy0"], other) for other in others)
