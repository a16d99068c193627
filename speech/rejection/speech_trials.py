"""How often speech is rejected: chunks of the corpus, clean and under other conditions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from speech.audio import SAMPLE_RATE
from speech.audio.conditions import CONDITIONS
from speech.audio.decode import load_audio
from speech.evaluation.scores import share_with_interval
from speech.rejection.speech_detector import is_speech
from speech.storage.results import named_with_ends

CHUNKS_PER_SPEAKER = 5
"""The middle chunks of so many recordings, because recordings begin and end with pauses."""


def speech_trials(
    speaker: tuple[str, Sequence[Path]],
    *,
    seconds: float = 2.0,
    seed: int = 0,
) -> pd.DataFrame:
    """Detect speech in some chunks of one speaker under every condition.

    Parameters
    ----------
    speaker
        Name and recordings.
    seconds
        Length of a chunk. A shorter recording is one chunk.
    seed
        Of the draw and of the conditions.

    Returns
    -------
    DataFrame
        One row per chunk and condition: ``speaker_id``, ``condition`` and ``rejected``.
    """
    name, paths = speaker
    rows = []
    for number in np.random.default_rng(seed).permutation(len(paths))[:CHUNKS_PER_SPEAKER]:
        signal = load_audio(paths[number])
        length = min(len(signal), round(seconds * SAMPLE_RATE))
        start = (len(signal) - length) // 2
        chunk = signal[start : start + length]
        random = np.random.default_rng([seed, int(number), *name.encode()])
        changed = np.stack([change(chunk, random) for change in CONDITIONS.values()])
        rows += [
            (name, condition, not speech)
            for condition, speech in zip(CONDITIONS, is_speech(changed), strict=True)
        ]
    return pd.DataFrame(rows, columns=["speaker_id", "condition", "rejected"])


def speech_false_rejection(
    trials: pd.DataFrame, *, resamples: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """Return how often speech was rejected.

    Parameters
    ----------
    trials
        As `speech_trials` returns them, of all speakers.
    resamples, seed
        Of the bootstrap over speakers.

    Returns
    -------
    dict
        ``speech_false_rejection`` of clean chunks, with ``_low`` and ``_high``, the ends of its
        95 % interval, and ``_by_condition``.
    """
    clean = trials[trials["condition"] == "clean"]
    hits, speakers = clean["rejected"].to_numpy(), clean["speaker_id"].to_numpy(str)
    shares = share_with_interval(hits, speakers, resamples=resamples, seed=seed)
    by_condition = trials.groupby("condition", sort=False)["rejected"].mean()
    return {
        **named_with_ends("speech_false_rejection", shares),
        "speech_false_rejection_by_condition": {
            str(name).replace(" ", "_"): share for name, share in by_condition.items()
        },
    }
