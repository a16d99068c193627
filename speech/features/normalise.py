"""Normalisation of frames by the statistics of their utterance."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Normalisation = Literal["none", "level", "utterance_mean", "utterance"]

_FLOOR = 1e-8
"""A standard deviation below this is rounding; it is not divided by."""


def normalise(
    frames: NDArray[np.float32],
    how: Normalisation = "level",
    counted: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """Normalise the frames of one utterance by its own statistics.

    Parameters
    ----------
    frames
        Shape (frames, coefficients).
    how
        ``none``; ``level`` subtracts the first coefficient's mean over the utterance, which is
        the loudness of the recording; ``utterance_mean`` subtracts that of
        every coefficient (cepstral mean normalisation, Atal 1974); ``utterance`` also divides by
        its standard deviation (CMVN, Viikki & Laurila 1998).
    counted
        Which frames the statistics are of, shape (frames,); None for all.

    Returns
    -------
    ndarray of shape (frames, coefficients)
        The same frames, normalised.
    """
    if how == "none":
        return frames
    own = frames if counted is None else frames[counted]
    mean = own.mean(axis=0)
    if how == "level":
        mean[1:] = 0
    centred = frames - mean
    if how in ("level", "utterance_mean"):
        return centred
    return centred / np.maximum(own.std(axis=0), _FLOOR)
