"""Values of voxels that follow each other: little to keep of a mask."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segnext.geometry.space import Voxels

Integers = NDArray[np.int64]
_NONE = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """Values of voxels that follow each other.

    Attributes
    ----------
    start, length
        (N,) int64 each. Where two overlap the later one holds.
    value
        (N,) integers or bool.
    """

    start: Integers = field(default_factory=lambda: _NONE)
    length: Integers = field(default_factory=lambda: _NONE)
    value: NDArray[Any] = field(default_factory=lambda: _NONE)

    @classmethod
    def of(cls, voxels: Voxels, values: NDArray[np.generic]) -> Runs:
        """Gather sorted voxels, none twice."""
        first = openings(voxels, values)
        return cls(voxels[first], np.diff(first, append=len(voxels)), values[first])

    @property
    def nbytes(self) -> int:
        """Bytes that it takes."""
        return self.start.nbytes + self.length.nbytes + self.value.nbytes

    def __len__(self) -> int:
        return len(self.start)

    @property
    def size(self) -> int:
        """How many voxels there are."""
        return int(self.length.sum())

    @property
    def voxels(self) -> Voxels:
        """(M,) int64, one after the other."""
        voxels = np.repeat(
            self.start - np.cumsum(self.length) + self.length, self.length
        )
        voxels += np.arange(len(voxels))
        return voxels

    @property
    def values(self) -> NDArray[Any]:
        """(M,), of each voxel."""
        return np.repeat(self.value, self.length)

    def holds(self, voxels: Voxels) -> NDArray[np.bool_]:
        """Tell which of some voxels, (N,), are among these, which are sorted."""
        if not len(self):
            return np.zeros(len(voxels), bool)
        at = np.searchsorted(self.start, voxels, side="right") - 1
        inside: NDArray[np.bool_] = voxels - self.start[at] < self.length[at]
        inside &= at >= 0
        return inside

    def expand(self) -> tuple[Voxels, NDArray[Any]]:
        """Return the voxels and their values, (M,) each."""
        return self.voxels, self.values


def openings(voxels: Voxels, *values: NDArray[np.generic]) -> NDArray[np.intp]:
    """Return where runs of sorted voxels begin that have the same values.

    Parameters
    ----------
    values
        (N,) each, of the voxels.
    """
    opens = np.ones(len(voxels), bool)
    inner = opens[1:]
    np.not_equal(voxels[1:] - voxels[:-1], 1, out=inner)
    for each in values:
        inner |= each[1:] != each[:-1]
    return np.flatnonzero(opens)
