"""Smooth random fields, cheap enough to draw dozens of them for one image."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

# Variance that is left of white noise after cubic B-spline weights, per axis.
_SPLINE_POWER = 151 / 315


@lru_cache(maxsize=512)
def _spline_weights(size: int, knots: int) -> FloatArray:
    """Return (size, knots + 3) weights of uniform cubic B-splines."""
    position = np.linspace(0, knots, size, endpoint=False)
    first = np.minimum(position.astype(int), knots - 1)
    t = position - first
    pieces = (
        (1 - t) ** 3,
        3 * t**3 - 6 * t**2 + 4,
        -3 * t**3 + 3 * t**2 + 3 * t + 1,
        t**3,
    )
    weights = np.zeros((size, knots + 3), np.float32)
    for offset, piece in enumerate(pieces):
        weights[np.arange(size), first + offset] = piece / 6
    return weights


def smooth_noise(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    feature: tuple[float, ...],
    octaves: int = 1,
    persistence: float = 0.5,
) -> FloatArray:
    """Draw a smooth random field of mean 0 and standard deviation about 1.

    Normal deviates on a coarse lattice, interpolated by cubic B-splines: a few small
    matrix products instead of a filter over all pixels.

    Parameters
    ----------
    shape
        Of the field, two or three axes.
    feature
        Distance between lattice points along each axis, in pixels.
    octaves, persistence
        Each further octave has half the feature size and `persistence` times the
        amplitude.

    Returns
    -------
    shape, float32
    """
    field = np.zeros(shape, np.float32)
    power = 0.0
    for octave in range(octaves):
        weights = [
            _spline_weights(n, max(1, min(n, round(n / max(f, 1e-3) * 2**octave))))
            for n, f in zip(shape, feature, strict=True)
        ]
        lattice = rng.standard_normal([w.shape[1] for w in weights], np.float32)
        for weight in weights:
            # Contracting the first axis appends the new one, so all come round.
            lattice = np.tensordot(lattice, weight, (0, 1))
        field += persistence**octave * lattice
        power += persistence ** (2 * octave)
    field /= np.float32(np.sqrt(power * _SPLINE_POWER ** len(shape)))
    return field


def sigmoid(values: FloatArray) -> FloatArray:
    """Return the logistic function, without overflow."""
    half = np.float32(0.5)
    return np.asarray(half * np.tanh(half * values) + half)
