"""How similar a voice is to the enrolled speakers.

A classifier always names one of its speakers. Whether the voice belongs to any of them is decided
by the features themselves. They are whitened by how chunks of one speaker differ from each other
[1]_, and the score is the cosine between a voice and the nearest enrolled speaker.

References
----------
.. [1] Hatch, A. O., Kajarekar, S. and Stolcke, A., "Within-class covariance normalization for
   SVM-based speaker recognition", Interspeech 2006.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

_MOST_CHUNKS = 20_000
"""From which the covariance is estimated; more would take time and change little."""

_SMALLEST_NORM = 1e-12


@dataclass(frozen=True)
class EnrolledSpeakers:
    """The speakers that can be recognised.

    Attributes
    ----------
    mean, scale
        Of the features, shape (dimensions,).
    whitening
        Shape (dimensions, dimensions): makes chunks of one speaker differ equally in all
        directions.
    centroids
        Of each speaker's whitened chunks, shape (speakers, dimensions), each of unit length.
    """

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    whitening: NDArray[np.float32]
    centroids: NDArray[np.float32]

    @classmethod
    def fit(cls, vectors: NDArray[np.float32], speakers: NDArray[np.str_]) -> Self:
        """Enrol some speakers.

        Parameters
        ----------
        vectors
            Pooled features of chunks, shape (chunks, dimensions).
        speakers
            Of each chunk, shape (chunks,).
        """
        # Loading fitted ones must not take the time to import scikit-learn's covariances.
        from sklearn.covariance import ledoit_wolf

        mean, scale = vectors.mean(axis=0, dtype=np.float64), vectors.std(axis=0, dtype=np.float64)
        # A feature that never varies must not count.
        scale = np.where(scale > 0, scale, np.inf)
        scaled = (vectors - mean) / scale
        names, codes = np.unique(speakers, return_inverse=True)
        centres = np.stack([scaled[codes == code].mean(axis=0) for code in range(len(names))])
        every = -(-len(scaled) // _MOST_CHUNKS)
        within, _ = ledoit_wolf((scaled - centres[codes])[::every], assume_centered=True)
        whitening = np.linalg.inv(np.linalg.cholesky(within)).T
        nobody = np.empty((0, len(whitening)))
        parts = (part.astype(np.float32) for part in (mean, scale, whitening, nobody))
        return cls(*parts).enrolling(vectors, speakers)

    def enrolling(self, vectors: NDArray[np.floating], speakers: NDArray[np.str_]) -> Self:
        """Enrol further speakers, in the order of their names, by the whitening as it is.

        Parameters
        ----------
        vectors, speakers
            As in `fit`.
        """
        whitened = _unit(self._whitened(vectors))
        own = [whitened[speakers == name].mean(axis=0) for name in np.unique(speakers)]
        further = [_unit(centre).astype(np.float32)[np.newaxis] for centre in own]
        return replace(self, centroids=np.concatenate([self.centroids, *further]))

    def without(self, position: int) -> Self:
        """Return the same without one of the speakers, counted in the order of enrolment."""
        return replace(self, centroids=np.delete(self.centroids, position, axis=0))

    def scores(self, vectors: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the cosine with the nearest enrolled speaker, shape (vectors,), -1 to 1.

        Parameters
        ----------
        vectors
            Pooled features of chunks, or their means over longer stretches, shape (vectors,
            dimensions).
        """
        return (_unit(self._whitened(vectors)) @ self.centroids.T).max(axis=1).astype(np.float64)

    def _whitened(self, vectors: NDArray[np.floating]) -> NDArray[np.floating]:
        return ((vectors - self.mean) / self.scale) @ self.whitening


def _unit(vectors: NDArray) -> NDArray:
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(norms, _SMALLEST_NORM)
