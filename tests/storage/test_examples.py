"""Examples are read as written; samples of them are in proportion, of whole utterances, by seed."""

from dataclasses import replace

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from made_examples import examples_of, write_examples

from speech.storage.examples import (
    average_over_utterances,
    draw_in_proportion,
    draw_utterances,
    read_examples,
)

LETTERS = "abcdefgh"
SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=8)


def test_examples_that_are_read_are_those_that_were_written(tmp_path):
    versions = np.random.default_rng(0).normal(size=(3, 5, 4, 2)).astype(np.float16)
    pooled = examples_of(versions[0, :, 0], list("aabbc"))
    frames = replace(pooled, inputs=versions[0], copies=(*versions[1:],))
    write_examples(tmp_path, pooled, frames)
    for form, written in (("pooled", pooled), ("frames", frames)):
        read = read_examples(tmp_path, form, copies=True)
        pd.testing.assert_frame_equal(read.table, written.table)
        arrays = (read.inputs, *read.copies), (written.inputs, *written.copies)
        for array, expected in zip(*arrays, strict=True):
            np.testing.assert_array_equal(array, expected, strict=True)
        assert read_examples(tmp_path, form).copies == ()


def test_chosen_examples_are_numbered_anew():
    vectors = np.arange(8.0).reshape(4, 2)
    chosen = examples_of(vectors, list("abba"), copies=(-vectors,))[np.array([1, 2])]
    assert (chosen.labels.tolist(), chosen.table.index.tolist()) == (["b", "b"], [0, 1])
    np.testing.assert_array_equal(chosen.inputs, vectors[1:3])
    np.testing.assert_array_equal(chosen.copies[0], -vectors[1:3])


def test_vectors_are_averaged_over_the_chunks_of_each_utterance():
    rows = [("u2", "b", "9"), ("u1", "a", "8"), ("u2", "b", "9")]
    table = pd.DataFrame(rows, columns=["utterance_id", "speaker_id", "chapter_id"])
    averaged, means = average_over_utterances(table, np.array([[1, 2], [5, 6], [3, 8]]))
    assert list(averaged.itertuples(index=False, name=None)) == [rows[1], rows[0]]
    assert means.tolist() == [[5, 6], [2, 5]]


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
