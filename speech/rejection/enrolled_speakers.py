"""How similar a voice is to the enrolled speakers.

A classifier always names one of its speakers. Whether the voice belongs to any of them is decided
by the features themselves. They are whitened by how chunks of one speaker differ from each other
[1]_, and the score is the cosine between a voice and the nearest enrolled speaker.

References
----------
.. [1] Hatch, A. O., Kajarekar, S. and Stolcke, A., "Within-class covariance normalization for
   SVM-based speaker recognition", Interspeech 2006.
"""

from dataclasses import dataclass
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
        of_speaker = [scaled[codes == code] for code in range(len(names))]
        centres = np.stack([own.mean(axis=0) for own in of_speaker])
        every = -(-len(scaled) // _MOST_CHUNKS)
        within, _ = ledoit_wolf((scaled - centres[codes])[::every], assume_centered=True)
        whitening = np.linalg.inv(np.linalg.cholesky(within)).T
        centroids = np.stack([_unit(_unit(own @ whitening).mean(axis=0)) for own in of_speaker])
        return cls(*(part.astype(np.float32) for part in (mean, scale, whitening, centroids)))

    def scores(self, vectors: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the cosine with the nearest enrolled speaker, shape (vectors,), -1 to 1.

        Parameters
        ----------
        vectors
            Pooled features of chunks, or their means over longer stretches, shape (vectors,
            dimensions).
        """
        whitened = ((vectors - self.mean) / self.scale) @ self.whitening
        return (_unit(whitened) @ self.centroids.T).max(axis=1).astype(np.float64)


def _unit(vectors: NDArray) -> NDArray:
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(norms, _SMALLEST_NORM)
