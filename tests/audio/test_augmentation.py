"""What is learnt from is also heard under other conditions; what is tested never is."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from speech.audio.augmentation import vary
from speech.features.examples import Examples, load_examples
from speech.features.mfcc import mfcc
from speech.features.store import Recipe, speaker_file, write_speaker
from speech.params import Augmentation
from speech.training.cross_validation import cross_validate, label_examples

NEVER = {"copies": 1, "room": 0.0, "noise": 0.0, "snr_db": [10.0, 10.0], "narrow": 0.0}
ALWAYS = {"room": 1.0, "noise": 1.0, "narrow": 1.0}


@pytest.fixture
def frames(params, voice):
    """Analyse two seconds of a voice, the second all but silent."""
    sound = voice(2.0, seed=1)
    sound[len(sound) // 2 :] *= 1e-3
    return mfcc(sound, params.mfcc)


def varied(frames, settings, seed=0, **often):
    augmentation = Augmentation(**NEVER | often)
    return vary(frames, settings, augmentation, np.random.default_rng(seed))


@pytest.mark.parametrize("energy", [True, False])
def test_what_is_not_changed_stays_what_it_was_and_deltas_fit(make_params, voice, energy):
    settings = make_params(**{"mfcc.energy": energy}).mfcc
    frames = mfcc(voice(1.0, seed=1), settings)
    np.testing.assert_allclose(varied(frames, settings), frames, atol=1e-4)


def test_noise_fills_the_pauses_up_to_the_level_it_was_asked_for(params, frames):
    loudness = varied(frames, params.mfcc, noise=1.0)[:, 0]
    half = len(loudness) // 2
    before = frames[:, 0]
    speech = np.log(np.exp(before).mean())
    decibels = 10 / np.log(10)
    assert (speech - loudness[half + 5 :].mean()) * decibels == pytest.approx(10, abs=1)
    # What is much louder than the noise hardly notices.
    assert np.abs(loudness - before)[before > speech].max() < 0.5


def test_noise_in_the_coefficients_is_noise_in_the_sound(params, voice):
    """Coefficients move towards those of a noisy recording."""
    sound = voice(2.0, seed=1)
    white = np.random.default_rng(0).normal(size=len(sound))
    white *= np.sqrt((sound**2).mean() / 10)
    noisy = mfcc((sound + white).astype(np.float32), params.mfcc)
    clean = mfcc(sound, params.mfcc)
    by_seed = [varied(clean, params.mfcc, seed, noise=1.0) for seed in range(8)]
    first = slice(1, 6)
    away = np.abs(noisy - clean)[:, first].mean()
    assert min(np.abs(noisy - one)[:, first].mean() for one in by_seed) < 0.8 * away


def test_a_narrow_band_lets_less_through(params, frames):
    for seed in range(5):
        assert (varied(frames, params.mfcc, seed, narrow=1.0)[:, 0] <= frames[:, 0] + 1e-4).all()


def test_a_room_lets_a_sound_die_away(params, frames):
    after = len(frames) // 2 + 5
    gained = varied(frames, params.mfcc, room=1.0)[:, 0] - frames[:, 0]
    assert (gained > -1e-4).all()
    assert gained[after] > gained[-1] > 0


def test_conditions_are_drawn_by_the_generator_alone(params, frames):
    one, same, other = (varied(frames, params.mfcc, seed, **ALWAYS) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    assert one.dtype == frames.dtype
    assert np.isfinite(one).all()


@pytest.fixture
def stored(tmp_path, params, voice):
    utterances = pd.DataFrame(
        [(f"{s}-{c}-{n}", str(s), str(c)) for s in range(4) for c in range(2) for n in range(2)],
        columns=["utterance_id", "speaker_id", "chapter_id"],
    ).assign(samples=40_000)
    utterances["gender"] = ["FM"[int(speaker) % 2] for speaker in utterances["speaker_id"]]
    for speaker, own in utterances.groupby("speaker_id"):
        sounds = {name: voice(2.5, seed=row) for row, name in own["utterance_id"].items()}
        tensors = {name: mfcc(sound, params.mfcc) for name, sound in sounds.items()}
        write_speaker(speaker_file(tmp_path, speaker), tensors, Recipe("", {}))
    return tmp_path, utterances


def test_an_utterance_is_varied_alike_whatever_else_is_there(stored, make_params):
    folder, utterances = stored
    params = make_params(**{"inputs.mfcc.augmentation": NEVER | ALWAYS | {"copies": 2}})
    whole, part = (
        load_examples([folder], "mfcc", some, params, "pooled", copies=True)
        for some in (utterances, utterances.iloc[5:9])
    )
    own = whole.table["utterance_id"].isin(part.table["utterance_id"]).to_numpy()
    first, second = whole.copies
    assert first.shape == second.shape == whole.inputs.shape
    assert not np.allclose(first, second)
    assert not np.allclose(first, whole.inputs)
    for ours, theirs in zip(whole.copies, part.copies, strict=True):
        np.testing.assert_array_equal(ours[own], theirs)


@pytest.mark.parametrize("form", ["pooled", "frames"])
def test_copies_are_made_on_request_only(stored, params, form):
    folder, utterances = stored
    assert load_examples([folder], "mfcc", utterances, params, form).copies == ()
    asked = load_examples([folder], "mfcc", utterances, params, form, copies=True)
    assert [copy.shape for copy in asked.copies] == [asked.inputs.shape]


def test_a_fold_is_tested_as_it_is_and_its_copies_are_learnt_from_by_others_only(params):
    rows = [(f"{s}-{n}", str(s), str(s), "FM"[s % 2], n) for s in range(8) for n in range(4)]
    columns = ["utterance_id", "speaker_id", "chapter_id", "gender", "chunk"]
    table = pd.DataFrame(rows, columns=columns)
    random = np.random.default_rng(0)
    inputs = random.normal(size=(len(table), 3)).astype(np.float32)
    folds = table["speaker_id"].astype(int).to_numpy() // 4
    params = params.model_copy(update={"parallel": params.parallel.model_copy(update={"jobs": 1})})

    def judged(copy):
        data = label_examples(Examples(table, inputs, (copy,)), table, "gender")
        return cross_validate("logistic", "gender", table, data, folds, params).chunks["p_F"]

    other = inputs + 1
    changed = np.where((folds == 0)[:, None], 5 * random.normal(size=other.shape), other)
    before, after = judged(other), judged(changed.astype(np.float32))
    tested = folds == 0
    np.testing.assert_array_equal(before[tested], after[tested])
    assert not np.array_equal(before[~tested], after[~tested])
    # One prediction for each example, none for a copy.
    assert len(before) == len(table)


def test_copies_stay_beside_what_they_are_copies_of(params):
    table = pd.DataFrame({"utterance_id": list("abc"), "speaker_id": list("123")})
    utterances = table.assign(chapter_id="1", gender=list("FMF"))
    inputs = np.arange(3, dtype=np.float32)[:, None]
    data = label_examples(Examples(table, inputs, (inputs + 10,)), utterances, "speaker")
    chosen = data[np.array([True, False, True])].with_copies()
    assert chosen.inputs[:, 0].tolist() == [0, 2, 10, 12]
    assert chosen.labels.tolist() == ["1", "3", "1", "3"]
    assert chosen.utterances.tolist() == ["a", "c", "a", "c"]
    assert chosen.copies == ()
    assert replace(data, copies=()).with_copies().inputs is data.inputs
