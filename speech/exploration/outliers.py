"""Utterances whose MFCC do not fit into their recording session.

Over a whole corpus the distance of a mean vector tells odd voices, not odd recordings. An utterance
is therefore compared with the *other* utterances of its session (of the same speaker and chapter).
What is wrong with a whole session is not found.

Even without anything wrong, real utterances stray further than Gaussian ones: some sessions vary
more than others, and every session now and then. Both is measured, not assumed, because a Gaussian
bound takes it for errors: of 1,313 LibriSpeech utterances it listed 33 by 13 coefficients, and 179
by 30.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import minimize_scalar
from scipy.special import gammaln

from speech.exploration.mfcc_analysis import Summary

Floats = NDArray[np.float64]

_SMALLEST_SESSION = 3
"""Utterances; of fewer, none can be told from the rest."""

_UTTERANCES_PER_DIMENSION = 5
"""With fewer, the spread in some direction is anybody's guess."""

_ROUNDS = 2
"""Of measuring how far the utterances of a session stray; more change nothing to speak of."""

_TYPICAL = 3
"""How many utterances' worth of belief there is that a session varies as much as the others."""

_WIDEST = 3.0
"""How many times more or less a session may vary; copies of one recording do not vary at all."""

_DEGREES = (1.0, 1000.0)
"""Of freedom: from tails without a mean to those of a Gaussian."""

_MOST_STEPS, _SMALL_STEP = 500, 1e-4
"""Of the estimation; about 50 steps are usual, and the last are relative to the scatter."""

_CONSTANT = 1e-8
"""A standard deviation below this is rounding."""


@dataclass(frozen=True)
class Outliers:
    """Utterances that do not fit into their session.

    Attributes
    ----------
    table
        One row per outlier, the furthest first: utterance_id, speaker_id, chapter_id, gender,
        seconds, distance (1 is usual), p, p_corrected, coefficient (which contributes most), share
        (of the squared distance) and deviation (in that coefficient's unit, from the session's
        median).
    judged
        How many utterances were looked at: those in sessions of three or more.
    method
        How the spread was estimated.
    """

    table: pd.DataFrame
    judged: int
    method: str


@dataclass(frozen=True)
class Spread:
    """A multivariate t distribution: how deviations scatter, and how heavy their tails are.

    Attributes
    ----------
    centre
        Shape (dimensions,).
    scatter
        Shape (dimensions, dimensions).
    degrees
        Of freedom: the fewer, the heavier the tails.
    """

    centre: Floats
    scatter: Floats
    degrees: float


def find_outliers(summary: Summary, names: Sequence[str], *, p: float) -> Outliers:
    """Find utterances whose mean coefficients do not fit into their recording session.

    Each is compared with the median of the others of its session. How far it may stray is learnt
    from all: how it depends on the number of frames, how much the utterances of its session do,
    and how heavy the tails are.

    Parameters
    ----------
    summary
        Of the corpus.
    names
        Of the coefficients.
    p
        About the chance to list anything at all in a clean corpus (Bonferroni) whose deviations
        are elliptical, with tails of any weight. As that weight is estimated, too, it is no bound:
        of 480 clean corpora made up of 800 utterances, with 5 and 9 degrees of freedom for 13, 30
        and 60 coefficients, and Gaussian for 13 and 30, 3 % listed something at p = 0.01 and 23 %
        at p = 0.1.

    Returns
    -------
    Outliers
        Those whose mean squared distance an F variable with as many degrees of freedom as there
        are directions, and as the tails have, would exceed with a probability below `p` over their
        number.

    Notes
    -----
    Lange, Little & Taylor (1989), "Robust statistical modeling using the t distribution": far ones
    weigh little in its estimates, so that outliers do not hide each other. With 30 coefficients of
    1,313 LibriSpeech utterances, none was listed at p = 0.05, and an utterance put into the session
    of another speaker was listed in 26 of 40 cases at p = 0.01. More than about one in a hundred
    that stray alike hide each other. Where each coefficient has heavy tails of its own, more is
    listed than promised. Contributions are those of Garthwaite & Koch
    (2016), "Evaluating the contributions of individual variables to a quadratic form": squares that
    sum to the squared distance.
    """
    deviations, certainty = _session_deviations(summary)
    judged = certainty > 0
    table = summary.utterances.loc[judged].copy()
    values = _in_own_units((deviations * certainty[:, np.newaxis])[judged])
    directions = _directions(values)
    reduced = values @ directions
    reduced *= _certainty_by_session(reduced, table)[:, np.newaxis]
    contributions, degrees = _contributions(reduced, directions)
    squared = contributions.sum(axis=1)
    most = contributions.argmax(axis=1)
    rows = np.arange(len(table))
    table["distance"] = np.sqrt(squared)
    table["p"] = stats.f.sf(squared, max(directions.shape[1], 1), degrees)
    table["p_corrected"] = np.minimum(table["p"] * len(table), 1)
    table["coefficient"] = np.asarray(names, dtype=object)[most]
    table["share"] = contributions[rows, most] / np.maximum(squared, _CONSTANT)
    table["deviation"] = deviations[judged][rows, most]
    listed = table[table["p_corrected"] < p].sort_values(
        ["distance", "utterance_id"], ascending=[False, True], ignore_index=True
    )
    columns = ["utterance_id", "speaker_id", "chapter_id", "gender", "seconds", "distance"]
    columns += ["p", "p_corrected", "coefficient", "share", "deviation"]
    method = _described(len(table), directions.shape[1], len(names))
    return Outliers(listed[columns], len(table), method)


def fit_spread(values: Floats) -> Spread:
    """Fit a multivariate t distribution by expectation and maximisation.

    Parameters
    ----------
    values
        Shape (rows, dimensions), more rows than dimensions, varying in every direction.
    """
    rows, dimensions = values.shape
    centre = np.median(values, axis=0)
    scatter = np.cov(values, rowvar=False).reshape(dimensions, dimensions)
    degrees = 10.0
    for _ in range(_MOST_STEPS):
        weights = (degrees + dimensions) / (degrees + _squared(values, centre, scatter))
        centre = weights @ values / weights.sum()
        centred = values - centre
        moved = (centred * weights[:, np.newaxis]).T @ centred / rows
        units = np.sqrt(np.diag(moved))
        step = float((np.abs(moved - scatter) / np.outer(units, units)).max())
        scatter = moved
        converged = step < _SMALL_STEP
        degrees = _tails(_squared(values, centre, scatter), dimensions)
        if converged:
            break
    return Spread(centre, scatter, degrees)


def _described(utterances: int, directions: int, coefficients: int) -> str:
    if not utterances:
        return f"none: no session has {_SMALLEST_SESSION} utterances"
    if directions == coefficients:
        return "multivariate t"
    return (
        f"multivariate t of {directions} of {coefficients} directions: in the others nothing "
        "varies, or there are too few utterances to tell"
    )


def _session_deviations(summary: Summary) -> tuple[Floats, Floats]:
    """Subtract from each utterance's means the median of the others of its session.

    Returns the differences, (utterances, coefficients), and the certainty of each utterance's:
    one over its standard error, up to a constant; 0 for those with too few others.
    """
    means = summary.moments[:, 0]
    deviations = np.zeros_like(means)
    certainty = np.zeros(len(means))
    sessions = summary.utterances.groupby(["speaker_id", "chapter_id"]).indices
    for rows in sessions.values():
        if len(rows) < _SMALLEST_SESSION:
            continue
        # Without the utterance itself, or one in each session would be its own median and lie
        # at no distance, which makes the others look odd.
        others = np.array([np.median(means[np.delete(rows, k)], axis=0) for k in range(len(rows))])
        deviations[rows] = means[rows] - others
        # The median of n Gaussian values varies pi / 2n as much as one of them.
        certainty[rows] = 1 / np.sqrt(1 + np.pi / 2 / (len(rows) - 1))
    return deviations, certainty


def _in_own_units(values: Floats) -> Floats:
    """Divide each column by its deviation; one that does not vary becomes 0."""
    unit = values.std(axis=0) if len(values) else np.ones(values.shape[1])
    return np.where(unit > _CONSTANT, values / np.maximum(unit, _CONSTANT), 0.0)


def _directions(values: Floats) -> Floats:
    """Choose the directions to look in, as orthogonal columns: those in which something varies.

    They are principal components; of more than one for every five rows, the first.
    """
    centred = values - values.mean(axis=0) if len(values) else values
    eigenvalues, vectors = np.linalg.eigh(centred.T @ centred)
    varies = eigenvalues > len(eigenvalues) * np.finfo(float).eps * eigenvalues.max()
    return vectors[:, np.flatnonzero(varies)[::-1][: len(values) // _UTTERANCES_PER_DIMENSION]]


def _certainty_by_session(values: Floats, utterances: pd.DataFrame) -> Floats:
    """Say how much less than others each utterance may stray, by its frames and its session."""
    certainty = np.ones(len(values))
    if not values.shape[1]:
        return certainty
    logarithms = np.log(utterances["frames"].to_numpy(dtype=float))
    longer = logarithms - logarithms.mean()
    session = utterances.groupby(["speaker_id", "chapter_id"]).ngroup().to_numpy()
    size = np.bincount(session)[session]
    for _ in range(_ROUNDS):
        scaled = values * certainty[:, np.newaxis]
        spread = fit_spread(scaled)
        squared = _squared(scaled, spread.centre, spread.scatter) / values.shape[1]
        strays = np.log(np.maximum(squared, _CONSTANT)) / 2
        slope = longer @ strays / max(longer @ longer, _CONSTANT)
        rest = strays - slope * longer
        by_session = pd.Series(rest).groupby(session).transform("median").to_numpy()
        varies = (by_session - np.median(rest)) * size / (size + _TYPICAL)
        limit = np.log(_WIDEST)
        certainty *= np.exp(-slope * longer - np.clip(varies, -limit, limit))
    return certainty


def _contributions(values: Floats, directions: Floats) -> tuple[Floats, float]:
    """Split each row's mean squared distance among the coefficients.

    Parameters
    ----------
    values
        Shape (rows, directions).
    directions
        Shape (coefficients, directions).

    Returns
    -------
    contributions : ndarray of shape (rows, coefficients)
        To be summed.
    degrees : float
        Of freedom of the tails.
    """
    coefficients, count = directions.shape
    if not count:
        return np.zeros((len(values), coefficients)), _DEGREES[1]
    spread = fit_spread(values)
    eigenvalues, vectors = np.linalg.eigh(spread.scatter)
    inverse_root = vectors / np.sqrt(eigenvalues) @ vectors.T
    whitened = (values - spread.centre) @ inverse_root @ directions.T
    return whitened**2 / count, spread.degrees


def _squared(values: Floats, centre: Floats, scatter: Floats) -> Floats:
    return (np.linalg.solve(np.linalg.cholesky(scatter), (values - centre).T) ** 2).sum(axis=0)


def _tails(squared: Floats, dimensions: int) -> float:
    """Find the likeliest degrees of freedom."""

    def loss(logarithm: float) -> float:
        degrees = np.exp(logarithm)
        normaliser = gammaln((degrees + dimensions) / 2) - gammaln(degrees / 2)
        normaliser -= dimensions / 2 * np.log(degrees)
        inner = np.log1p(squared / degrees).mean()
        return (degrees + dimensions) / 2 * inner - normaliser

    low, high = np.log(_DEGREES)
    return float(np.exp(minimize_scalar(loss, bounds=(low, high), method="bounded").x))
