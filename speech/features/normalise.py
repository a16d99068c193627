"""Per-utterance normalisation of frames: what a session adds, an utterance's own mean removes."""

import numpy as np
from numpy.typing import NDArray

from speech.params import Normalisation

_FLOOR = 1e-8
"""Below this a coefficient counts as constant: dividing by it would only blow up rounding."""


def normalise(frames: NDArray[np.float32], how: Normalisation) -> NDArray[np.float32]:
    """Normalise the frames of one utterance by its own statistics.

    Parameters
    ----------
    frames
        Shape (frames, coefficients).
    how
        ``none``; ``utterance_mean`` subtracts each coefficient's mean over the utterance
        (cepstral mean normalisation, Atal 1974); ``utterance`` also divides by its standard
        deviation (CMVN, Viikki & Laurila 1998).

    Returns
    -------
    ndarray of shape (frames, coefficients)
        The same frames, normalised.
    """
    if how == "none":
        return frames
    centred = frames - frames.mean(axis=0)
    if how == "utterance_mean":
        return centred
    return centred / np.maximum(frames.std(axis=0), _FLOOR)
