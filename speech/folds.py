"""The two contracts of cross-validation: speakers disjoint for gender, sessions for speaker.

The contracts are code here, at the one place where folds are made: whatever table comes in,
either they hold or a `UserError` says how many speakers or chapters are missing. Where folds are
used, `check_folds` checks the contracts again, whatever wrote the folds.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from speech.errors import UserError

FEMALE, MALE = "F", "M"

GENDERS = {FEMALE: "female", MALE: "male"}
"""In the order in which they are counted, compared and drawn."""

Task = Literal["gender", "speaker"]
Unit = Literal["chunk", "utterance", "chapter", "speaker"]

_KNOWN_BY: dict[Unit, list[str]] = {
    "chunk": ["utterance_id", "chunk"],
    "utterance": ["utterance_id"],
    "chapter": ["speaker_id", "chapter_id"],
    "speaker": ["speaker_id"],
}

ALL_FOLDS = "all"
"""In the place of a fold: what is chosen by all data, for what is fitted on all data."""

_WHOLE: dict[Task, list[Unit]] = {
    "gender": ["speaker"],
    "speaker": ["chapter", "utterance", "chunk"],
}
"""What inner folds keep whole: the first of which some label has two or more."""


def gender_folds(utterances: pd.DataFrame, folds: int, seed: int) -> pd.DataFrame:
    """Assign whole speakers to folds, each fold with both genders.

    Folds are drawn on the table of speakers, stratified by gender: with few groups,
    `StratifiedGroupKFold` on utterances would give empty or one-sided folds.

    Parameters
    ----------
    utterances
        With utterance_id, speaker_id and gender; those without a gender take no part.
    folds
        How many.
    seed
        Of the draw.

    Returns
    -------
    DataFrame
        utterance_id, fold (0 … folds - 1), in the order of `utterances`.

    Raises
    ------
    UserError
        If a gender has too few speakers for every fold to hold one and every training part two.
    """
    from sklearn.model_selection import StratifiedKFold

    usable = utterances[utterances["gender"].isin(list(GENDERS))]
    speakers = (
        usable[["speaker_id", "gender"]]
        .drop_duplicates("speaker_id")
        .sort_values("speaker_id", ignore_index=True)
    )
    others = utterances["speaker_id"].nunique() - len(speakers)
    _check_genders(speakers, folds, others)

    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    fold_of: dict[str, int] = {}
    for fold, (_, tested) in enumerate(splitter.split(speakers, speakers["gender"])):
        fold_of.update(dict.fromkeys(speakers["speaker_id"].iloc[tested], fold))
    return _fold_table(usable, usable["speaker_id"].map(fold_of))


def speaker_folds(utterances: pd.DataFrame, folds: int) -> pd.DataFrame:
    """Assign each speaker's chapters to folds, so that no session is in training and test.

    Chapters of one speaker go to different folds as long as there are folds left, the longest
    first, each to the fold with the least speech so far. So no chapter straddles folds, and every
    speaker keeps at least one chapter in training for every fold it is tested in. Speakers with a
    single chapter take no part (see `single_chapter_speakers`).

    Parameters
    ----------
    utterances
        With utterance_id, speaker_id, chapter_id and seconds; all long enough for the task.
        Chapters of two speakers may have the same id.
    folds
        How many.

    Returns
    -------
    DataFrame
        utterance_id, fold (0 … folds - 1), in the order of `utterances`.

    Raises
    ------
    UserError
        If fewer than two speakers have two chapters, or there are fewer chapters than folds.
    """
    usable = utterances[~utterances["speaker_id"].isin(single_chapter_speakers(utterances))]
    chapters = (
        usable.groupby(["speaker_id", "chapter_id"], as_index=False)["seconds"]
        .sum()
        .sort_values(["speaker_id", "seconds", "chapter_id"], ascending=[True, False, True])
    )
    _check_chapters(chapters, folds)
    fold_of = _deal_chapters(chapters, folds)
    keys = pd.MultiIndex.from_frame(usable[["speaker_id", "chapter_id"]])
    return _fold_table(usable, pd.Series(keys.map(fold_of), index=usable.index))


def single_chapter_speakers(utterances: pd.DataFrame) -> list[str]:
    """Name the speakers with one session only, who cannot be tested on another one."""
    chapters = utterances.groupby("speaker_id")["chapter_id"].nunique()
    return sorted(chapters.index[chapters < 2])


def check_folds(table: pd.DataFrame, task: Task) -> None:
    """Check the contract of a task's folds, whatever wrote them.

    Parameters
    ----------
    table
        One row per utterance or chunk: utterance_id, speaker_id, chapter_id, fold (-1: takes no
        part) and, where it is known, content (of the decoded samples, the same for copies of a
        recording).
    task
        ``gender``: no speaker may be in two folds. ``speaker``: no chapter may. Of neither task may
        copies of one recording be in two.

    Raises
    ------
    UserError
        If one is; names the first, and two of its utterances.
    """
    session = ["speaker_id"] if task == "gender" else ["speaker_id", "chapter_id"]
    for by in [session, ["content"]] if "content" in table else [session]:
        columns = [*by, "fold", "utterance_id"]
        dealt = table.loc[table["fold"] >= 0, columns].drop_duplicates([*by, "fold"])
        straddling = dealt[dealt.duplicated(by, keep=False)].sort_values([*by, "fold"])
        if len(straddling):
            first, second = straddling.head(2).to_dict("records")
            named = ", ".join(f"{name} {first[name]}" for name in by)
            raise UserError(
                f"folds: {named} is in folds {first['fold']} and {second['fold']}, by the "
                f"utterances {first['utterance_id']} and {second['utterance_id']}, so it would be "
                "in training and in test at once; run `dvc repro --force split_by_speaker` to deal "
                "anew."
            )


def hold_out(
    units: Sequence[str], labels: Sequence[str], fraction: float, seed: int
) -> NDArray[np.bool_]:
    """Choose validation examples by whole units, at least one of each label that has two.

    Parameters
    ----------
    units
        The speaker or utterance of each example, shape (examples,).
    labels
        Of each example, shape (examples,).
    fraction
        Of each label's units; at least one stays.
    seed
        Of the draw.

    Returns
    -------
    ndarray of bool, shape (examples,)
        True for validation.
    """
    random = np.random.default_rng(seed)
    table = pd.DataFrame({"unit": units, "label": labels}).drop_duplicates()
    drawn: list[str] = []
    for _, own in table.sort_values(["label", "unit"]).groupby("label")["unit"]:
        count = min(max(1, round(fraction * len(own))), len(own) - 1)
        drawn.extend(random.choice(own.to_numpy(dtype=object), count, replace=False))
    return np.isin(np.asarray(units), drawn)


def name_units(chunks: pd.DataFrame, unit: Unit) -> NDArray[np.str_]:
    """Name the unit that each chunk belongs to, no two units of a corpus alike.

    Parameters
    ----------
    chunks
        With utterance_id, speaker_id, chapter_id and chunk.
    unit
        Which.

    Returns
    -------
    ndarray of shape (chunks,)
        The names.
    """
    first, *rest = _KNOWN_BY[unit]
    return chunks[first].str.cat(chunks[rest].astype(str), sep="/").to_numpy(dtype=str)


def deal_units(
    units: Sequence[str] | NDArray[np.str_],
    labels: Sequence[str] | NDArray[np.str_],
    folds: int,
    seed: int,
) -> NDArray[np.int64]:
    """Deal whole units to folds at random, those of each label as evenly as can be.

    A label with two units or more has at least one outside of every fold.

    Parameters
    ----------
    units
        What each example belongs to, shape (examples,); all examples of a unit have one label.
    labels
        Of each example, shape (examples,).
    folds
        How many, at least two.
    seed
        Of the draw; which units there are decides it, not the order of the examples.

    Returns
    -------
    ndarray of shape (examples,)
        The fold (0 … folds - 1) of each example.
    """
    table = pd.DataFrame({"unit": units, "label": labels}).drop_duplicates()
    shuffled = table.sort_values("unit").sample(frac=1, random_state=seed)
    # One after the other, so that units of one label never share a fold while another has none.
    dealt = shuffled.sort_values("label", kind="stable")["unit"]
    fold_of = pd.Series(np.arange(len(dealt)) % folds, index=dealt)
    return fold_of.loc[list(units)].to_numpy(np.int64)


def deal_speakers(table: pd.DataFrame, folds: int, seed: int) -> NDArray[np.int64]:
    """Deal whole speakers to folds, with or without a gender on record.

    Parameters
    ----------
    table
        With speaker_id and gender. Those of each gender, and those without one, are dealt as
        evenly as can be.
    folds
        How many, at most: every fold holds two speakers or more, as trials of two speakers need.
    seed
        As in `deal_units`.

    Returns
    -------
    ndarray of shape (rows,)
        The fold of each row; all 0 where there are fewer than four speakers.
    """
    speakers = table["speaker_id"].to_numpy(dtype=str)
    count = max(1, min(folds, len(np.unique(speakers)) // 2))
    return deal_units(speakers, table["gender"].fillna("").to_numpy(dtype=str), count, seed)


def inner_folds(task: Task, training: pd.DataFrame, folds: int, seed: int) -> NDArray[np.int64]:
    """Deal the chunks of a training part to inner folds, on which a choice is made.

    For gender whole speakers are dealt; for speaker whole chapters. The only unit of a label
    is in all training parts. Where nobody has two chapters, whole utterances are dealt.

    Parameters
    ----------
    task
        Which.
    training
        utterance_id, speaker_id, chapter_id, chunk and label, one row per chunk.
    folds, seed
        As in `deal_units`.

    Returns
    -------
    ndarray of shape (chunks,)
        The inner fold of each; -1 for the only unit of a label, which is in training only.
    """
    labels = training["label"].to_numpy(dtype=str)
    for unit in _WHOLE[task]:
        units = name_units(training, unit)
        counts = pd.Series(units).groupby(labels).nunique()
        alone = counts.loc[labels].to_numpy() == 1
        if not alone.all():
            break
    return np.where(alone, -1, deal_units(units, labels, folds, seed))


def _deal_chapters(chapters: pd.DataFrame, folds: int) -> dict[tuple[str, str], int]:
    load = np.zeros(folds)
    fold_of: dict[tuple[str, str], int] = {}
    for _, own in chapters.groupby("speaker_id"):
        used = np.zeros(folds, dtype=int)
        for row in own.itertuples():
            # Least used by this speaker first, then least loaded: two chapters never share a
            # fold while another is free, which is what keeps the speaker in training.
            fold = min(range(folds), key=lambda f: (used[f], load[f]))
            used[fold] += 1
            load[fold] += row.seconds
            fold_of[row.speaker_id, row.chapter_id] = fold
    return fold_of


def _fold_table(utterances: pd.DataFrame, folds: pd.Series) -> pd.DataFrame:
    return pd.DataFrame(
        {"utterance_id": utterances["utterance_id"], "fold": folds.astype(int)}
    ).reset_index(drop=True)


def _check_genders(speakers: pd.DataFrame, folds: int, others: int) -> None:
    # Of each gender, networks are validated on one speaker and learn from another. With two folds
    # no more than half of the speakers are left for that, with more folds all but one.
    needed = 4 if folds == 2 else folds
    counts = {name: int((speakers["gender"] == code).sum()) for code, name in GENDERS.items()}
    fewest = min(counts.values())
    if fewest < needed:
        missing = [f"{needed - count} {name}" for name, count in counts.items() if count < needed]
        there = [f"{count} {name}" for name, count in counts.items()]
        way_out = f", set folds.gender to {fewest}" if 3 <= fewest < folds else ""
        write = f"write F or M for the {others} that have neither, " if others else ""
        raise UserError(
            f"folds.gender is {folds}, which needs at least {needed} speakers of each gender, but "
            f"the corpus has {' and '.join(there)}: {' and '.join(missing)} missing; "
            f"{write}add recordings{way_out}, or set tasks to [speaker]."
        )


def _check_chapters(chapters: pd.DataFrame, folds: int) -> None:
    speakers = chapters["speaker_id"].nunique()
    if speakers < 2:
        raise UserError(
            "corpus: the speaker task needs at least 2 speakers with 2 chapters or more, but the "
            f"corpus has {speakers}: {2 - speakers} missing; add recordings of a second session, "
            "or set tasks to [gender]."
        )
    if len(chapters) < folds:
        raise UserError(
            f"folds.speaker is {folds}, which needs at least {folds} chapters, but the corpus has "
            f"{len(chapters)}: {folds - len(chapters)} missing; add recordings, lower "
            "folds.speaker, or set tasks to [gender]."
        )
