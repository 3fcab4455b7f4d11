"""How far the model, the intensities and the neighbouring plane are to be trusted.

Each of them gives log-odds for every pixel. How to weigh them differs from object to
object, so it is learned, for each object, in the planes that are decided: there the
answer is known.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import expit

from napari_segnext.geometry.resample import FloatArray

# Bounds of the weights; the last one is constant. No source speaks against itself, and
# where all are right, as in an easy image, none is trusted beyond all measure.
_BOUNDS = ((0.0, 1.0), (0.0, 1.0), (0.0, 3.0), (-2.0, 2.0))
# What the weights are believed to be without having seen any pixel, and how many
# pixels it takes to be convinced of something else.
_BELIEVED = np.array([0.5, 0.5, 1.0, 0.0])
_STUBBORN = 20.0
_SURE = 1e-4


def log_odds(probability: FloatArray) -> FloatArray:
    """Return the logarithm of p / (1 - p), limited where p is almost 0 or 1."""
    p = np.clip(probability, _SURE, 1 - _SURE)
    return np.asarray(np.log(p / (1 - p)), np.float32)


class Evidence:
    """Logistic regression with bounded weights and a prior on them.

    Parameters
    ----------
    features
        (N, 3): log-odds by the model, by the intensities and by the neighbour.
    truth
        (N,) bool: whether the pixel is on the object.
    """

    def __init__(self, features: ArrayLike, truth: ArrayLike) -> None:
        x = np.asarray(features, float)
        x = np.column_stack([x, np.ones(len(x))])
        sign = np.where(truth, 1.0, -1.0)

        def loss(weights: FloatArray) -> tuple[float, NDArray[np.float64]]:
            margin, moved = sign * (x @ weights), weights - _BELIEVED
            value = np.logaddexp(0, -margin).sum() + _STUBBORN / 2 * moved @ moved
            return float(value), -(sign * expit(-margin)) @ x + _STUBBORN * moved

        found = minimize(loss, _BELIEVED, jac=True, bounds=_BOUNDS, method="L-BFGS-B")
        self.weights: NDArray[np.float64] = found.x

    def probability(self, features: FloatArray) -> FloatArray:
        """Return (h, w) float32 for (h, w, 3) features."""
        *weights, constant = self.weights
        return np.asarray(expit(features @ weights + constant), np.float32)
