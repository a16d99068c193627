"""The look at the MFCC before any model: distributions, gender, normalisation.

Two units must not be confused. *Frames* and *utterances* describe; claims about gender rest on
*speakers*, because a speaker's utterances are no independent evidence of what women's voices are.
Everything but the distributions is computed from four moments per utterance and coefficient, and
the distributions from counts in narrow bins, so that no more than one speaker's frames are ever
held.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from speech.evaluation.scores import COVERAGE, draw_speakers
from speech.folds import FEMALE, GENDERS
from speech.parallel import Progress, silent
from speech.params import Logistic

Floats = NDArray[np.float64]

MOMENTS = ("mean", "std", "skewness", "kurtosis")
"""Of each static coefficient over the frames of an utterance. The last two are there because the
first two do not survive a normalisation per utterance."""

NORMALISATIONS = ("none", "utterance_mean", "utterance", "standard", "robust")
"""The last two are fitted on the frames of the training speakers, the others need no fitting."""

QUANTILES = {"q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}

_BIN = 1 / 32
"""Width of the bins that frames are counted in, in units of the coefficient; MFCC spread over
several units, so quantiles are exact to well below a hundredth of a standard deviation."""

_DENSITY_POINTS = 64
_DENSITY_RANGE = (0.01, 0.99)
"""Quantiles a density is drawn between; digital silence lies far beyond and would squeeze it."""

_CONSTANT = 1e-8
"""A standard deviation below this is rounding."""

_EXACT_PAIRS = 10_000
"""Women times men; above it the normal approximation of Mann-Whitney's U is as good as exact."""


@dataclass(frozen=True)
class FrameCounts:
    """How many frames fall into each of many narrow bins: what is kept of frames too many to hold.

    Attributes
    ----------
    first
        Number of the first bin; bin ``b`` holds values from ``b / 32`` up to ``(b + 1) / 32``.
    counts
        Shape (coefficients, bins).
    """

    first: int
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, frames: NDArray[np.floating]) -> Self:
        """Count frames of shape (frames, coefficients), of which there must be one at least."""
        bins = np.floor(frames / _BIN).astype(np.int64)
        first, coefficients = int(bins.min()), bins.shape[1]
        width = int(bins.max()) - first + 1
        places = bins - first + width * np.arange(coefficients)
        counts = np.bincount(places.ravel(), minlength=width * coefficients)
        return cls(first, counts.reshape(coefficients, width))

    def __add__(self, other: "FrameCounts") -> "FrameCounts":
        first = min(self.first, other.first)
        stop = max(part.first + part.counts.shape[1] for part in (self, other))
        counts = np.zeros((len(self.counts), stop - first), dtype=np.int64)
        for part in (self, other):
            start = part.first - first
            counts[:, start : start + part.counts.shape[1]] += part.counts
        return FrameCounts(first, counts)

    @property
    def total(self) -> int:
        """Number of frames."""
        return int(self.counts[0].sum())

    def quantiles(self, probabilities: Sequence[float]) -> Floats:
        """Interpolate quantiles within the bins: shape (probabilities, coefficients)."""
        edges, shares = self._cumulated()
        return np.stack([np.interp(probabilities, share, edges) for share in shares], axis=1)

    def moments(self) -> Floats:
        """Compute `MOMENTS` of each coefficient over all frames: shape (4, coefficients)."""
        values = (self.first + np.arange(self.counts.shape[1]) + 0.5) * _BIN
        weights = self.counts / self.total
        mean = weights @ values
        centred = values - mean[:, np.newaxis]
        return _moments(mean, [(weights * centred**power).sum(axis=1) for power in (2, 3, 4)])

    def density(self, edges: Floats) -> Floats:
        """Compute the density between neighbouring edges: shape (coefficients, edges - 1)."""
        own_edges, shares = self._cumulated()
        cumulated = np.stack([np.interp(edges, own_edges, share) for share in shares])
        return np.diff(cumulated, axis=1) / np.diff(edges)

    def _cumulated(self) -> tuple[Floats, Floats]:
        edges = (self.first + np.arange(self.counts.shape[1] + 1)) * _BIN
        shares = np.pad(np.cumsum(self.counts, axis=1), ((0, 0), (1, 0))) / self.total
        return edges, shares


@dataclass(frozen=True)
class Summary:
    """What is known of the static coefficients of a corpus.

    Attributes
    ----------
    utterances
        One row per utterance, ordered by utterance_id; with ``frames``.
    moments
        Shape (utterances, 4, coefficients): `MOMENTS` over each utterance's frames.
    by_gender, by_fold
        Counts of all frames of a gender, and of a fold of the gender task.
    """

    utterances: pd.DataFrame
    moments: Floats
    by_gender: Mapping[str, FrameCounts]
    by_fold: Mapping[int, FrameCounts]


def coefficient_names(coefficients: int, *, energy: bool) -> list[str]:
    """Name the static coefficients ``c00 energy`` (or ``c00``), ``c01``, ``c02`` and so on."""
    names = [f"c{k:02d}" for k in range(coefficients)]
    return [f"{names[0]} energy", *names[1:]] if energy else names


def frame_moments(frames: NDArray[np.floating]) -> Floats:
    """Compute `MOMENTS` of each coefficient over frames.

    Parameters
    ----------
    frames
        Shape (frames, coefficients).

    Returns
    -------
    ndarray of shape (4, coefficients)
        Mean, standard deviation, skewness and excess kurtosis (the population's, as
        `scipy.stats.skew` and `kurtosis`); a constant coefficient has neither of the last two and
        gets 0.
    """
    values = frames.astype(np.float64)
    mean = values.mean(axis=0)
    centred = values - mean
    return _moments(mean, [(centred**power).mean(axis=0) for power in (2, 3, 4)])


def summarise(
    utterances: pd.DataFrame,
    read: Callable[[str], Mapping[str, NDArray[np.floating]]],
    coefficients: int,
    progress: Progress = silent,
) -> Summary:
    """Reduce a corpus to moments and counts, holding one speaker's frames at a time.

    Parameters
    ----------
    utterances
        With utterance_id, speaker_id, gender (F, M or missing) and fold (of the gender task, or
        missing).
    read
        Gives the frames of a speaker by utterance id, each (frames, columns); columns past
        `coefficients` (deltas) are not looked at.
    coefficients
        Number of static coefficients.
    progress
        Shown as speakers are read.

    Returns
    -------
    Summary
        The same for any order of the rows.
    """
    table = utterances.sort_values("utterance_id", ignore_index=True)
    moments = np.empty((len(table), len(MOMENTS), coefficients))
    frames = np.empty(len(table), dtype=np.int64)
    by_gender: dict[str, FrameCounts] = {}
    by_fold: dict[int, FrameCounts] = {}
    rows_of = table.groupby("speaker_id", sort=True).indices
    for speaker, rows in progress(rows_of.items(), total=len(rows_of)):
        tensors = read(speaker)
        own = [tensors[name][:, :coefficients] for name in table["utterance_id"].iloc[rows]]
        moments[rows] = [frame_moments(part) for part in own]
        frames[rows] = [len(part) for part in own]
        counts = FrameCounts.of(np.concatenate(own))
        first = table.loc[rows[0]]
        if first["gender"] in GENDERS:
            _add(by_gender, first["gender"], counts)
        if pd.notna(first["fold"]):
            _add(by_fold, int(first["fold"]), counts)
    return Summary(table.assign(frames=frames), moments, by_gender, by_fold)


def distributions(by_gender: Mapping[str, FrameCounts], names: Sequence[str]) -> pd.DataFrame:
    """Describe the distribution of each coefficient over all frames of a gender.

    Parameters
    ----------
    by_gender
        Counts of the frames; frames are pooled, so a speaker who talks longer weighs more.
    names
        Of the coefficients.

    Returns
    -------
    DataFrame
        coefficient, gender, frames, mean, std, skewness, kurtosis, q05, q25, q50, q75, q95.
    """
    tables = []
    for gender, counts in sorted(by_gender.items()):
        moments = dict(zip(MOMENTS, counts.moments(), strict=True))
        quantiles = dict(zip(QUANTILES, counts.quantiles(list(QUANTILES.values())), strict=True))
        head = {"coefficient": names, "gender": gender, "frames": counts.total}
        tables.append(pd.DataFrame(head | moments | quantiles))
    return pd.concat(tables).sort_index(kind="stable").reset_index(drop=True)


def densities(by_gender: Mapping[str, FrameCounts], names: Sequence[str]) -> pd.DataFrame:
    """Give each coefficient's density by gender, for drawing, on a grid both genders share.

    Parameters
    ----------
    by_gender, names
        As in `distributions`.

    Returns
    -------
    DataFrame
        coefficient, gender, value (middle of a step), density (per unit of the coefficient).
    """
    genders = sorted(by_gender)
    ranges = np.stack([by_gender[gender].quantiles(_DENSITY_RANGE) for gender in genders])
    lowest, highest = ranges[:, 0].min(axis=0), ranges[:, 1].max(axis=0)
    tables = []
    for k, name in enumerate(names):
        edges = np.linspace(lowest[k], highest[k] + _BIN, _DENSITY_POINTS + 1)
        values = (edges[:-1] + edges[1:]) / 2
        for gender in genders:
            density = by_gender[gender].density(edges)[k]
            columns = {"coefficient": name, "gender": gender, "value": values, "density": density}
            tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def cohens_d(women: Floats, men: Floats, axis: int = 0) -> Floats:
    """Compute the difference of two means in pooled standard deviations.

    Parameters
    ----------
    women, men
        Values of independent units along `axis`.
    axis
        The one to reduce.

    Returns
    -------
    ndarray
        Positive where women's values are higher; NaN or infinite where neither varies.

    Notes
    -----
    Cohen (1988), "Statistical Power Analysis for the Behavioral Sciences", chapter 2; not
    corrected for its bias of 4 % at 20 speakers.
    """
    degrees = [women.shape[axis] - 1, men.shape[axis] - 1]
    within = degrees[0] * women.var(axis=axis, ddof=1) + degrees[1] * men.var(axis=axis, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (women.mean(axis=axis) - men.mean(axis=axis)) / np.sqrt(within / sum(degrees))


def holm(p: Floats) -> Floats:
    """Correct p-values so that the chance of *any* false finding is bounded, however they depend.

    Parameters
    ----------
    p
        Shape (tests,).

    Returns
    -------
    ndarray of shape (tests,)
        The corrected p-values.

    Notes
    -----
    Holm (1979), "A simple sequentially rejective multiple test procedure".
    """
    order = np.argsort(p, kind="stable")
    corrected = np.empty_like(p)
    steps = (len(p) - np.arange(len(p))) * p[order]
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return corrected


def gender_differences(
    summary: Summary, names: Sequence[str], *, resamples: int, seed: int
) -> pd.DataFrame:
    """Compare women's and men's voices, coefficient by coefficient, speaker by speaker.

    A speaker's value is the average over the speaker's utterances of their mean coefficient.

    Parameters
    ----------
    summary
        Of the corpus, with two speakers of each gender at least; speakers without gender take no
        part.
    names
        Of the coefficients.
    resamples, seed
        Of the bootstrap, which draws women from the women and men from the men.

    Returns
    -------
    DataFrame
        One row per coefficient: coefficient; value, low, high: Cohen's d with its 95 % interval
        (NaN where too few speakers give none); r, r_low, r_high: point-biserial correlation with
        being a woman; rank_biserial; p: two-sided Mann-Whitney test; p_corrected: Holm.

    Notes
    -----
    The interval is BCa (Efron 1987, "Better bootstrap confidence intervals"): with 9 women and 11
    men from normal distributions it held the true d of 0, 1 and 3 in 96, 95 and 92 % of 800 trials,
    the percentile interval in 92, 91 and 86 %. BCa limits follow a monotone change of scale, so r,
    which is one of d for fixed numbers of women and men, needs no bootstrap of its own. The
    rank-biserial correlation is that of Cureton (1956): 2 AUC - 1.
    """
    means = pd.DataFrame(summary.moments[:, 0]).groupby(summary.utterances["speaker_id"]).mean()
    genders = summary.utterances.drop_duplicates("speaker_id").set_index("speaker_id")["gender"]
    women, men = (means[genders[means.index].eq(gender)].to_numpy() for gender in GENDERS)
    limits = _bootstrap(women, men, resamples, seed)
    exact = len(women) * len(men) <= _EXACT_PAIRS
    test = stats.mannwhitneyu(women, men, method="exact" if exact else "asymptotic")
    d = np.stack([cohens_d(women, men), *limits])
    speakers, pairs = len(women) + len(men), len(women) * len(men)
    r = d / np.sqrt(d**2 + speakers * (speakers - 2) / pairs)
    return pd.DataFrame(
        {"coefficient": names}
        | dict(zip(("value", "low", "high"), d, strict=True))
        | dict(zip(("r", "r_low", "r_high"), r, strict=True))
        | {
            "rank_biserial": 2 * test.statistic / pairs - 1,
            "p": test.pvalue,
            "p_corrected": holm(test.pvalue),
        }
    )


def compare_normalisations(
    summary: Summary,
    settings: Logistic,
    *,
    resamples: int,
    seed: int,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Measure what each normalisation of the frames does to telling the gender of unheard voices.

    A logistic regression gets the four `MOMENTS` of every coefficient of an utterance, computed
    from frames so normalised, and is cross-validated over the speaker-disjoint folds. All five
    normalisations are affine in each coefficient, so the moments of the normalised frames follow
    from those of the raw ones. What is left to the classifier:

    - ``none``, ``standard``, ``robust``: everything; the two latter are only another unit per
      coefficient, which matters because the regression's penalty does not know units. After a
      standardisation of its inputs the three are the same.
    - ``utterance_mean``: all but the means.
    - ``utterance``: skewness and kurtosis alone; mean and deviation are 0 and 1 for everybody.

    Parameters
    ----------
    summary
        Of the corpus; utterances without a fold take no part.
    settings
        Of the logistic regression.
    resamples, seed
        Of the bootstrap over speakers (see `speech.evaluation.scores`).
    progress
        Shown over cross-validations, of which there are ten.

    Returns
    -------
    DataFrame
        For each of `NORMALISATIONS` with and without standardised inputs: normalisation,
        standardised; accuracy (share of utterances), low, high; difference (from ``none``),
        difference_low, difference_high. Intervals are 95 % over speakers; as all rest on the same
        draws, the difference is judged far more sharply than by comparing two intervals.
    """
    known = summary.utterances["fold"].notna().to_numpy()
    table = summary.utterances[known]
    moments = summary.moments[known]
    folds = table["fold"].to_numpy().astype(int)
    women = table["gender"].eq(FEMALE).to_numpy()
    inputs = {how: _inputs_by_fold(moments, summary.by_fold, how) for how in NORMALISATIONS}
    plain = LogisticRegression(C=settings.C, max_iter=settings.max_iter)
    classifiers = {False: plain, True: make_pipeline(StandardScaler(), plain)}
    correct: dict[bool, dict[str, NDArray]] = {False: {}, True: {}}
    cases = [(standardised, how) for standardised in classifiers for how in NORMALISATIONS]
    for standardised, how in progress(cases, len(cases)):
        predicted = _out_of_fold(classifiers[standardised], inputs[how], women, folds)
        correct[standardised][how] = predicted == women
    rows = []
    for standardised, by_normalisation in correct.items():
        accuracies = _resampled_accuracies(table, by_normalisation, resamples, seed)
        for how, values in accuracies.items():
            row = {"normalisation": how, "standardised": standardised}
            row |= _interval("accuracy", "", values)
            row |= _interval("difference", "difference_", values - accuracies["none"])
            rows.append(row)
    return pd.DataFrame(rows)


def scaling(counts: FrameCounts, how: str) -> tuple[Floats, Floats]:
    """Fit the centre and unit of each coefficient, as scikit-learn's scalers do on frames.

    Parameters
    ----------
    counts
        Of the training frames.
    how
        ``standard``: mean and standard deviation; ``robust``: median and interquartile range.

    Returns
    -------
    centre, unit : ndarray of shape (coefficients,)
        To the precision of the bins; the unit of a constant coefficient is 1.
    """
    if how == "standard":
        centre, unit = counts.moments()[:2]
    else:
        low, centre, high = counts.quantiles([0.25, 0.5, 0.75])
        unit = high - low
    return centre, np.where(unit > _CONSTANT, unit, 1.0)


def _moments(mean: Floats, central: Sequence[Floats]) -> Floats:
    """Turn the second to fourth central moments into `MOMENTS`."""
    std = np.sqrt(central[0])
    varies = std > _CONSTANT
    unit = np.where(varies, std, 1.0)
    skewness = np.where(varies, central[1] / unit**3, 0.0)
    kurtosis = np.where(varies, central[2] / unit**4 - 3, 0.0)
    return np.stack([mean, std, skewness, kurtosis])


def _add(sums: dict, key: object, counts: FrameCounts) -> None:
    sums[key] = sums[key] + counts if key in sums else counts


def _bootstrap(women: Floats, men: Floats, resamples: int, seed: int) -> Floats:
    """Bound Cohen's d: shape (2, coefficients), NaN where the bootstrap gives no finite limit."""
    with warnings.catch_warnings():
        # Few speakers make resamples without variance; the limit is then NaN, which says it.
        warnings.simplefilter("ignore")
        interval = stats.bootstrap(
            (women, men),
            cohens_d,
            n_resamples=resamples,
            batch=100,
            confidence_level=COVERAGE / 100,
            method="BCa",
            rng=np.random.default_rng(seed),
        ).confidence_interval
    limits = np.stack([interval.low, interval.high])
    return np.where(np.isfinite(limits), limits, np.nan)


def _inputs_by_fold(
    moments: Floats, by_fold: Mapping[int, FrameCounts], how: str
) -> dict[int, Floats]:
    """Give the classifier's inputs, (utterances, 4 x coefficients), for each tested fold."""
    inputs = {}
    for tested in sorted(by_fold):
        centre, unit = moments[:, 0], np.ones_like(moments[:, 0])
        if how == "none":
            centre = np.zeros_like(centre)
        elif how == "utterance":
            unit = np.where(moments[:, 1] > _CONSTANT, moments[:, 1], 1.0)
        elif how in ("standard", "robust"):
            training = [counts for fold, counts in by_fold.items() if fold != tested]
            centre, unit = scaling(sum(training[1:], start=training[0]), how)
        mean, std, *shape = np.moveaxis(moments, 1, 0)
        inputs[tested] = np.hstack([(mean - centre) / unit, std / unit, *shape])
    return inputs


def _out_of_fold(
    classifier: LogisticRegression, inputs: Mapping[int, Floats], labels: NDArray, folds: NDArray
) -> NDArray:
    predicted = np.empty_like(labels)
    for tested, values in inputs.items():
        test = folds == tested
        predicted[test] = classifier.fit(values[~test], labels[~test]).predict(values[test])
    return predicted


def _resampled_accuracies(
    table: pd.DataFrame, correct: Mapping[str, NDArray], resamples: int, seed: int
) -> dict[str, Floats]:
    """Give each accuracy, the point value first, then one per resample of the speakers."""
    speakers = table.assign(**correct).groupby("speaker_id", sort=True)
    strata = speakers["gender"].first().eq(FEMALE).to_numpy().astype(int)
    weights = np.vstack([np.ones_like(strata), draw_speakers(strata, resamples, seed)])
    sizes = weights @ speakers.size().to_numpy()
    return {how: weights @ speakers[how].sum().to_numpy() / sizes for how in correct}


def _interval(name: str, prefix: str, values: Floats) -> dict[str, float]:
    tail = (100 - COVERAGE) / 2
    low, high = np.percentile(values[1:], [tail, 100 - tail])
    return {name: float(values[0]), f"{prefix}low": float(low), f"{prefix}high": float(high)}
