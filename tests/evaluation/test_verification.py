"""Speaker verification: embeddings, trials, and the interval of the equal error rate."""

import itertools

import numpy as np
import pandas as pd
import pytest

from speech.errors import UserError
from speech.evaluation.verification import draw_trials, normalise_by_other_folds, verify


def corpus(speakers=12, chapters=2, utterances=5, folds=3):
    """List utterances; every third speaker has a single chapter."""
    rows = [
        (f"{speaker:02d}", f"{speaker}-{0 if speaker % 3 == 0 else chapter}", speaker % folds)
        for speaker in range(speakers)
        for chapter in range(chapters)
        for _ in range(utterances)
    ]
    return pd.DataFrame(rows, columns=["speaker_id", "chapter_id", "fold"])


def test_vectors_are_of_unit_length_and_standardised_by_the_other_folds_alone():
    vectors = np.random.default_rng(0).normal(3, 2, size=(90, 5)).astype(np.float32)
    vectors[:, 2] = 7
    folds = np.arange(90) % 3
    found = normalise_by_other_folds(vectors, folds)
    for fold in range(3):
        others = vectors[folds != fold]
        # A dimension that never changes is no division by zero.
        scale = np.where(np.ptp(others, axis=0), others.std(axis=0), 1)
        expected = (vectors[folds == fold] - others.mean(axis=0)) / scale
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
        np.testing.assert_allclose(found[folds == fold], expected, rtol=1e-3, atol=1e-5)


def test_targets_are_of_one_speaker_and_two_chapters_and_impostors_of_two_speakers():
    utterances = corpus()
    trials = draw_trials(utterances, most=10)
    first, second = (
        utterances.iloc[trials[side]].reset_index(drop=True) for side in ("first", "second")
    )
    target = trials["target"]
    assert ((first["speaker_id"] == second["speaker_id"]) == target).all()
    assert (first["chapter_id"] != second["chapter_id"]).all()
    assert (first["fold"] == second["fold"]).all()
    # Speakers have equally many targets, or none with one chapter.
    counts = first.loc[target, "speaker_id"].value_counts()
    assert counts.to_dict() == {f"{speaker:02d}": 10 for speaker in range(12) if speaker % 3}


def test_without_a_limit_every_possible_pair_is_tried_once():
    utterances = corpus(speakers=6, utterances=2, folds=2)
    wanted = {
        (one, two)
        for one, two in itertools.combinations(range(len(utterances)), 2)
        if utterances.loc[one, "fold"] == utterances.loc[two, "fold"]
        and utterances.loc[one, "chapter_id"] != utterances.loc[two, "chapter_id"]
    }
    trials = draw_trials(utterances, most=10_000)[["first", "second"]]
    assert sorted(map(tuple, trials.to_numpy().tolist())) == sorted(wanted)


def test_a_corpus_of_single_chapters_is_refused_with_what_it_lacks():
    with pytest.raises(UserError, match=r"^corpus: no speaker .* two chapters.*second session\.$"):
        draw_trials(corpus(chapters=1), most=10)


def gendered(speakers=24):
    """List utterances whose features hold the gender, and of the speaker nothing else."""
    utterances = corpus(speakers=speakers)
    number = utterances["speaker_id"].astype(int)
    utterances["gender"] = np.where(number // 3 % 2, "F", "M")
    random = np.random.default_rng(0)
    vectors = random.normal(size=(len(utterances), 6))
    vectors[:, 0] += np.where(utterances["gender"] == "F", 4.0, -4.0)
    return utterances, vectors


def test_the_interval_widens_as_speakers_become_fewer():
    widths = []
    for speakers in (12, 48):
        utterances, vectors = gendered(speakers)
        random = np.random.default_rng(0)
        # Some speakers are easy, some hard, in all of their trials.
        places = random.normal(size=(speakers, 6)) * random.uniform(0, 3, size=(speakers, 1))
        vectors += places[utterances["speaker_id"].astype(int)]
        rates = verify(vectors, utterances, draw_trials(utterances, most=20), resamples=200).rates
        value, low, high = (rates[f"equal_error_rate{end}"] for end in ("", "_low", "_high"))
        assert low < value < high
        widths.append(high - low)
    assert widths[1] < 0.8 * widths[0]


def test_impostors_of_the_other_gender_are_easy_so_those_of_the_same_are_scored_apart():
    utterances, vectors = gendered()
    trials = draw_trials(utterances, most=100)
    rates = verify(vectors, utterances, trials, resamples=100).rates
    # Half of all impostors are rejected by their gender, of the others none.
    assert rates["equal_error_rate"] < 0.4
    assert rates["same_gender_equal_error_rate"] == pytest.approx(0.5, abs=0.07)
    for name in ("equal_error_rate", "same_gender_equal_error_rate"):
        assert rates[f"{name}_low"] <= rates[name] <= rates[f"{name}_high"]


def test_a_speaker_without_a_gender_on_record_is_nobodys_impostor_of_the_same_gender():
    utterances, vectors = gendered()
    trials = draw_trials(utterances, most=100)
    # Whose gender is not known could be distinguished by everything.
    nameless = utterances["speaker_id"].astype(int) < 12
    some = utterances.assign(gender=utterances["gender"].mask(nameless))
    known = ~nameless.iloc[trials["first"]].to_numpy() | trials["target"].to_numpy()
    known &= ~nameless.iloc[trials["second"]].to_numpy() | trials["target"].to_numpy()
    name = "same_gender_equal_error_rate"
    rate = verify(vectors, some, trials, resamples=10).rates[name]
    assert rate == verify(vectors, utterances, trials[known], resamples=10).rates[name]
    nobody = utterances.assign(gender=None)
    assert np.isnan(verify(vectors, nobody, trials, resamples=10).rates[name])
