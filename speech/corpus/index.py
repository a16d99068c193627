"""One row per usable utterance, and the reason for every file that is none."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unicodedata import category

import pandas as pd

from speech.audio.decode import AudioFacts, decoder_digest, file_digest, inspect_audio
from speech.corpus.layouts import Recording
from speech.corpus.subset import choose_subset
from speech.errors import UserError
from speech.folds import GENDERS
from speech.parallel import Progress, silent, spread

UTTERANCE_COLUMNS = [
    "utterance_id",
    "speaker_id",
    "chapter_id",
    "gender",
    "path",
    "seconds",
    "samples",
    "sample_rate",
    "channels_cancel",
    "digest",
    "content",
]
REJECTED_COLUMNS = ["path", "utterance_id", "left_out_of", "reason"]

BOTH_TASKS, GENDER_TASK, SPEAKER_TASK = "both tasks", "gender", "speaker"
NO_GENDER = "no gender on record"
TOO_SHORT_FOR_SPEAKER = "shorter than one chunk"

_LONGEST_SPEAKER = 100
"""Bytes of a speaker id: it becomes a file name, for which file systems have 255, and in which
some characters take three."""

_WRONG_IDS = {
    "speaker_id": "be empty, hold a control character, begin with a dot or be longer than "
    f"{_LONGEST_SPEAKER} bytes",
    "utterance_id": "be empty, hold a control character or hold a slash",
}

_DECODER = "decoder"


@dataclass(frozen=True)
class CorpusIndex:
    """What a corpus holds.

    Attributes
    ----------
    utterances
        One row per usable utterance of the subset, sorted by speaker, chapter and utterance;
        `path` is relative to the folder of the recordings, `gender` is F, M or missing, `digest`
        is that of the file and `content` that of its samples (see `AudioFacts`).
    left_out
        The same for what is usable, but not in the subset.
    rejected
        One row per file and task it is left out of, with the reason.
    facts
        What was found in each file, by content, and by which decoder: spares the next run the
        decoding.
    """

    utterances: pd.DataFrame
    left_out: pd.DataFrame
    rejected: pd.DataFrame
    facts: pd.DataFrame


def index_corpus(
    audio: Path,
    recordings: Sequence[Recording],
    *,
    unread_genders: Mapping[str, str] = MappingProxyType({}),
    min_seconds: float = 0.5,
    chunk_samples: int = 32_000,
    known: pd.DataFrame | None = None,
    jobs: int = 1,
    progress: Progress = silent,
    **subset: Any,
) -> CorpusIndex:
    """Look at every audio file of a corpus once.

    Parameters
    ----------
    audio
        The folder of the recordings.
    recordings
        What the corpus's layout says of them.
    unread_genders
        By speaker, what is on record in place of a gender.
    min_seconds
        Shorter recordings are used for neither task.
    chunk_samples
        Shorter recordings are not used for the speaker task.
    known
        The `facts` of an earlier run; files with the same content are not decoded again, unless
        the decoder is another now.
    jobs, progress
        As in `speech.parallel.spread`.
    **subset
        As in `choose_subset`, which is given the usable utterances.

    Raises
    ------
    UserError
        If an id cannot be used as a name, nothing is usable, or the corpus is too small for the
        subset.
    """
    placed = [item for item in recordings if not item.problem]
    _check_ids(placed)
    known_facts = _by_digest(known)

    def look(recording: Recording) -> AudioFacts:
        path = audio / recording.path
        remembered = None
        if known_facts:
            with suppress(OSError):
                remembered = known_facts.get(file_digest(path))
        return remembered or inspect_audio(path)

    facts = spread(look, placed, jobs, progress, prefer="threads")
    usable, rejected = _separate(placed, facts, min_seconds)
    rejected += [(item.path, "", BOTH_TASKS, item.problem) for item in recordings if item.problem]
    if usable.empty:
        raise UserError(_nothing_usable(rejected))
    chosen = choose_subset(usable, **subset)
    utterances = usable[chosen].reset_index(drop=True)
    for row in utterances.itertuples():
        if pd.isna(row.gender):
            written = unread_genders.get(str(row.speaker_id))
            reason = f"{NO_GENDER} ({written})" if written else NO_GENDER
            rejected.append((str(row.path), str(row.utterance_id), GENDER_TASK, reason))
        if row.samples < chunk_samples:
            reason = TOO_SHORT_FOR_SPEAKER
            rejected.append((str(row.path), str(row.utterance_id), SPEAKER_TASK, reason))
    return CorpusIndex(
        utterances=utterances,
        left_out=usable[~chosen].reset_index(drop=True),
        rejected=pd.DataFrame(rejected, columns=REJECTED_COLUMNS).sort_values(
            ["path", "left_out_of"], ignore_index=True
        ),
        facts=_facts_table(facts),
    )


def _separate(
    recordings: Sequence[Recording], facts: Sequence[AudioFacts], min_seconds: float
) -> tuple[pd.DataFrame, list[tuple[str, ...]]]:
    """Separate what can be used for some task from what cannot, with the reasons."""
    usable: dict[str, dict[str, Any]] = {}
    rejected: list[tuple[str, ...]] = []
    found = sorted(zip(recordings, facts, strict=True), key=lambda pair: pair[0].path)
    speakers: dict[str, dict[str, str]] = {}
    """Of each content, one path by speaker."""
    for recording, fact in found:
        speakers.setdefault(fact.content, {}).setdefault(recording.speaker_id, recording.path)
    used: dict[str, str] = {}
    for recording, fact in found:
        name, reason = recording.utterance_id, fact.problem
        others = {**speakers[fact.content]}
        others.pop(recording.speaker_id)
        if not reason and fact.seconds < min_seconds:
            reason = f"shorter than index.min_seconds ({min_seconds:g} s)"
        if not reason and others:  # nobody can say whose it is
            reason = f"same recording under two speakers (also {next(iter(others.values()))})"
        if not reason and fact.content in used:  # in training and test it would test nothing
            reason = f"same recording again (first in {used[fact.content]})"
        if not reason and name in usable:
            reason = f"same utterance again (first in {usable[name]['path']})"
        if reason:
            rejected.append((recording.path, name, BOTH_TASKS, reason))
        else:
            usable[name] = vars(recording) | vars(fact)
            used[fact.content] = recording.path
    table = pd.DataFrame(usable.values(), columns=UTTERANCE_COLUMNS).astype({"gender": "object"})
    order = ["speaker_id", "chapter_id", "utterance_id"]
    return table.sort_values(order, ignore_index=True), rejected


def describe_corpus(index: CorpusIndex) -> dict[str, Any]:
    """Count what a corpus holds, for data/results/corpus.json."""
    utterances = index.utterances
    by_gender = {
        name: _counts(utterances[utterances["gender"] == code]) for code, name in GENDERS.items()
    }
    reasons = index.rejected["reason"].str.split(" (", n=1, regex=False).str[0]
    wholly = index.rejected["left_out_of"] == BOTH_TASKS
    return {
        **_counts(utterances),
        **by_gender,
        "left_out_by_subset": {
            "speakers": len(set(index.left_out["speaker_id"]) - set(utterances["speaker_id"])),
            "utterances": len(index.left_out),
        },
        "channels_cancel": int(utterances["channels_cancel"].sum()),
        "rejected": {
            "files": int(wholly.sum()),
            "reasons": reasons.value_counts().sort_index().to_dict(),
        },
    }


def _by_digest(known: pd.DataFrame | None) -> dict[str, AudioFacts]:
    if known is None or _DECODER not in known:
        return {}
    current = known[known[_DECODER] == decoder_digest()].drop(columns=_DECODER)
    return {row[0]: AudioFacts(*row) for row in current.itertuples(index=False, name=None)}


def _check_ids(recordings: Iterable[Recording]) -> None:
    """Refuse ids that cannot name features on disk, and two spellings of one speaker."""
    spellings: dict[str, str] = {}
    for item in recordings:
        speaker = item.speaker_id
        for key, name, also_wrong in (
            ("speaker_id", speaker, speaker[:1] == "." or len(speaker.encode()) > _LONGEST_SPEAKER),
            ("utterance_id", item.utterance_id, "/" in item.utterance_id),
        ):
            if not name or also_wrong or any(category(sign) == "Cc" for sign in name):
                raise UserError(
                    f"corpus: {item.path} has the {key} {name!r}, but it must not "
                    f"{_WRONG_IDS[key]}; change it."
                )
        # One person under two names would be in training and test at once.
        other = spellings.setdefault(speaker.casefold(), speaker)
        if other != speaker:
            raise UserError(
                f"corpus: the speakers {other!r} and {speaker!r} differ in nothing but capitals; "
                "write one person's id always in the same way."
            )


def _nothing_usable(rejected: Sequence[tuple[str, ...]]) -> str:
    if not rejected:
        return (
            "corpus: no audio file in it; put recordings at "
            "<subset>/<speaker>/<chapter>/<speaker>-<chapter>-<utterance>.flac (or wav, mp3 …), "
            "or at <speaker>/<session>/ beside a speakers.csv."
        )
    path, *_, reason = rejected[0]
    return (
        f"corpus: none of its {len(rejected)} audio files is usable, the first of them, "
        f"{path}, because of: {reason}; repair or replace the files."
    )


def _facts_table(facts: list[AudioFacts]) -> pd.DataFrame:
    table = pd.DataFrame([vars(fact) for fact in facts if fact.digest])
    table[_DECODER] = decoder_digest()
    return table.drop_duplicates("digest").sort_values("digest", ignore_index=True)


def _counts(utterances: pd.DataFrame) -> dict[str, Any]:
    return {
        "speakers": int(utterances["speaker_id"].nunique()),
        "chapters": len(utterances[["speaker_id", "chapter_id"]].drop_duplicates()),
        "utterances": len(utterances),
        "minutes": round(float(utterances["seconds"].sum()) / 60, 2),
    }
