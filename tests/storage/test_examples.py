"""Samples of examples: every group in proportion, whole utterances, drawn by seed."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from speech.storage.examples import draw_in_proportion, draw_utterances

LETTERS = "abcdefgh"
SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=8)


def names(sizes):
    return np.repeat(list(LETTERS[: len(sizes)]), sizes)


def counts(chosen, speakers):
    return np.array([(chosen == speaker).sum() for speaker in speakers])


@settings(max_examples=50, deadline=None)
@given(SIZES, st.integers(1, 100))
def test_a_sample_takes_the_same_share_of_every_speaker_and_leaves_none_out(sizes, most):
    speakers = names(sizes)
    drawn = draw_in_proportion(speakers, most=most)
    assert len(drawn) == len(set(drawn)) == min(most, len(speakers))
    assert (np.diff(drawn) > 0).all()
    taken = counts(speakers[drawn], LETTERS[: len(sizes)])
    # One share exists that, of every speaker, rounds up to what was taken.
    assert ((taken - 1) / sizes).max() <= (taken / sizes).min() + 1e-9
    assert (taken > 0).all() or most < len(sizes)


def test_the_finest_groups_count_of_which_each_can_have_one():
    speakers, rows = np.repeat(["a", "b"], [90, 10]), np.arange(100)
    chapters = np.char.add(speakers, (rows % 5).astype(str))
    # Each chunk by itself: of those no group can have one, so speakers count.
    drawn = draw_in_proportion(np.char.add(chapters, rows.astype(str)), speakers, most=20)
    assert counts(speakers[drawn], "ab").tolist() == [18, 2]
    assert len(set(chapters[draw_in_proportion(chapters, speakers, most=20)])) == 10


def test_another_seed_draws_others_and_the_same_the_same():
    drawn = [draw_in_proportion(names([50, 50]), most=10, seed=seed).tolist() for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_utterances_are_chosen_whole_and_in_proportion():
    speakers = names([120, 60, 30])
    utterances = np.char.add(speakers, (np.arange(210) // 3).astype(str))
    chosen = draw_utterances(utterances, speakers, most=70)
    # 23 of 70 utterances, which are of three chunks each: of every speaker a third, rounded up.
    assert counts(speakers[chosen], "abc").tolist() == [36, 21, 12]
    assert not set(utterances[chosen]) & set(utterances[~chosen])
    assert draw_utterances(utterances, speakers, most=210).all()
