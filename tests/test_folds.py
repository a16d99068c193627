"""The two contracts of cross-validation, for any table of speakers.

Either no speaker (gender) or session (speaker) is in both training and test, or an error says how
many speakers or chapters are missing, and adding that many is enough.
"""

import re
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech.errors import UserError
from speech.folds import (
    deal_units,
    gender_folds,
    hold_out_speakers,
    hold_out_utterances,
    inner_folds,
    name_units,
    single_chapter_speakers,
    speaker_folds,
)

COLUMNS = ["utterance_id", "speaker_id", "chapter_id", "gender", "seconds"]


@st.composite
def tables_of(draw, fewest, most, chapters, utterances):
    """Draw any corpus: speakers with or without gender, chapters of any length, rows in any order.

    All speakers' chapters have the same names.
    """
    own = st.lists(st.integers(1, utterances), min_size=1, max_size=chapters)
    speakers = st.tuples(st.sampled_from(["F", "M", "F", "M", None]), own)
    random = np.random.default_rng(draw(st.integers(0, 99)))
    rows = [
        (f"{speaker}-{chapter}-{number:04d}", str(speaker), str(chapter), gender)
        for speaker, (gender, counts) in enumerate(
            draw(st.lists(speakers, min_size=fewest, max_size=most))
        )
        for chapter, count in enumerate(counts)
        for number in range(count)
    ]
    shuffled = [(*rows[place], random.uniform(0.5, 35)) for place in random.permutation(len(rows))]
    return pd.DataFrame(shuffled, columns=COLUMNS)


tables = tables_of(0, 12, chapters=5, utterances=3)
tables_of_many = tables_of(10, 25, chapters=2, utterances=2)
fold_counts = st.integers(2, 6)
seeds = st.integers(0, 2**32 - 1)


def missing_numbers(error):
    """Return {"female": 3} from "…: 3 female missing; …"."""
    (said,) = re.findall(r": (\d+ .*?)missing;", str(error))
    return {
        kind or "any": int(number) for number, kind in re.findall(r"(\d+) (male|female)?", said)
    }


def new_rows(count, gender, chapters, prefix="", utterances=1):
    rows = [
        (f"{prefix}{speaker}-{chapter}-{number}", f"{prefix}{speaker}", f"new {chapter}", gender, 5)
        for speaker in range(count)
        for chapter in range(chapters)
        for number in range(utterances)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def corpus(women, men, chapters=1, utterances=1):
    genders = (("F", women, "woman-"), ("M", men, "man-"))
    parts = [
        new_rows(count, gender, chapters, prefix, utterances) for gender, count, prefix in genders
    ]
    return pd.concat(parts, ignore_index=True)


def dealt_in_order(usable, folds, count):
    dealt = usable.merge(folds, on="utterance_id", validate="one_to_one")
    assert list(folds.columns) == ["utterance_id", "fold"]
    assert folds["utterance_id"].tolist() == usable["utterance_id"].tolist()
    assert set(dealt["fold"]) == set(range(count))
    return dealt


def check_gender_contract(table, folds, count):
    dealt = dealt_in_order(table[table["gender"].notna()], folds, count)
    assert dealt.groupby("speaker_id")["fold"].nunique().eq(1).all(), "a speaker straddles folds"
    speakers = dealt.drop_duplicates("speaker_id")
    tested = pd.crosstab(speakers["fold"], speakers["gender"])
    assert list(tested.columns) == ["F", "M"]
    assert (tested >= 1).all(axis=None)
    assert (tested.sum() - tested >= 2).all(axis=None), "too few to train on"


def check_speaker_contract(table, folds, count):
    usable = table[~table["speaker_id"].isin(single_chapter_speakers(table))]
    dealt = dealt_in_order(usable, folds, count)
    sessions = dealt.groupby(["speaker_id", "chapter_id"])["fold"]
    assert sessions.nunique().eq(1).all(), "a chapter straddles folds"
    speakers = dealt.groupby("speaker_id")["fold"].nunique()
    assert len(speakers) >= 2
    assert (speakers >= 2).all(), "a speaker is tested but never learnt"


@settings(max_examples=60)
@given(tables | tables_of_many, fold_counts, seeds)
def test_no_speaker_straddles_gender_folds_or_the_error_says_how_many_are_missing(
    table, count, seed
):
    try:
        folds = gender_folds(table, count, seed)
    except UserError as error:
        missing = missing_numbers(error)
        women = new_rows(missing.get("female", 0), "F", 1, "woman-")
        men = new_rows(missing.get("male", 0), "M", 1, "man-")
        enough = pd.concat([table, women, men])
        check_gender_contract(enough, gender_folds(enough, count, seed), count)
        for kind, rows in (("female", [table, women[1:], men]), ("male", [table, women, men[1:]])):
            if kind in missing:
                with pytest.raises(UserError, match=f": 1 {kind} missing"):
                    gender_folds(pd.concat(rows), count, seed)
    else:
        check_gender_contract(table, folds, count)


@settings(max_examples=60)
@given(tables, fold_counts)
def test_no_session_straddles_speaker_folds_or_the_error_says_how_many_are_missing(table, count):
    try:
        folds = speaker_folds(table, count)
    except UserError as error:
        missing = missing_numbers(error)["any"]
        if "folds.speaker is" in str(error):
            # Chapters are missing: someone who has several may record them.
            alone = single_chapter_speakers(table)
            reader = table.loc[~table["speaker_id"].isin(alone), "speaker_id"].iloc[0]
            each, more = 1, new_rows(1, "F", missing, "new-").assign(speaker_id=reader)
        else:
            each, more = count, new_rows(missing, "F", count, "new-")
        enough = pd.concat([table, more])
        check_speaker_contract(enough, speaker_folds(enough, count), count)
        with pytest.raises(UserError, match=": 1 missing"):
            speaker_folds(enough[:-each], count)
    else:
        check_speaker_contract(table, folds, count)


@settings(max_examples=30)
@given(tables)
def test_speakers_with_one_chapter_are_named_in_order(table):
    pairs = {tuple(row) for row in table[["speaker_id", "chapter_id"]].to_numpy()}
    counted = Counter(speaker for speaker, _ in sorted(pairs))
    assert single_chapter_speakers(table) == [name for name in counted if counted[name] == 1]


def by(unit):
    """Give the columns that a draw of speakers or utterances is made from."""
    return lambda table: (table[unit].tolist(), table["gender"].tolist())


speakers, utterances = by("speaker_id"), by("utterance_id")
DRAWS = {
    "gender_folds": lambda table, seed: gender_folds(table, 3, seed)["fold"],
    "speaker_folds": lambda table, _: speaker_folds(table, 2)["fold"],
    "hold_out_speakers": lambda table, seed: hold_out_speakers(*speakers(table), 0.3, seed),
    "hold_out_utterances": lambda table, seed: hold_out_utterances(*utterances(table), 0.3, seed),
    "deal_units": lambda table, seed: deal_units(*speakers(table), 3, seed),
}


@pytest.mark.parametrize("draw", DRAWS)
@settings(max_examples=10)
@given(seed=seeds, luck=st.randoms(use_true_random=False))
def test_the_seed_decides_every_draw_and_not_the_order_of_the_rows(draw, seed, luck):
    table = corpus(6, 6, chapters=2, utterances=2)
    order = list(range(len(table)))
    luck.shuffle(order)
    drawn, shuffled = (np.asarray(DRAWS[draw](rows, seed)) for rows in (table, table.iloc[order]))
    np.testing.assert_array_equal(drawn[order], shuffled)
    others = {tuple(DRAWS[draw](table, other)) for other in range(5)}
    assert len(others) > 1 or draw == "speaker_folds"


@settings(max_examples=20)
@given(fold_counts, st.integers(0, 8))
def test_speakers_of_each_gender_are_spread_evenly(count, more):
    table = corpus(count + 2 + more, count + 2)
    dealt = dealt_in_order(table, gender_folds(table, count, 0), count)
    sizes = dealt.groupby(["gender", "fold"]).size()
    assert max(np.ptp(sizes["F"]), np.ptp(sizes["M"])) <= 1


def test_sessions_are_spread_over_folds_by_how_long_they_are():
    long = new_rows(6, "F", 3, "long-").assign(seconds=60.0)
    table = pd.concat([long, new_rows(6, "M", 3, "short-").assign(seconds=5.0)])
    dealt = dealt_in_order(table, speaker_folds(table, 3), 3)
    speech = dealt.groupby("fold")["seconds"].sum()
    assert speech.max() == speech.min() == 6 * 65


def test_the_error_for_genders_says_what_there_is_and_what_to_do():
    with pytest.raises(UserError) as caught:
        gender_folds(corpus(3, 6), 5, 0)
    assert str(caught.value) == (
        "folds.gender is 5, which needs at least 5 speakers of each gender, but the corpus has "
        "3 female and 6 male: 2 female missing; add recordings, set folds.gender to 3, or set "
        "tasks to [speaker]."
    )


examples = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from("abc")), min_size=1, max_size=60
).map(lambda pairs: [(f"{label}{unit}", label) for unit, label in pairs])
"""[(unit, label)]: a unit, whether speaker or utterance, has one label."""


@pytest.mark.parametrize("hold_out", [hold_out_speakers, hold_out_utterances])
@settings(max_examples=40)
@given(examples=examples, fraction=st.floats(0.01, 0.5), seed=seeds)
def test_whole_units_are_held_out_of_every_label_that_has_two(hold_out, examples, fraction, seed):
    units, labels = (list(column) for column in zip(*examples, strict=True))
    held = hold_out(units, labels, fraction, seed)
    assert (held.dtype, held.shape) == (bool, (len(examples),))
    validation, training = (set(np.array(units)[which]) for which in (held, ~held))
    assert not validation & training
    for label in set(labels):
        own = {unit for unit, its in examples if its == label}
        expected = min(max(1, round(fraction * len(own))), len(own) - 1)
        assert len(own & validation) == expected


# --- units dealt at random --------------------------------------------------------------------


UNITS = ["chunk", "utterance", "chapter", "speaker"]


def cut(table):
    """Give each utterance one to three chunks."""
    counts = np.arange(len(table)) % 3 + 1
    chunks = table.loc[np.repeat(table.index, counts)]
    return chunks.assign(chunk=np.concatenate([np.arange(n) for n in counts])).reset_index()


@pytest.mark.parametrize("unit", UNITS)
@settings(max_examples=25)
@given(table=tables_of_many, folds=fold_counts, seed=seeds)
def test_no_unit_straddles_folds_and_a_label_with_two_is_outside_of_every_fold(
    unit, table, folds, seed
):
    chunks = cut(table)
    chunks["unit"] = name_units(chunks, unit)
    dealt = chunks.assign(fold=deal_units(chunks["unit"], chunks["speaker_id"], folds, seed))
    assert dealt.groupby("unit")["fold"].nunique().eq(1).all()
    of_units = dealt.drop_duplicates("unit")
    for own in (of_units, *(rows for _, rows in of_units.groupby("speaker_id"))):
        sizes = np.bincount(own["fold"], minlength=folds)
        assert len(sizes) == folds
        assert sizes.max() - sizes.min() <= 1


def test_chapters_of_one_name_differ_by_their_speaker():
    rows = [("1-7-0000", "1", "7", 0), ("1-7-0000", "1", "7", 1), ("2-7-0000", "2", "7", 0)]
    chunks = pd.DataFrame(rows, columns=["utterance_id", "speaker_id", "chapter_id", "chunk"])
    counts = {unit: len(set(name_units(chunks, unit))) for unit in UNITS}
    assert counts == {"chunk": 3, "utterance": 2, "chapter": 2, "speaker": 2}


# --- folds of a training part, on which a choice is made ---------------------------------------


# Some speakers have a single chapter, or utterance, or chunk.
training_parts = tables_of(4, 8, chapters=3, utterances=3).map(cut)


@settings(max_examples=40)
@given(training=training_parts, folds=st.integers(2, 5))
def test_no_speaker_straddles_the_inner_folds_of_gender(training, folds):
    training["label"] = np.where(training["speaker_id"].astype(int) % 2, "F", "M")
    training["fold"] = inner_folds("gender", training, folds, seed=0)
    assert training.groupby("speaker_id")["fold"].nunique().eq(1).all()
    assert (training["fold"] >= 0).all()
    for _, own in training.groupby("label"):
        assert len(set(own["fold"])) > 1


@settings(max_examples=40)
@given(training=training_parts, folds=st.integers(2, 5))
def test_no_session_straddles_the_inner_folds_of_speakers_as_long_as_anyone_has_two(
    training, folds
):
    """Speakers with a single session, who cannot be validated on another one, stay in training."""
    training["label"] = training["speaker_id"]
    training["fold"] = inner_folds("speaker", training, folds, seed=0)
    for unit in ("chapter", "utterance", "chunk"):
        training["unit"] = name_units(training, unit)
        counts = training.groupby("speaker_id")["unit"].nunique()
        if counts.max() > 1:
            break
    assert training.groupby("unit")["fold"].nunique().eq(1).all()
    for speaker, own in training.groupby("speaker_id"):
        found = set(own["fold"])
        assert (len(found) > 1 and min(found) >= 0) if counts[speaker] > 1 else found == {-1}
