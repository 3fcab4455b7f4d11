"""Values of voxels that follow each other: little to keep of a mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segnext.geometry.space import Voxels

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """Values of voxels that follow each other.

    Attributes
    ----------
    start, length, value
        (N,) int64 each. Where two overlap the later one holds.
    """

    start: Integers
    length: Integers
    value: Integers

    @classmethod
    def of(cls, voxels: Voxels, values: NDArray[np.generic]) -> Runs:
        """Gather sorted voxels, none twice."""
        breaks = voxels[1:] - voxels[:-1] != 1
        breaks |= values[1:] != values[:-1]
        opening = np.ones(min(len(voxels), 1), bool)
        first = np.flatnonzero(np.concatenate([opening, breaks]))
        length = np.diff(first, append=len(voxels))
        return cls(voxels[first], length, values[first].astype(np.int64))

    @property
    def nbytes(self) -> int:
        """Bytes that it takes."""
        return 3 * self.start.nbytes

    def __len__(self) -> int:
        return len(self.start)

    def expand(self) -> tuple[Voxels, Integers]:
        """Return the voxels and their values, (M,) each."""
        offset = np.arange(self.length.sum()) - np.repeat(
            np.cumsum(self.length) - self.length, self.length
        )
        voxels = np.repeat(self.start, self.length) + offset
        return voxels, np.repeat(self.value, self.length)
