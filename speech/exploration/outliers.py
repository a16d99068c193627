"""Utterances whose MFCC stand out from their own recording session.

Compared with the whole corpus, the distance of a mean vector would show unusual voices instead of
unusual recordings. An utterance is therefore compared with its session: the utterances of the same
speaker and chapter. A whole session that is wrong is not found.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import chi2
from sklearn.covariance import EmpiricalCovariance, MinCovDet

Floats = NDArray[np.float64]

_COEFFICIENTS = 13
"""How many of the first coefficients are used. More are not better: of ten utterances moved into
another speaker's session, 8.4 were among the first 20 of 1,313, with 30 coefficients 7.7."""

_SMALLEST_SESSION = 3
"""Utterances. In a smaller session none of them stands out from the others."""

_ROWS_PER_DIMENSION = 5
"""The minimum covariance determinant needs more; Rousseeuw & van Zomeren (1990)."""

_SUPPORT = 0.9
"""Share of the utterances that the robust covariance is fitted on. Recordings with errors are
fewer than a tenth, and a smaller share would underestimate how much speech varies."""

_CONSTANT = 1e-8
"""A deviation below this is rounding."""


def find_outliers(
    utterances: pd.DataFrame,
    means: NDArray[np.floating],
    *,
    p: float = 0.01,
    seed: int = 0,
) -> pd.DataFrame:
    """Rank utterances by the Mahalanobis distance of their mean MFCC from their session's median.

    Parameters
    ----------
    utterances
        With utterance_id, speaker_id and chapter_id.
    means
        Mean of each coefficient over each utterance's frames, shape (utterances, coefficients).
    p
        Chance that a corpus of normally distributed utterances has any outlier (Bonferroni). Real
        speech has heavier tails: of 1,313 LibriSpeech utterances 5 % lie above the threshold. Read
        the table as an order in which to listen to recordings, not as a list of errors.
    seed
        Of the minimum covariance determinant.

    Returns
    -------
    DataFrame
        One row per utterance in a session of three or more, largest distance first: utterance_id,
        speaker_id, chapter_id, distance, threshold (root of the chi-square quantile), outlier
        (whether the distance exceeds the threshold). The covariance is the minimum covariance
        determinant, or the empirical covariance if there are fewer than five utterances per
        coefficient or some coefficient is a linear combination of others.

    Notes
    -----
    Rousseeuw & Van Driessen (1999), "A fast algorithm for the minimum covariance determinant
    estimator".

    Examples
    --------
    >>> find_outliers(summary.utterances, summary.moments[:, 0]).head()  # doctest: +SKIP
    """
    session = [utterances["speaker_id"], utterances["chapter_id"]]
    values = pd.DataFrame(means[:, :_COEFFICIENTS].astype(np.float64), utterances.index)
    sessions = values.groupby(session)
    compared = sessions[0].transform("size").to_numpy() >= _SMALLEST_SESSION
    deviations = (values - sessions.transform("median")).to_numpy()[compared]
    squared, dimensions = _squared_distances(deviations, seed)
    threshold = np.sqrt(chi2.isf(p / max(len(squared), 1), dimensions))
    table = utterances.loc[compared, ["utterance_id", "speaker_id", "chapter_id"]].assign(
        distance=np.sqrt(squared), threshold=threshold, outlier=np.sqrt(squared) > threshold
    )
    return table.sort_values(
        ["distance", "utterance_id"], ascending=[False, True], ignore_index=True
    )


def _squared_distances(deviations: Floats, seed: int) -> tuple[Floats, int]:
    """Compute squared Mahalanobis distances and their degrees of freedom."""
    varies = np.abs(deviations).max(axis=0, initial=0) > _CONSTANT
    if not varies.any():
        return np.zeros(len(deviations)), 0
    scaled = deviations[:, varies] / deviations[:, varies].std(axis=0)
    dimensions = int(np.linalg.matrix_rank(scaled))
    robust = dimensions == scaled.shape[1] and len(scaled) >= _ROWS_PER_DIMENSION * dimensions
    estimator = (
        MinCovDet(support_fraction=_SUPPORT, random_state=seed) if robust else EmpiricalCovariance()
    )
    return estimator.fit(scaled).mahalanobis(scaled), dimensions
