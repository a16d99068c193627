"""The signals that speech is told from, and the conditions that it is heard under."""

import numpy as np
import pytest

from speech.audio.conditions import CONDITIONS, MILD, coloured_noise, under_condition
from speech.rejection.nonspeech import LEVELS_DB, make_nonspeech

FAMILIES = {"noise", "tones", "music", "silence"}


@pytest.fixture(scope="module")
def made():
    return list(make_nonspeech(1.0, 1, seed=3))


def test_every_kind_comes_at_every_level(made):
    assert {one.family for one in made} == FAMILIES
    for kind in {one.kind for one in made if one.family != "silence"}:
        assert [one.level_db for one in made if one.kind == kind] == list(LEVELS_DB)


def test_signals_are_as_long_and_as_loud_as_they_say(made):
    for one in made:
        assert one.signal.dtype == np.float32
        assert len(one.signal) == 16_000
        assert np.isfinite(one.signal).all()
        assert np.abs(one.signal).max() <= 1
        if one.family != "silence" and one.level_db < LEVELS_DB[0]:
            level = 20 * np.log10(np.sqrt(np.mean(one.signal.astype(float) ** 2)))
            # Clicks and drums have peaks that even a low level cuts off.
            assert level == pytest.approx(one.level_db, abs=0.1) or one.kind in ("clicks", "drums")


def test_the_same_seed_makes_the_same_signals_and_another_makes_others(made):
    again = list(make_nonspeech(1.0, 1, seed=3))
    for one, other in zip(made, again, strict=True):
        np.testing.assert_array_equal(one.signal, other.signal)
    others = list(make_nonspeech(1.0, 1, seed=4))
    different = [
        not np.array_equal(one.signal, other.signal)
        for one, other in zip(made, others, strict=True)
        if one.family != "silence"
    ]
    assert all(different)


@pytest.mark.parametrize(("exponent", "slope_db"), [(0, 0.0), (1, -3.0), (2, -6.0)])
def test_coloured_noise_falls_as_its_exponent_says(exponent, slope_db):
    noise = coloured_noise(1 << 17, exponent, np.random.default_rng(0))
    power = np.abs(np.fft.rfft(noise)) ** 2
    frequency = np.fft.rfftfreq(len(noise), 1 / 16_000)
    low, high = (
        power[(frequency > edge) & (frequency < 1.1 * edge)].mean() for edge in (500, 4000)
    )
    assert 10 * np.log10(high / low) / 3 == pytest.approx(slope_db, abs=0.3)  # three octaves
    assert noise.std() == pytest.approx(1)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_speech_under_a_condition_is_of_its_length_and_within_the_scale(voice, condition):
    clean = voice(1.5)
    changed = under_condition(clean, condition, np.random.default_rng(0))
    assert changed.dtype == np.float32
    assert changed.shape == clean.shape
    assert np.abs(changed).max() <= 1
    assert np.array_equal(changed, clean) is (condition == "clean")


@pytest.mark.parametrize("condition", [name for name in CONDITIONS if name.endswith("dB")])
def test_noise_is_as_far_below_the_speech_as_its_name_says(voice, condition):
    clean = voice(2.0).astype(float)
    noise = under_condition(voice(2.0), condition, np.random.default_rng(1)) - clean
    ratio = 10 * np.log10(np.mean(clean**2) / np.mean(noise**2))
    assert ratio == pytest.approx(float(condition.split()[-2]), abs=0.5)


def test_the_mild_conditions_are_some_of_all():
    assert set(MILD) < set(CONDITIONS)
