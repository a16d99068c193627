"""Speakers whose label no system believes: suspects to listen to, not verdicts.

A speaker's label is judged by systems that never heard the speaker. One system errs on some voices
whatever their label, and systems on the same features err on the same voices. So a label is
suspected only if all of this holds:

- the systems together find it improbable (`IMPROBABLE`),
- on every kind of features most of them vote against it,
- they are so sure of it as with no other speaker: the log odds of the label are an outlier among
  those of all speakers, by median and median absolute deviation (`OUTLIER_P`),
- they are good judges: right on most speakers (`GOOD_JUDGES`).

Confident learning [1]_ likewise trusts out-of-sample probabilities over given labels, but counts
examples; here the speaker is the unit, because the label is the speaker's.

References
----------
.. [1] Northcutt, C. G., Jiang, L. and Chuang, I. L., "Confident learning: estimating uncertainty
   in dataset labels", Journal of Artificial Intelligence Research 70, 2021.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import median_abs_deviation, norm

from speech.evaluation.scores import judge, speaker_level
from speech.features.pitch import UNVOICED
from speech.predictions import SMALLEST_PROBABILITY

Kind = str
"""Of features."""

IMPROBABLE = 0.25
"""Highest probability of a label that is suspected. Of 20 and 24 voices with right labels, real and
synthetic, the least believed had between 0.3 and 0.5."""

OUTLIER_P = 0.05
"""Chance that a corpus of right labels has an outlier at all, were the log odds normal."""

GOOD_JUDGES = 0.8
"""Share of speakers whose label the systems must find more likely than not, to accuse any."""


def audit_labels(
    predictions: Mapping[Kind, Sequence[pd.DataFrame]],
    pitch: pd.Series | None = None,
) -> pd.DataFrame:
    """Gather what speaks against each speaker's label.

    Parameters
    ----------
    predictions
        For each kind of features, the out-of-fold predictions per utterance of each system.
    pitch
        Median F0 in Hz by speaker, to be shown beside the rest; it has no vote of its own.

    Returns
    -------
    DataFrame
        One row per speaker, the most doubtful first: ``speaker_id``, ``label``, ``suspect``,
        ``label_probability`` (averaged over utterances, systems, kinds), ``margin`` (the same of
        the log odds of the label, in nats: negative speaks against it), ``utterances_against``
        (the share of all utterances and systems), ``systems``, ``systems_against`` (by the
        speaker's averaged utterances), and ``median_f0_hz`` if given.
    """
    judged = pd.concat(
        [
            _judge_speakers(table).assign(kind=kind)
            for kind, tables in predictions.items()
            for table in tables
        ]
    )
    by_kind = judged.groupby(["speaker_id", "kind"])[_EVIDENCE].mean()
    votes = judged.groupby("speaker_id")["against"]
    audit = by_kind.groupby("speaker_id").mean().drop(columns="against")
    audit["systems"] = votes.size()
    audit["systems_against"] = votes.sum()
    everywhere = (by_kind["against"] > 0.5).groupby("speaker_id").all()
    improbable = audit["label_probability"] < IMPROBABLE
    good_judges = (audit["label_probability"] > 0.5).mean() >= GOOD_JUDGES
    audit["suspect"] = everywhere & improbable & _low_outliers(audit["margin"]) & good_judges
    audit["label"] = judged.groupby("speaker_id")["label"].first()
    columns = ["label", "suspect", *_EVIDENCE[:-1], "systems", "systems_against"]
    audit = audit[columns]
    if pitch is not None:
        audit["median_f0_hz"] = pitch
    return audit.sort_values("label_probability", kind="stable").reset_index()


def median_pitch(contours: Iterable[NDArray[np.float32]]) -> float:
    """Give the median of the voiced frames of several utterances.

    Parameters
    ----------
    contours
        Each of shape (frames, 2), as `speech.features.pitch.pitch` gives it.

    Returns
    -------
    float
        In Hz; NaN where nothing is voiced.
    """
    frames = np.concatenate([contour[:, 0] for contour in contours])
    voiced = frames[frames > UNVOICED]
    return float(2 ** np.median(voiced)) if len(voiced) else np.nan


_EVIDENCE = ["label_probability", "margin", "utterances_against", "against"]


def _low_outliers(values: pd.Series) -> pd.Series:
    """Say which values are too low for a normal distribution, corrected for their number."""
    spread = median_abs_deviation(values, scale="normal")
    lowest = values.median() + spread * norm.ppf(OUTLIER_P / len(values))
    return values < lowest


def _judge_speakers(utterances: pd.DataFrame) -> pd.DataFrame:
    """Say what one system makes of each speaker's label."""
    by_speaker = judge(speaker_level(utterances))
    against = 1 - judge(utterances).groupby("speaker_id")["correct"].mean()
    of_label = by_speaker["true_probability"]
    doubt = (1 - of_label).clip(lower=SMALLEST_PROBABILITY)
    return pd.DataFrame(
        {
            "speaker_id": by_speaker["speaker_id"],
            "label": by_speaker["label"],
            "label_probability": of_label,
            "margin": np.log(of_label.clip(lower=SMALLEST_PROBABILITY) / doubt),
            "utterances_against": by_speaker["speaker_id"].map(against),
            "against": ~by_speaker["correct"],
        }
    )
