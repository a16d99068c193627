"""A subset has what was asked for, whatever the corpus, its order and the machine, or is none."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech.audio import SAMPLE_RATE
from speech.corpus.subset import choose_subset
from speech.errors import UserError

COLUMNS = ["speaker_id", "chapter_id", "gender", "samples"]


def corpus(rows):
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.assign(utterance_id=[f"u{number}" for number in range(len(table))])


def even(speakers=12, chapters=3, utterances=4, seconds=10):
    """Make a corpus of alternating genders, all utterances of one length."""
    return corpus(
        [
            (f"s{speaker}", f"c{chapter}", "FM"[speaker % 2], seconds * SAMPLE_RATE)
            for speaker in range(speakers)
            for chapter in range(chapters)
            for _ in range(utterances)
        ]
    )


def choose(table, **terms):
    return table[choose_subset(table, **terms)]


ROW = st.tuples(st.integers(0, 7), st.sampled_from("xyz"), st.integers(1, 60 * SAMPLE_RATE))
ROWS = st.lists(ROW, min_size=1, max_size=60).map(
    # A speaker has one gender, or none.
    lambda rows: corpus([(f"s{s}", c, ("F", "M", "F", None)[s % 4], n) for s, c, n in rows])
)
SUBSETS = st.fixed_dictionaries(
    {
        "speakers_per_gender": st.none() | st.integers(1, 3),
        "chapters_at_least": st.integers(1, 3),
        "minutes_per_speaker": st.none() | st.floats(0.01, 3),
    }
)


@given(ROWS, SUBSETS, st.integers(0, 2**32 - 1), st.randoms())
def test_any_subset_is_what_was_asked_for_and_the_same_in_any_order(table, subset, seed, random):
    order = random.sample(range(len(table)), len(table))
    try:
        chosen = choose(table, **subset, seed=seed)
    except UserError:
        with pytest.raises(UserError, match=r"^subset"):
            choose(table.iloc[order], **subset, seed=seed)
        return
    shuffled = choose(table.iloc[order], **subset, seed=seed)
    assert set(shuffled["utterance_id"]) == set(chosen["utterance_id"])
    speakers = chosen.groupby("speaker_id")
    assert speakers["chapter_id"].nunique().min() >= subset["chapters_at_least"]
    if subset["speakers_per_gender"]:
        per_gender = chosen.drop_duplicates("speaker_id")["gender"].value_counts()
        assert per_gender.to_dict() == dict.fromkeys("FM", subset["speakers_per_gender"])
        assert chosen["gender"].notna().all()
    if subset["minutes_per_speaker"]:
        limit = subset["minutes_per_speaker"] * 60 * SAMPLE_RATE
        assert speakers["samples"].sum().max() <= limit
        for speaker, own in speakers:
            rest = table[(table["speaker_id"] == speaker) & ~table.index.isin(own.index)]
            assert (rest["samples"] > limit - own["samples"].sum()).all(), "one more would fit"


@given(ROWS, st.integers(1, 3), st.floats(0.01, 3))
def test_whoever_can_give_the_chapters_within_the_minutes_takes_part(table, chapters, minutes):
    shortest = table.groupby(["speaker_id", "chapter_id"])["samples"].min().sort_values()
    least = shortest.groupby("speaker_id").apply(lambda own: own.head(chapters).sum())
    many = shortest.groupby("speaker_id").size() >= chapters
    able = set(least.index[many & (least <= minutes * 60 * SAMPLE_RATE)])
    terms = {"chapters_at_least": chapters, "minutes_per_speaker": minutes}
    try:
        found = set(choose(table, **terms)["speaker_id"])
    except UserError:
        found = set()
    assert found == able


def test_by_default_everything_is_chosen_speakers_without_gender_too():
    assert choose_subset(even().assign(gender=None)).all()


def test_another_seed_draws_others_and_more_speakers_are_added_to_those_of_fewer():
    def drawn(number, corpus_size=12, seed=17):
        chosen = choose(even(corpus_size), speakers_per_gender=number, seed=seed)
        return frozenset(chosen["speaker_id"])

    assert len({drawn(3, seed=seed) for seed in range(9)}) > 5
    assert drawn(2) < drawn(4)
    before, after = (drawn(3, corpus_size=size) for size in (10, 12))
    assert after - before <= {"s10", "s11"}, "new speakers only take their own places"


def test_the_draw_is_the_same_on_every_machine():
    """Written down, so that a change of it is noticed: it would change everybody's results."""
    chosen = choose(even(), speakers_per_gender=2)["speaker_id"].unique()
    assert sorted(chosen) == ["s0", "s1", "s5", "s6"]


def test_minutes_are_spread_over_all_chapters():
    chosen = choose(even(), minutes_per_speaker=1.0)
    assert (chosen.groupby(["speaker_id", "chapter_id"]).size() == 2).all()


def test_a_subset_that_the_corpus_cannot_give_is_refused_with_what_there_is():
    with pytest.raises(UserError) as caught:
        choose(even(7), speakers_per_gender=4, chapters_at_least=3, minutes_per_speaker=0.5)
    assert str(caught.value) == (
        "subset.speakers_per_gender is 4, but the corpus has 4 female and 3 male speakers with "
        "3 chapters or more within 0.5 minutes; ask for less."
    )
    for subset, terms in (
        ({"chapters_at_least": 4}, "4 chapters or more"),
        ({"minutes_per_speaker": 0.01}, "1 chapter or more within 0.01 minutes"),
    ):
        with pytest.raises(UserError, match=f"^subset: nobody in the corpus has {terms}; ask for"):
            choose(even(), **subset)
