"""How much a voice is like one of those that are known: the open set's side of the speaker task.

A classifier must always name one of its speakers. Whether the voice is any of theirs is asked of
the features themselves: they are whitened by how chunks of one speaker differ from each other [1]_,
and the score is the cosine between a voice and the nearest of the known ones.

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
"""From which the covariance is estimated; more would take time and tell little."""

_SMALLEST_NORM = 1e-12


@dataclass(frozen=True)
class EnrolledSpeakers:
    """Knows some voices.

    Attributes
    ----------
    mean, scale
        Of the features, shape (dimensions,).
    whitening
        Shape (dimensions, dimensions): makes chunks of one speaker differ equally in all
        directions.
    voices
        Shape (speakers, dimensions), each of unit length.
    """

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    whitening: NDArray[np.float32]
    voices: NDArray[np.float32]

    @classmethod
    def learn(cls, vectors: NDArray[np.float32], speakers: NDArray[np.str_]) -> Self:
        """Learn the voices of some speakers.

        Parameters
        ----------
        vectors
            Pooled features of chunks, shape (chunks, dimensions).
        speakers
            Of each chunk, shape (chunks,).
        """
        # Loading a learnt one must not take the time to import scikit-learn's covariances.
        from sklearn.covariance import LedoitWolf

        mean, scale = vectors.mean(axis=0, dtype=np.float64), vectors.std(axis=0, dtype=np.float64)
        scale = np.where(scale > 0, scale, np.inf)
        scaled = (vectors - mean) / scale
        names, codes = np.unique(speakers, return_inverse=True)
        centres = np.stack([scaled[codes == code].mean(axis=0) for code in range(len(names))])
        every = -(-len(scaled) // _MOST_CHUNKS)
        within = LedoitWolf(assume_centered=True).fit((scaled - centres[codes])[::every])
        values, directions = np.linalg.eigh(within.covariance_)
        whitening = directions / np.sqrt(values)
        voices = np.stack(
            [_unit(_unit(scaled[codes == c] @ whitening).mean(axis=0)) for c in range(len(names))]
        )
        return cls(*(part.astype(np.float32) for part in (mean, scale, whitening, voices)))

    def scores(self, vectors: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the cosine with the nearest known voice, shape (vectors,), from -1 to 1.

        Parameters
        ----------
        vectors
            Pooled features of chunks, or their means over longer stretches, shape (vectors,
            dimensions).
        """
        whitened = ((vectors - self.mean) / self.scale) @ self.whitening
        return (_unit(whitened) @ self.voices.T).max(axis=1).astype(np.float64)


def _unit(vectors: NDArray) -> NDArray:
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(norms, _SMALLEST_NORM)
