"""List every usable utterance of the corpus, and every file that is none with its reason."""

from stages.console import bar, run_stage

from collections import Counter
from dataclasses import replace
from typing import Any

import pandas as pd

from speech.audio.chunks import seconds_to_samples
from speech.corpus.gender_overrides import apply_overrides
from speech.corpus.index import BOTH_TASKS, describe_corpus, index_corpus
from speech.corpus.layouts import Location, gender_of, list_recordings, with_genders
from speech.errors import UserError, first_of
from speech.params import Params
from speech.storage.files import write_json
from speech.storage.tables import read_parquet, write_csv, write_parquet
from stages.paths import (
    AUDIO_FACTS,
    CORPUS_AUDIO,
    CORPUS_LABELS,
    GENDER_OVERRIDES,
    REJECTED,
    RESULTS,
    UTTERANCES,
)


def build_index(params: Params) -> str:
    """Decode what was not decoded before, and write the tables."""
    if not CORPUS_AUDIO.exists():
        raise UserError(f"{CORPUS_AUDIO}: no such folder; run `dvc repro` to make it.")
    # By the names that the user gave them, so that messages name those.
    listing = list_recordings(Location(CORPUS_AUDIO, CORPUS_LABELS.resolve()))
    listing, overridden = apply_overrides(listing, GENDER_OVERRIDES.resolve())
    recordings = with_genders(listing)
    unread = {name: it for name, it in listing.genders.items() if it and not gender_of(it)}
    index = index_corpus(
        CORPUS_AUDIO,
        recordings,
        unread_genders=unread,
        min_seconds=params.index.min_seconds,
        chunk_samples=seconds_to_samples(params.chunks.seconds),
        **params.subset.model_dump(),
        seed=params.seed,
        known=_known_facts(),
        jobs=params.compute.jobs,
        progress=bar("file"),
    )
    concerned = index.rejected["left_out_of"].isin([BOTH_TASKS, *params.tasks])
    index = replace(index, rejected=index.rejected[concerned])
    write_parquet(AUDIO_FACTS, index.facts)
    write_parquet(UTTERANCES, index.utterances)
    write_csv(REJECTED, index.rejected)
    placed = [item for item in recordings if not item.problem]
    own, files = sum(item.chapter_id == item.utterance_id for item in placed), len(placed)
    usable = {*index.utterances["speaker_id"], *index.left_out["speaker_id"]}
    summary = {
        **describe_corpus(index),
        "sessions": f"one per file where none is named ({own:,} of {files:,} files)"
        if own
        else "as the corpus names them",
        "subset": params.subset.model_dump(),
        "gender_overrides": overridden,
        "genders_not_understood": dict(sorted(Counter(unread.values()).items())),
        "speakers_without_recordings": sorted(listing.genders.keys() - usable),
        "passed_over": {
            suffix or "without a suffix": count
            for suffix, count in sorted(listing.passed_over.items())
        },
    }
    write_json(RESULTS / "corpus.json", summary)
    return _closing_line(summary)


def _closing_line(summary: dict[str, Any]) -> str:
    left_out = summary["left_out_by_subset"]
    parts = [
        f"{summary['utterances']:,} utterances of {summary['speakers']} speakers, "
        f"{summary['minutes']:.1f} minutes",
        f"{summary['rejected']['files']} files rejected, see {REJECTED}",
        f"sessions: {summary['sessions']}",
    ]
    if left_out["utterances"]:
        parts.append(
            f"left out by the subset: {left_out['utterances']:,} utterances, and with them "
            f"{left_out['speakers']} speakers"
        )
    if summary["channels_cancel"]:
        parts.append(
            f"channels cancel in {summary['channels_cancel']:,} files, of which the loudest one is "
            "used"
        )
    for what, counts in (
        ("genders not understood", summary["genders_not_understood"]),
        ("passed over, no recordings by their names", summary["passed_over"]),
    ):
        if counts:
            named = first_of([f"{name!r}: {count:,}" for name, count in counts.items()])
            parts.append(f"{what} ({named})")
    if absent := summary["speakers_without_recordings"]:
        parts.append(
            f"speakers on record without a usable recording: {len(absent)} ({first_of(absent)})"
        )
    if summary["gender_overrides"]:
        parts.append(f"genders overridden: {len(summary['gender_overrides'])}")
    return "; ".join(parts)


def _known_facts() -> pd.DataFrame | None:
    """Read what an earlier run found in each file; a damaged table counts as none."""
    try:
        return read_parquet(AUDIO_FACTS)
    except UserError:
        return None


if __name__ == "__main__":
    run_stage(build_index)
