"""How much a chunk of sound is like speech, by a model that has heard nothing but speech.

Speech changes its sound a few times a second, in ways that belong together; noises, tones and tunes
change less, more, or otherwise. A chunk is described by how far its MFCC and their deltas move, how
their movement is spread over rates of modulation, and which of them move together. None of it
depends on loudness or on what a microphone does to all frames alike. The distance from speech is
Mahalanobis' [1]_, with a shrunk covariance [2]_; no example of anything else is ever shown to it.

References
----------
.. [1] Mahalanobis, P. C., "On the generalised distance in statistics", 1936.
.. [2] Ledoit, O. and Wolf, M., "A well-conditioned estimator for large-dimensional covariance
   matrices", Journal of Multivariate Analysis 88, 2004.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray

from speech.features.examples import correlations
from speech.params import Mfcc

_MOVING, _TOGETHER, _MODULATED = 13, 8, 6
"""How many of the first coefficients each kind of statistics is taken of."""

_RATES_HZ = (0.4, 2, 4, 8, 16, 50)
"""Between which rates of modulation there is how much movement; speech has most at 4 Hz."""

_STILL, _STILL_DELTA, _STILL_MODULATION = 0.05, 0.02, 1e-3
"""What is added before logarithms are taken: as good as no movement."""


@dataclass(frozen=True)
class SpeechLikeness:
    """Knows what speech is like.

    Attributes
    ----------
    mean, scale
        Shape (statistics,).
    precision
        Shape (statistics, statistics).
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    precision: NDArray[np.float64]

    @classmethod
    def learn(cls, statistics: NDArray[np.float64]) -> Self:
        """Learn from chunks of speech.

        Parameters
        ----------
        statistics
            Shape (chunks, statistics), as `movement_statistics` gives them.
        """
        # Loading a learnt one must not take the time to import scikit-learn's covariances.
        from sklearn.covariance import LedoitWolf

        mean, scale = statistics.mean(axis=0), statistics.std(axis=0)
        # What never varies in speech says nothing.
        scale = np.where(scale > 0, scale, np.inf)
        precision = LedoitWolf().fit((statistics - mean) / scale).precision_
        return cls(mean, scale, precision)

    def distances(self, statistics: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how far chunks are from speech, shape (chunks,); 1 is about usual for speech."""
        deviation = (statistics - self.mean) / self.scale
        squares = np.einsum("cs,st,ct->c", deviation, self.precision, deviation)
        return squares / len(self.mean)


def movement_statistics(frames: NDArray[np.float32], settings: Mfcc) -> NDArray[np.float64]:
    """Describe how the frames of one chunk move.

    Parameters
    ----------
    frames
        Shape (frames, coefficients * (1 + delta orders)), not normalised.
    settings
        What they were computed with.

    Returns
    -------
    ndarray
        One number per statistic.
    """
    static = frames[:, : settings.coefficients].astype(np.float64)
    deltas = frames[:, settings.coefficients : 2 * settings.coefficients].astype(np.float64)
    return np.concatenate(
        [
            np.log(static[:, :_MOVING].std(axis=0) + _STILL),
            np.log(deltas[:, :_MOVING].std(axis=0) + _STILL_DELTA),
            correlations(static[:, :_TOGETHER]),
            _modulation(static[:, :_MODULATED], settings.hop_seconds),
        ]
    )


def _modulation(columns: NDArray[np.float64], hop_seconds: float) -> NDArray[np.float64]:
    """Return the logarithm of each band's share in each coefficient's movement."""
    windowed = (columns - columns.mean(axis=0)) * np.hanning(len(columns))[:, None]
    power = np.abs(np.fft.rfft(windowed, axis=0)) ** 2
    rates = np.fft.rfftfreq(len(columns), hop_seconds)
    bands = np.stack(
        [power[(rates >= low) & (rates < high)].sum(axis=0) for low, high in pairwise(_RATES_HZ)]
    )
    bands += _STILL_MODULATION
    return np.log(bands / bands.sum(axis=0)).ravel()
