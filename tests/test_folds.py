"""The two contracts of cross-validation, for any table of speakers.

Either no speaker (gender) or session (speaker) is in both training and test, or an error says how
many speakers or chapters are missing, and adding that many is enough.
"""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech.errors import UserError
from speech.folds import (
    check_folds,
    deal_speakers,
    deal_units,
    gender_folds,
    hold_out,
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


def new_rows(count, gender, chapters=1, prefix="", utterances=1):
    rows = [
        (f"{prefix}{speaker}-{chapter}-{number}", f"{prefix}{speaker}", f"new {chapter}", gender, 5)
        for speaker in range(count)
        for chapter in range(chapters)
        for number in range(utterances)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def corpus(women, men, chapters=1, utterances=1):
    of_women = new_rows(women, "F", chapters, "woman-", utterances)
    of_men = new_rows(men, "M", chapters, "man-", utterances)
    return pd.concat([of_women, of_men], ignore_index=True)


def check_contract(usable, folds, count, task):
    """Check the rows' order, that all folds are there, and that nothing straddles them."""
    dealt = usable.merge(folds, on="utterance_id", validate="one_to_one")
    assert list(folds.columns) == ["utterance_id", "fold"]
    assert folds["utterance_id"].tolist() == usable["utterance_id"].tolist()
    assert set(dealt["fold"]) == set(range(count))
    whole = ["speaker_id"] if task == "gender" else ["speaker_id", "chapter_id"]
    assert dealt.groupby(whole)["fold"].nunique().eq(1).all(), f"a part of {task} straddles folds"
    check_folds(dealt, task)
    return dealt


def check_gender_contract(table, folds, count):
    dealt = check_contract(table[table["gender"].notna()], folds, count, "gender")
    speakers = dealt.drop_duplicates("speaker_id")
    tested = pd.crosstab(speakers["fold"], speakers["gender"])
    assert list(tested.columns) == ["F", "M"]
    assert (tested >= 1).all(axis=None)
    assert np.ptp(tested, axis=0).max() <= 1, "not spread evenly"
    assert (tested.sum() - tested >= 2).all(axis=None), "too few to train on"


def check_speaker_contract(table, folds, count):
    alone = single_chapter_speakers(table)
    chapters = table.groupby("speaker_id")["chapter_id"].nunique()
    assert alone == sorted(chapters.index[chapters == 1])
    dealt = check_contract(table[~table["speaker_id"].isin(alone)], folds, count, "speaker")
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
        women = new_rows(missing.get("female", 0), "F", prefix="woman-")
        men = new_rows(missing.get("male", 0), "M", prefix="man-")
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


def test_sessions_are_spread_over_folds_by_how_long_they_are():
    long = new_rows(6, "F", 3, "long-").assign(seconds=60.0)
    table = pd.concat([long, new_rows(6, "M", 3, "short-").assign(seconds=5.0)])
    dealt = table.merge(speaker_folds(table, 3), on="utterance_id")
    speech = dealt.groupby("fold")["seconds"].sum()
    assert speech.max() == speech.min() == 6 * 65


@pytest.mark.parametrize(
    ("women", "men", "found", "ways_out"),
    [
        (3, 6, "3 female and 6 male: 2 female missing", "set folds.gender to 3, or"),
        (0, 0, "0 female and 0 male: 5 female and 5 male missing", "or"),
    ],
)
def test_the_error_for_genders_says_what_there_is_and_what_to_do(women, men, found, ways_out):
    for others, write in (
        (0, ""),
        (3, "write F or M for the 3 that have neither, "),
    ):
        with pytest.raises(UserError) as caught:
            gender_folds(pd.concat([corpus(women, men), new_rows(others, None)]), 5, 0)
        assert str(caught.value) == (
            "folds.gender is 5, which needs at least 5 speakers of each gender, but the corpus has "
            f"{found}; {write}add recordings, {ways_out} set tasks to [speaker]."
        )


def test_the_errors_for_sessions_say_that_gender_alone_needs_none():
    for table in (corpus(4, 4), corpus(2, 0, chapters=2)):
        with pytest.raises(UserError, match=r"missing; .*set tasks to \[gender\]\.$"):
            speaker_folds(table, 5)


@pytest.mark.parametrize(
    ("task", "column", "planted", "named", "other"),
    [
        # Of woman-0, whose rows are the first four, the second session; or half of the first.
        ("gender", "fold", {2: 1, 3: 1}, "speaker_id woman-0", 2),
        ("speaker", "fold", {1: 1}, "speaker_id woman-0, chapter_id new 0", 1),
        # A recording of woman-1, all of whose rows are in the other fold.
        ("gender", "content", {0: "sound 4"}, "content sound 4", 4),
        ("speaker", "content", {0: "sound 4"}, "content sound 4", 4),
    ],
)
def test_what_straddles_folds_that_anything_wrote_is_refused_by_name(
    task, column, planted, named, other
):
    table = corpus(2, 2, chapters=2, utterances=2)
    table = table.assign(fold=pd.factorize(table["speaker_id"])[0] % 2)
    # Copies within a fold are no breach.
    table["content"] = [f"sound {max(number, 1)}" for number in range(len(table))]
    check_folds(table, task)
    for row, value in planted.items():
        table.loc[row, column] = value
    utterances = " and ".join(table.loc[[0, other], "utterance_id"])
    where = rf"^folds: {named} is in folds 0 and 1, by the utterances {utterances}, .*split_by_sp"
    with pytest.raises(UserError, match=where):
        check_folds(table, task)
    # Rows that take no part are in neither training nor test.
    table.loc[list(planted), "fold"] = -1
    check_folds(table, task)


# --- units dealt at random --------------------------------------------------------------------


DRAWS = {
    "gender_folds": lambda table, seed: gender_folds(table, 3, seed)["fold"],
    "speaker_folds": lambda table, _: speaker_folds(table, 2)["fold"],
    "hold_out": lambda table, seed: hold_out(table["utterance_id"], table["gender"], 0.3, seed),
    "deal_units": lambda table, seed: deal_units(table["speaker_id"], table["gender"], 3, seed),
    "deal_speakers": lambda table, seed: deal_speakers(table, 3, seed),
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


examples = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from("abc")), min_size=1, max_size=60
).map(lambda pairs: [(f"{label}{unit}", label) for unit, label in pairs])
"""[(unit, label)]: a unit, whether speaker or utterance, has one label."""


@settings(max_examples=40)
@given(examples=examples, fraction=st.floats(0.01, 0.5), seed=seeds)
def test_whole_units_are_held_out_of_every_label_that_has_two(examples, fraction, seed):
    units, labels = (list(column) for column in zip(*examples, strict=True))
    held = hold_out(units, labels, fraction, seed)
    assert (held.dtype, held.shape) == (bool, (len(examples),))
    validation, training = (set(np.array(units)[which]) for which in (held, ~held))
    assert not validation & training
    for label in set(labels):
        own = {unit for unit, its in examples if its == label}
        expected = min(max(1, round(fraction * len(own))), len(own) - 1)
        assert len(own & validation) == expected


@settings(max_examples=40)
@given(tables_of(1, 12, chapters=2, utterances=2), fold_counts, seeds)
def test_every_speaker_is_dealt_whole_to_a_fold_of_two_or_more_whatever_the_gender(
    table, count, seed
):
    speakers = table.assign(fold=deal_speakers(table, count, seed))
    assert speakers.groupby("speaker_id")["fold"].nunique().eq(1).all()
    speakers = speakers.drop_duplicates("speaker_id")
    sizes = np.bincount(speakers["fold"])
    assert len(sizes) == max(1, min(count, len(speakers) // 2))
    assert len(sizes) == 1 or sizes.min() >= 2
    for _, own in speakers.groupby(speakers["gender"].fillna("")):
        assert np.ptp(np.bincount(own["fold"], minlength=len(sizes))) <= 1


def cut(table):
    """Give each utterance one to three chunks."""
    counts = np.arange(len(table)) % 3 + 1
    chunks = table.loc[np.repeat(table.index, counts)]
    return chunks.assign(chunk=np.concatenate([np.arange(n) for n in counts])).reset_index()


@pytest.mark.parametrize("unit", ["chunk", "utterance", "chapter", "speaker"])
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


# --- folds of a training part, on which a choice is made ---------------------------------------


# Some speakers have a single chapter, or utterance, or chunk.
training_parts = tables_of(4, 8, chapters=3, utterances=3).map(cut)


@pytest.mark.parametrize("task", ["gender", "speaker"])
@settings(max_examples=40)
@given(training=training_parts, folds=st.integers(2, 5))
def test_nothing_straddles_inner_folds_and_the_only_unit_of_a_label_stays_in_training(
    task, training, folds
):
    """Chapters are dealt as long as anyone has two, then utterances, then chunks."""
    training["label"] = training["speaker_id"]
    if task == "gender":
        training["label"] = np.where(training["speaker_id"].astype(int) % 2, "F", "M")
    training["fold"] = inner_folds(task, training, folds, seed=0)
    for unit in ["speaker"] if task == "gender" else ["chapter", "utterance", "chunk"]:
        training["unit"] = name_units(training, unit)
        counts = training.groupby("label")["unit"].nunique()
        if counts.max() > 1:
            break
    assert training.groupby("unit")["fold"].nunique().eq(1).all()
    for label, own in training.groupby("label"):
        found = set(own["fold"])
        assert (len(found) > 1 and min(found) >= 0) if counts[label] > 1 else found == {-1}
