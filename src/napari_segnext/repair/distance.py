"""How far voxels are from a shape, as far as that counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_segnext.geometry.frame import BoolArray
from napari_segnext.geometry.resample import FloatArray
from napari_segnext.repair.progress import Tell, part_of, silent

# Voxels that are worked on at once: what fits into the cache of a core.
_AT_ONCE = 1 << 17


def distance_to(
    shape: BoolArray, steps: Sequence[float], reach: float, tell: Tell = silent
) -> FloatArray:
    """Return how far voxels are from a shape.

    Squares of distances are taken along one axis after the other (Saito and Toriwaki,
    "New algorithms for Euclidean distance transformation", 1994), none farther than
    the reach.

    Parameters
    ----------
    shape
        (n, h, w).
    steps
        From voxel to voxel along each axis.

    Returns
    -------
    (n, h, w) float32; infinite beyond the reach
    """
    square = np.empty(shape.shape, np.float32)
    for at, (page, marked) in enumerate(zip(square, shape, strict=True)):
        _along_rows(page, marked, steps[2], reach)
        _spread(page, steps[1], reach, part_of(tell, at, at + 1, 2 * len(shape)))
    whole = square.reshape(len(square), -1)
    _spread(whole, steps[0], reach, part_of(tell, 1, 2, 2))
    square[square > reach * reach] = np.inf
    return np.sqrt(square, out=square)


class Depth:
    """How deep voxels of a shape are, looked for farther only where that is asked.

    Parameters
    ----------
    shape
        (n, h, w).
    steps
        From voxel to voxel along each axis.
    reach
        How far it is looked first.
    """

    def __init__(self, shape: BoolArray, steps: Sequence[float], reach: float) -> None:
        self._outside, self._steps, self._reach = ~shape, steps, reach
        self._away: FloatArray | None = None

    def at(self, places: NDArray[np.intp]) -> FloatArray:
        """Return how far some voxels, (N, 3), are from what is outside."""
        while True:
            if self._away is not None:
                away: FloatArray = self._away[tuple(places.T)]
                if np.isfinite(away).all():
                    return away
                self._reach *= 4
            self._away = distance_to(self._outside, self._steps, self._reach)


def _along_rows(
    square: FloatArray, marked: BoolArray, step: float, reach: float
) -> None:
    """Set the square of the distance to what is marked in the same row: (h, w)."""
    at = np.arange(marked.shape[1], dtype=np.float32)
    before = np.where(marked, at, np.float32(-np.inf))
    after = np.where(marked, at, np.float32(np.inf))[:, ::-1]
    np.maximum.accumulate(before, 1, out=before)
    np.minimum.accumulate(after, 1, out=after)
    away = np.minimum(at - before, after[:, ::-1] - at) * np.float32(step)
    away[away > reach] = np.inf
    np.square(away, out=square)


def _spread(square: FloatArray, step: float, reach: float, tell: Tell) -> None:
    """Make squares of distances also those along the first axis of (n, m)."""
    length, width = square.shape
    farthest = min(int(reach / step), length - 1)
    at_once = max(16, _AT_ONCE // length)
    for first in range(0, width, at_once) if farthest else ():
        tell(first / width)
        known = square[:, first : first + at_once]
        if not known.any() or np.isinf(known.min()):
            continue
        nearest = known.copy()
        for by in range(1, farthest + 1):
            through = known + np.float32((by * step) ** 2)
            np.minimum(nearest[by:], through[:-by], out=nearest[by:])
            np.minimum(nearest[:-by], through[by:], out=nearest[:-by])
        known[...] = nearest
