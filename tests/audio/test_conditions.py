"""Acoustic conditions change what they should, by how much they should, and nothing else."""

import numpy as np
import pytest

from speech.audio.conditions import (
    CONDITIONS,
    add_noise,
    add_reverberation,
    augment,
    coloured_noise,
    limit_band,
)

RATE = 16_000


def random(seed=0):
    return np.random.default_rng(seed)


def power(signal):
    return float(np.mean(np.square(signal, dtype=np.float64)))


def band_power(signal, low, high):
    spectrum = np.abs(np.fft.rfft(signal)) ** 2
    hertz = np.fft.rfftfreq(len(signal), 1 / RATE)
    return spectrum[(hertz >= low) & (hertz < high)].sum()


@pytest.mark.parametrize("snr_db", [0, 10, 30])
@pytest.mark.parametrize("exponent", [0, 1, 2])
def test_noise_has_the_level_that_is_asked_for(voice, snr_db, exponent):
    signal = voice(2.0)
    noisy = add_noise(signal, snr_db=snr_db, exponent=exponent, random=random())
    assert noisy.dtype == np.float32
    ratio = 10 * np.log10(power(signal) / power(noisy - signal))
    assert ratio == pytest.approx(snr_db, abs=0.01)


@pytest.mark.parametrize(("exponent", "per_octave"), [(0, 0), (1, 3), (2, 6)])
def test_coloured_noise_falls_by_three_decibels_an_octave_and_exponent(exponent, per_octave):
    noise = coloured_noise(16 * RATE, exponent=exponent, random=random())
    assert power(noise) == pytest.approx(1, rel=1e-3)
    # An octave higher is twice as wide.
    low, high = band_power(noise, 500, 1000), band_power(noise, 1000, 2000) / 2
    assert 10 * np.log10(low / high) == pytest.approx(per_octave, abs=0.3)


def test_reverberation_rings_on_and_dies_away():
    click = np.zeros(RATE, np.float32)
    click[0] = 1
    wet = add_reverberation(click, seconds=0.4, level=0.5, random=random())
    assert np.linalg.norm(wet[1:]) == pytest.approx(0.5, rel=0.05)
    early, late = power(wet[1:800]), power(wet[3200:4000])
    # 60 dB in 0.4 s: 30 dB in 0.2 s.
    assert 10 * np.log10(early / late) == pytest.approx(30, abs=4)
    assert np.abs(wet[6400:]).max() < 1e-6


def test_a_band_keeps_what_is_inside_and_nothing_outside():
    noise = coloured_noise(4 * RATE, exponent=0, random=random()).astype(np.float32)
    narrow = limit_band(noise)
    inside = band_power(narrow, 500, 3000) / band_power(noise, 500, 3000)
    outside = band_power(narrow, 6000, 8000) / band_power(noise, 6000, 8000)
    assert inside == pytest.approx(1, abs=0.1)
    assert outside < 1e-3


def test_augmentation_is_random_repeatable_and_of_the_same_length(voice):
    signal = voice(1.0)
    np.testing.assert_array_equal(*(augment(signal, random=random(3)) for _ in range(2)))
    drawn = [augment(signal, random=random(seed)) for seed in range(8)]
    assert {(len(copy), copy.dtype.name) for copy in drawn} == {(len(signal), "float32")}
    assert len({copy.tobytes() for copy in drawn}) > 5
    assert np.isfinite(drawn).all()


@pytest.mark.parametrize("effect", ["reverb", "noise", "bandlimit"])
@pytest.mark.parametrize(("probability", "tolerance"), [(0.0, 0), (0.5, 0.12), (1.0, 0)])
def test_an_effect_happens_as_often_as_its_probability_says(voice, effect, probability, tolerance):
    signal = voice(0.3)
    options = dict.fromkeys(["reverb_probability", "noise_probability", "bandlimit_probability"], 0)
    options[f"{effect}_probability"] = probability
    changed = [
        (augment(signal, **options, random=random(seed)) != signal).any() for seed in range(200)
    ]
    assert np.mean(changed) == pytest.approx(probability, abs=tolerance)


@pytest.mark.parametrize("name", CONDITIONS)
def test_every_condition_of_the_trials_gives_a_signal_of_the_same_length(voice, name):
    signal = voice(1.0)
    changed = CONDITIONS[name](signal, random())
    assert changed.shape == signal.shape
    assert changed.dtype == np.float32
    assert (changed == signal).all() == (name == "clean")
