"""One row per usable utterance, and the reason for every file that is none."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from speech.audio import AudioFacts, decoder_digest, digest_of, inspect_audio
from speech.corpus.librispeech import Misnamed, Recording, find_recordings
from speech.errors import UserError
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
    "digest",
]
REJECTED_COLUMNS = ["path", "utterance_id", "left_out_of", "reason"]

BOTH_TASKS, GENDER_TASK, SPEAKER_TASK = "both tasks", "gender", "speaker"
NO_GENDER = "no gender on record"
TOO_SHORT_FOR_SPEAKER = "shorter than one chunk"

_DECODER = "decoder"


@dataclass(frozen=True)
class CorpusIndex:
    """What a corpus holds.

    Attributes
    ----------
    utterances
        One row per usable utterance, sorted by speaker, chapter and utterance; `path` is relative
        to the folder of the recordings, `gender` is F, M or missing.
    rejected
        One row per file and task it is left out of, with the reason.
    facts
        What was found in each file, by content, and by which decoder: spares the next run the
        decoding.
    """

    utterances: pd.DataFrame
    rejected: pd.DataFrame
    facts: pd.DataFrame


def index_corpus(
    audio: Path,
    genders: Mapping[str, str | None],
    *,
    min_seconds: float,
    chunk_samples: int,
    known: pd.DataFrame | None = None,
    jobs: int = 1,
    progress: Progress = silent,
) -> CorpusIndex:
    """Look at every audio file of a corpus once.

    Parameters
    ----------
    audio
        The folder of the recordings.
    genders
        Speaker id to F, M or None, as `read_genders` gives it.
    min_seconds
        Shorter recordings are used for neither task.
    chunk_samples
        Shorter recordings are not used for the speaker task.
    known
        The `facts` of an earlier run; files with the same content are not decoded again, unless
        the decoder is another now.
    jobs, progress
        As in `speech.parallel.spread`.

    Raises
    ------
    UserError
        If a speaker that has audio is not in SPEAKERS.TXT, or nothing is usable.
    """
    found = list(find_recordings(audio))
    recordings = [item for item in found if isinstance(item, Recording)]
    _check_speakers(recordings, genders)
    look = partial(_inspect_once, audio=audio, remembered=_remembered(known))
    facts = spread(look, recordings, jobs, progress, prefer="threads")

    rows: list[dict[str, Any]] = []
    rejected = [
        _rejection(item.path, "", item.reason) for item in found if isinstance(item, Misnamed)
    ]
    seen: dict[str, str] = {}
    for recording, fact in zip(recordings, facts, strict=True):
        reason = _reason_to_reject(recording, fact, min_seconds, seen)
        if reason:
            rejected.append(_rejection(recording.path, recording.utterance_id, reason))
            continue
        seen[recording.utterance_id] = recording.path
        gender = genders[recording.speaker_id]
        rows.append({**asdict(recording), **asdict(fact), "gender": gender})
        rejected.extend(_partial_rejections(recording, fact, gender, chunk_samples))
    if not rows:
        raise UserError(_nothing_usable(rejected))
    return CorpusIndex(
        utterances=pd.DataFrame(rows)[UTTERANCE_COLUMNS]
        .sort_values(["speaker_id", "chapter_id", "utterance_id"], ignore_index=True)
        .astype({"gender": "object"}),
        rejected=pd.DataFrame(rejected, columns=REJECTED_COLUMNS).sort_values(
            ["path", "left_out_of"], ignore_index=True
        ),
        facts=_facts_table(facts),
    )


def describe_corpus(index: CorpusIndex) -> dict[str, Any]:
    """Count what a corpus holds, for metrics/corpus.json."""
    utterances = index.utterances
    by_gender = {
        name: _counts(utterances[utterances["gender"] == code])
        for name, code in (("female", "F"), ("male", "M"))
    }
    reasons = index.rejected["reason"].str.split(" (", n=1, regex=False).str[0]
    wholly = index.rejected["left_out_of"] == BOTH_TASKS
    return {
        **_counts(utterances),
        **by_gender,
        "rejected": {
            "files": int(wholly.sum()),
            "reasons": {
                str(reason): int(count)
                for reason, count in reasons.value_counts().sort_index().items()
            },
        },
    }


def _remembered(known: pd.DataFrame | None) -> dict[str, dict[str, Any]]:
    if known is None or _DECODER not in known:
        return {}
    current = known[known[_DECODER] == decoder_digest()].drop(columns=_DECODER)
    return {row["digest"]: row for row in current.to_dict("records")}


def _inspect_once(
    recording: Recording, audio: Path, remembered: Mapping[str, Mapping[str, Any]]
) -> AudioFacts:
    path = audio / recording.path
    if remembered:
        try:
            row = remembered.get(digest_of(path.read_bytes()))
        except OSError:
            row = None
        if row is not None:
            return AudioFacts(**row)
    return inspect_audio(path)


def _reason_to_reject(
    recording: Recording, fact: AudioFacts, min_seconds: float, seen: Mapping[str, str]
) -> str:
    if fact.problem:
        return fact.problem
    if fact.seconds < min_seconds:
        return f"shorter than index.min_seconds ({min_seconds:g} s)"
    if recording.utterance_id in seen:
        return f"same utterance again (first in {seen[recording.utterance_id]})"
    return ""


def _partial_rejections(
    recording: Recording, fact: AudioFacts, gender: str | None, chunk_samples: int
) -> list[dict[str, str]]:
    reasons = []
    if gender is None:
        reasons.append((GENDER_TASK, NO_GENDER))
    if fact.samples < chunk_samples:
        reasons.append((SPEAKER_TASK, TOO_SHORT_FOR_SPEAKER))
    return [
        _rejection(recording.path, recording.utterance_id, reason, task) for task, reason in reasons
    ]


def _rejection(
    path: str, utterance_id: str, reason: str, left_out_of: str = BOTH_TASKS
) -> dict[str, str]:
    return dict(
        zip(REJECTED_COLUMNS, (path, utterance_id, left_out_of, reason), strict=True),
    )


def _check_speakers(recordings: list[Recording], genders: Mapping[str, str | None]) -> None:
    unknown = sorted({item.speaker_id for item in recordings} - set(genders))
    if unknown:
        named = ", ".join(unknown[:5]) + (" …" if len(unknown) > 5 else "")
        raise UserError(
            f"SPEAKERS.TXT: no line for {len(unknown)} speaker(s) that have audio ({named}); "
            "add `ID | SEX | SUBSET | MINUTES | NAME` for each, or remove their folders."
        )


def _nothing_usable(rejected: list[dict[str, str]]) -> str:
    if not rejected:
        return (
            "corpus: no audio file in it; put recordings at "
            "<subset>/<speaker>/<chapter>/<speaker>-<chapter>-<utterance>.flac (or wav, mp3, ogg)."
        )
    first = rejected[0]
    return (
        f"corpus: none of its {len(rejected)} audio files is usable, the first of them, "
        f"{first['path']}, because of: {first['reason']}; mend or replace the files."
    )


def _facts_table(facts: list[AudioFacts]) -> pd.DataFrame:
    table = pd.DataFrame([asdict(fact) for fact in facts if fact.digest])
    if table.empty:
        return table
    table[_DECODER] = decoder_digest()
    return table.drop_duplicates("digest").sort_values("digest", ignore_index=True)


def _counts(utterances: pd.DataFrame) -> dict[str, Any]:
    return {
        "speakers": int(utterances["speaker_id"].nunique()),
        "chapters": len(utterances[["speaker_id", "chapter_id"]].drop_duplicates()),
        "utterances": len(utterances),
        "minutes": round(float(utterances["seconds"].sum()) / 60, 2),
    }
