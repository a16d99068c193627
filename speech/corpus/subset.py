"""A part of a corpus: so many speakers of each gender, with so many chapters and minutes."""

from collections.abc import Iterable
from hashlib import blake2b
from heapq import nsmallest
from itertools import chain

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE
from speech.errors import UserError
from speech.folds import GENDERS


def choose_subset(
    utterances: pd.DataFrame,
    *,
    speakers_per_gender: int | None = None,
    chapters_at_least: int = 1,
    minutes_per_speaker: float | None = None,
    seed: int = 17,
) -> NDArray[np.bool_]:
    """Choose utterances; the same ones whatever their order and whatever the machine.

    Parameters
    ----------
    utterances
        With utterance_id, speaker_id, chapter_id, gender and samples.
    speakers_per_gender
        So many are drawn of each gender, and nobody without one; a larger number adds speakers to
        those of a smaller one. None for all.
    chapters_at_least
        Speakers with fewer are left out.
    minutes_per_speaker
        At most. The chapters give one whole utterance in turn, as long as another one fits, so
        that speech comes from all of them; at least from `chapters_at_least`, or the speaker is
        left out. None for all.
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
    kept: dict[str, list[str]] = {}
    for speaker, own in utterances.groupby("speaker_id"):
        if own["chapter_id"].nunique() >= chapters_at_least:
            if minutes_per_speaker is None:
                kept[str(speaker)] = own["utterance_id"].tolist()
            elif ids := _cut(own, chapters_at_least, minutes_per_speaker, seed):
                kept[str(speaker)] = ids
    terms = f"{chapters_at_least} chapter{'s' * (chapters_at_least > 1)} or more"
    if minutes_per_speaker is not None:
        terms += f" within {minutes_per_speaker:g} minutes"
    if speakers_per_gender is not None:
        genders = utterances.drop_duplicates("speaker_id").set_index("speaker_id")["gender"]
        able = {code: [name for name in kept if genders[name] == code] for code in GENDERS}
        if any(len(names) < speakers_per_gender for names in able.values()):
            there = " and ".join(f"{len(able[code])} {name}" for code, name in GENDERS.items())
            raise UserError(
                f"subset.speakers_per_gender is {speakers_per_gender}, but the corpus has "
                f"{there} speakers with {terms}; ask for less."
            )
        drawn = [_shuffled(names, seed)[:speakers_per_gender] for names in able.values()]
        kept = {name: kept[name] for names in drawn for name in names}
    elif not kept:
        raise UserError(f"subset: nobody in the corpus has {terms}; ask for less.")
    return utterances["utterance_id"].isin(chain.from_iterable(kept.values())).to_numpy()


def _cut(
    own: pd.DataFrame, chapters_at_least: int, minutes_per_speaker: float, seed: int
) -> list[str]:
    """Choose among one speaker's utterances; nothing if they cannot give what is asked."""
    chapters = {
        str(name): _shuffled(ids, seed) for name, ids in own.groupby("chapter_id")["utterance_id"]
    }
    # Counted in samples, whose sums do not depend on the order.
    samples = dict(zip(own["utterance_id"], own["samples"].tolist(), strict=True))
    left = minutes_per_speaker * 60 * SAMPLE_RATE
    shortest = {name: min(samples[one] for one in ids) for name, ids in chapters.items()}
    chosen: list[str] = []
    begun: set[str] = set()
    chose_one = True
    while chose_one:
        chose_one = False
        for name in _shuffled(chapters, seed):
            # What the chapters still missing need at the least is not given away.
            shortest.pop(name, None)
            missing = chapters_at_least - len(begun | {name})
            free = left - sum(nsmallest(max(missing, 0), shortest.values()))
            utterance = next((one for one in chapters[name] if samples[one] <= free), None)
            if utterance is not None:
                chapters[name].remove(utterance)
                chosen.append(utterance)
                begun.add(name)
                left -= samples[utterance]
                chose_one = True
    return chosen if len(begun) >= chapters_at_least else []


def _shuffled(names: Iterable[str], seed: int) -> list[str]:
    """Order names by lot: each draws its own, so others that come or go do not matter."""
    return sorted(names, key=lambda name: blake2b(f"{seed} {name}".encode()).digest())
