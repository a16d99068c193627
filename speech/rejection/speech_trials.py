"""Fitting what speech is like on some voices, and trying it on others and on what is no speech.

Speech is learnt clean and under all conditions of `speech.audio.conditions`. Speakers are held
out by groups: the threshold is set on voices that the model of their group has never heard, and how
much speech it refuses is counted on voices that had no say in the threshold either.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from speech.audio.conditions import CONDITIONS, MILD, under_condition
from speech.audio.decode import load_audio
from speech.errors import UserError
from speech.features.mfcc import frame_count, mfcc
from speech.params import SAMPLE_RATE, Chunks, Mfcc
from speech.rejection.model_file import SpeechModel
from speech.rejection.nonspeech import make_nonspeech
from speech.rejection.speech_likeness import SpeechLikeness, movement_statistics

_UTTERANCE_SECONDS, _SPEAKER_SECONDS = 10.0, 40.0
"""How much of an utterance, and of a speaker, is listened to under every condition."""

_NONSPEECH_CHUNKS, _DRAWS = 5, 4
"""Length of a made signal in chunks, and how many of each kind and level."""


class Heard(NamedTuple):
    """Chunks of speech under all conditions.

    Attributes
    ----------
    table
        One row per chunk: speaker_id, ``condition`` and ``frames``, its length.
    statistics
        Shape (chunks, statistics), as `movement_statistics` gives them.
    """

    table: pd.DataFrame
    statistics: NDArray[np.float64]


def judged_lengths(chunks: Chunks, settings: Mfcc) -> tuple[int, int]:
    """Return the lengths, in frames, of which speech is learnt: a chunk, and half of one."""
    return frame_count(chunks.samples, settings), frame_count(chunks.samples // 2, settings)


def hear_speaker(
    speaker: tuple[str, Sequence[Path]], chunks: Chunks, settings: Mfcc, seed: int
) -> Heard:
    """Describe some speech of one speaker under all conditions.

    Parameters
    ----------
    speaker
        Name, and recordings; they are drawn from until there is enough.
    chunks, settings
        How speech is cut and what it is judged by.
    seed
        Of the draw and of the conditions.
    """
    name, paths = speaker
    lengths = judged_lengths(chunks, settings)
    rows: list[tuple[str, str, int]] = []
    statistics: list[NDArray[np.float64]] = []
    heard = 0
    for drawn in np.random.default_rng(seed).permutation(len(paths)):
        most = max(round(_UTTERANCE_SECONDS * SAMPLE_RATE), chunks.samples)
        signal = load_audio(paths[drawn])[:most]
        for number, condition in enumerate(CONDITIONS):
            random = np.random.default_rng([seed, int(drawn), number])
            changed = under_condition(signal, condition, random)
            for length, frames in _cut(changed, chunks, settings, lengths):
                rows.append((name, condition, length))
                statistics.append(movement_statistics(frames, settings))
        heard += len(signal)
        if heard >= _SPEAKER_SECONDS * SAMPLE_RATE:
            break
    table = pd.DataFrame(rows, columns=["speaker_id", "condition", "frames"])
    return Heard(table, np.array(statistics))


def fit_speech_models(
    heard: Heard, groups: NDArray[np.int64], lengths: Sequence[int], refused: float
) -> tuple[list[SpeechModel], pd.DataFrame]:
    """Learn what speech of each length is like, and judge all of it by models that never heard it.

    Parameters
    ----------
    heard
        Of all speakers.
    groups
        By which speakers are held out, shape (chunks,).
    lengths
        As `judged_lengths` gives them.
    refused
        Share of unheard speech that may be refused, over all conditions.

    Returns
    -------
    models : list of SpeechModel
        The longest first; they have learnt from all speakers.
    judged : DataFrame
        ``heard.table`` with ``refused``; half chunks under mild conditions only.

    Raises
    ------
    UserError
        If fewer than two groups have chunks of a length.
    """
    models, tables = [], []
    for length in lengths:
        own = (heard.table["frames"] == length).to_numpy()
        if models:
            own = own & heard.table["condition"].isin(MILD).to_numpy()
        statistics, group = heard.statistics[own], groups[own]
        if len(np.unique(group)) < 2:
            raise UserError(
                "chunks.seconds: hardly any utterance is as long as a chunk, and what speech is "
                "like must be learnt from two speakers at least; lower it."
            )
        distances = np.empty(len(statistics))
        for held_out in np.unique(group):
            model = SpeechLikeness.learn(statistics[group != held_out])
            distances[group == held_out] = model.distances(statistics[group == held_out])
        thresholds = {g: np.quantile(distances[group != g], 1 - refused) for g in np.unique(group)}
        wrong = distances > np.vectorize(thresholds.get)(group)
        tables.append(heard.table[own].assign(refused=wrong))
        models.append(
            SpeechModel(
                int(length),
                SpeechLikeness.learn(statistics),
                float(np.quantile(distances, 1 - refused)),
            )
        )
    return models, pd.concat(tables, ignore_index=True)


def measure_nonspeech(
    models: Sequence[SpeechModel], chunks: Chunks, settings: Mfcc, seed: int
) -> pd.DataFrame:
    """Count how often what is no speech is taken for it.

    Parameters
    ----------
    models
        As `fit_speech_models` gives them; they have never heard any of it.
    chunks, settings
        How sound is cut and what it is judged by.
    seed
        Of the signals.

    Returns
    -------
    DataFrame
        One row per signal and model: ``kind``, ``family``, ``level_db``, ``frames``, and whether
        it was ``accepted``: any chunk of ten seconds, or the single half chunk.
    """
    whole = models[0].frames
    rows = []
    for made in make_nonspeech(_NONSPEECH_CHUNKS * chunks.seconds, _DRAWS, seed):
        for model in models:
            stretches = _cut(made.signal, chunks, settings, [model.frames])
            # What is judged by half a chunk is a recording of that length.
            tried = stretches if model.frames == whole else stretches[:1]
            statistics = np.array([movement_statistics(frames, settings) for _, frames in tried])
            accepted = (model.likeness.distances(statistics) <= model.threshold).any()
            rows.append((made.kind, made.family, made.level_db, model.frames, bool(accepted)))
    return pd.DataFrame(rows, columns=["kind", "family", "level_db", "frames", "accepted"])


def _cut(
    signal: NDArray[np.float32], chunks: Chunks, settings: Mfcc, lengths: Sequence[int]
) -> list[tuple[int, NDArray[np.float32]]]:
    """Cut the frames of a signal into stretches of some lengths, one of each per chunk."""
    frames = mfcc(signal, settings) if len(signal) >= settings.window_samples else np.empty((0, 0))
    hop = chunks.samples // settings.hop_samples
    return [
        (length, frames[start : start + length])
        for start in range(0, len(frames), hop)
        for length in lengths
        if start + length <= len(frames)
    ]
