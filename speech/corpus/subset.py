"""A part of a corpus: so many speakers of each gender, with so many chapters and minutes."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from heapq import nsmallest

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from speech.errors import UserError
from speech.folds import GENDERS
from speech.params import SAMPLE_RATE, CorpusSubset


def choose_subset(utterances: pd.DataFrame, subset: CorpusSubset, seed: int) -> NDArray[np.bool_]:
    """Choose utterances; the same ones whatever their order and whatever the machine.

    A speaker takes part who has `chapters_at_least` chapters. With `minutes_per_speaker`, the
    chapters give one whole utterance in turn, as long as another one fits, so that speech comes
    from all of them; at least from `chapters_at_least`, or the speaker takes no part. With
    `speakers_per_gender`, so many are drawn of each gender, and nobody without one; a larger
    number adds speakers to those of a smaller one.

    Parameters
    ----------
    utterances
        With utterance_id, speaker_id, chapter_id, gender and samples.
    subset
        How much of it.
    seed
        Of every draw.

    Returns
    -------
    ndarray of bool, shape (utterances,)
        True for what is chosen.

    Raises
    ------
    UserError
        If fewer speakers can give that than are asked for; says how many there are.
    """
    kept = {
        str(speaker): ids
        for speaker, own in utterances.groupby("speaker_id")
        if (ids := _cut(own, subset, seed))
    }
    genders = utterances.drop_duplicates("speaker_id").set_index("speaker_id")["gender"]
    if subset.speakers_per_gender is not None:
        by_lot = {
            code: _shuffled((name for name in kept if genders[name] == code), seed)
            for code in GENDERS
        }
        _check_number(by_lot, subset)
        kept = {
            name: kept[name]
            for names in by_lot.values()
            for name in names[: subset.speakers_per_gender]
        }
    elif not kept:
        raise UserError(f"subset: nobody in the corpus has {_terms(subset)}; ask for less.")
    chosen = {utterance for ids in kept.values() for utterance in ids}
    return utterances["utterance_id"].isin(chosen).to_numpy()


def _cut(own: pd.DataFrame, subset: CorpusSubset, seed: int) -> list[str]:
    """Choose among one speaker's utterances; nothing if they cannot give what is asked."""
    if own["chapter_id"].nunique() < subset.chapters_at_least:
        return []
    if subset.minutes_per_speaker is None:
        return own["utterance_id"].tolist()

    chapters = {
        name: _shuffled(ids, seed) for name, ids in own.groupby("chapter_id")["utterance_id"]
    }
    # Counted in samples, whose sums do not depend on the order.
    samples = dict(zip(own["utterance_id"], own["samples"].tolist(), strict=True))
    left = subset.minutes_per_speaker * 60 * SAMPLE_RATE
    shortest = {name: min(map(samples.__getitem__, ids)) for name, ids in chapters.items()}
    chosen: list[str] = []
    begun: set[str] = set()
    chose_one = True
    while chose_one:
        chose_one = False
        for name in _shuffled(chapters, seed):
            # What the chapters still missing need at the least is not given away.
            shortest.pop(name, None)
            missing = subset.chapters_at_least - len(begun | {name})
            free = left - sum(nsmallest(max(missing, 0), shortest.values()))
            utterance = next((one for one in chapters[name] if samples[one] <= free), None)
            if utterance is not None:
                chapters[name].remove(utterance)
                chosen.append(utterance)
                begun.add(name)
                left -= samples[utterance]
                chose_one = True
    return chosen if len(begun) >= subset.chapters_at_least else []


def _shuffled(names: Iterable[str], seed: int) -> list[str]:
    """Order names by lot: each draws its own, so others that come or go do not matter."""
    return sorted(names, key=lambda name: blake2b(f"{seed} {name}".encode()).digest())


def _check_number(by_lot: Mapping[str, Sequence[str]], subset: CorpusSubset) -> None:
    if any(len(names) < subset.speakers_per_gender for names in by_lot.values()):
        there = " and ".join(f"{len(by_lot[code])} {name}" for code, name in GENDERS.items())
        raise UserError(
            f"subset.speakers_per_gender is {subset.speakers_per_gender}, but the corpus has "
            f"{there} speakers with {_terms(subset)}; ask for less."
        )


def _terms(subset: CorpusSubset) -> str:
    """Say what a speaker must be able to give."""
    chapters = f"{subset.chapters_at_least} chapter{'s' * (subset.chapters_at_least > 1)} or more"
    minutes = subset.minutes_per_speaker
    return chapters if minutes is None else f"{chapters} within {minutes:g} minutes"
