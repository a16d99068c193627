"""Speakers whose label all systems contradict: suspects to listen to, not verdicts.

A speaker's label is compared with out-of-fold predictions. One system errs on some speakers
whatever their label, and systems on the same features err on the same speakers. So a label is
suspected only if all of this holds:

- averaged over all systems it is improbable (`IMPROBABLE`),
- on every kind of features most systems predict another label,
- it is an outlier: its log odds are too low among those of all speakers, by median and median
  absolute deviation (`OUTLIER_P`),
- the systems are accurate: right on most speakers (`ACCURATE`).

Confident learning [1]_ likewise trusts out-of-sample probabilities over given labels, but counts
examples; here the speaker is the unit, because the label is the speaker's.

References
----------
.. [1] Northcutt, C. G., Jiang, L. and Chuang, I. L., "Confident learning: estimating uncertainty
   in dataset labels", Journal of Artificial Intelligence Research 70, 2021.
"""

from collections.abc import Iterable, Mapping, Sequence
from statistics import NormalDist

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from speech.evaluation.scores import speaker_level, with_outcome
from speech.features.pitch import UNVOICED
from speech.storage.predictions import SMALLEST_PROBABILITY

IMPROBABLE = 0.25
"""Highest probability of a label that is suspected. Of 20 and 24 speakers with right labels, real
and synthetic, the lowest was between 0.3 and 0.5."""

OUTLIER_P = 0.05
"""Chance that a corpus of right labels has an outlier at all, were the log odds normal."""

ACCURATE = 0.8
"""Share of speakers whose label must be more probable than not for any to be suspected."""

_AVERAGED = ["label_probability", "margin", "utterances_against"]


def audit_labels(
    predictions: Mapping[str, Sequence[pd.DataFrame]], pitch: pd.Series
) -> pd.DataFrame:
    """Gather the evidence against each speaker's label.

    Parameters
    ----------
    predictions
        For each kind of features, the out-of-fold predictions per utterance of each system.
    pitch
        Median F0 in Hz by speaker, to be shown beside the rest; it is no evidence.

    Returns
    -------
    DataFrame
        One row per speaker, the most doubtful first: ``speaker_id``, ``label``, ``suspect``,
        ``label_probability`` (averaged over utterances, systems, features), ``margin`` (the same of
        the log odds of the label, in nats: negative speaks against it), ``utterances_against``
        (share of all utterances and systems), ``systems``, ``systems_against`` (by the speaker's
        averaged utterances), and ``median_f0_hz``.
    """
    evidence = pd.concat(
        _evidence(table).assign(features=features)
        for features, tables in predictions.items()
        for table in tables
    )
    by_features = evidence.groupby(["speaker_id", "features"])[[*_AVERAGED, "against"]].mean()
    by_speaker = evidence.groupby("speaker_id")
    audit = by_features.groupby("speaker_id")[_AVERAGED].mean()
    audit["systems"] = by_speaker.size()
    audit["systems_against"] = by_speaker["against"].sum()
    audit.insert(0, "label", by_speaker["label"].first())
    suspect = (
        (by_features["against"] > 0.5).groupby("speaker_id").all()
        & (audit["label_probability"] < IMPROBABLE)
        & _low_outliers(audit["margin"])
        & ((audit["label_probability"] > 0.5).mean() >= ACCURATE)
    )
    audit.insert(1, "suspect", suspect)
    audit["median_f0_hz"] = pitch
    return audit.sort_values("label_probability", kind="stable").reset_index()


def median_pitch(contours: Iterable[NDArray[np.float32]]) -> float:
    """Return the median of the voiced frames of several utterances.

    Parameters
    ----------
    contours
        Each of shape (frames, 2), as `speech.features.pitch.pitch` returns it.

    Returns
    -------
    float
        In Hz; NaN where nothing is voiced.
    """
    frames = np.concatenate([contour[:, 0] for contour in contours])
    voiced = frames[frames > UNVOICED]
    return float(2 ** np.median(voiced)) if len(voiced) else np.nan


def _low_outliers(values: pd.Series) -> pd.Series:
    """Return which values are too low for a normal distribution, corrected for their number."""
    normal = NormalDist()
    spread = (values - values.median()).abs().median() / normal.inv_cdf(0.75)
    return values < values.median() + spread * normal.inv_cdf(OUTLIER_P / len(values))


def _evidence(utterances: pd.DataFrame) -> pd.DataFrame:
    """Compare one system's predictions with each speaker's label."""
    by_speaker = with_outcome(speaker_level(utterances))
    correct = with_outcome(utterances).groupby("speaker_id")["correct"].mean()
    of_label = by_speaker["true_probability"]
    odds = of_label.clip(lower=SMALLEST_PROBABILITY) / (1 - of_label).clip(
        lower=SMALLEST_PROBABILITY
    )
    return by_speaker[["speaker_id", "label"]].assign(
        label_probability=of_label,
        margin=np.log(odds),
        utterances_against=1 - by_speaker["speaker_id"].map(correct),
        against=~by_speaker["correct"],
    )
