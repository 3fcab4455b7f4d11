"""Values of some voxels, sorted by voxel number; immutable."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segnext.geometry.space import Voxels
from napari_segnext.labels.runs import Runs


def find(among: Voxels, voxels: Voxels) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """Tell which voxels occur in a sorted array, and where.

    Returns
    -------
    (N,) bool, and (M,) positions in `among` of the M that occur
    """
    if not len(among):
        return np.zeros(len(voxels), bool), np.zeros(0, np.intp)
    at = np.minimum(np.searchsorted(among, voxels), len(among) - 1)
    known = among[at] == voxels
    return known, at[known]


@dataclass(frozen=True, slots=True, eq=False)
class Sparse:
    """One value for each of some voxels, kept as runs.

    Attributes
    ----------
    runs
        Sorted, none over another; the arrays are made where they are read.
    """

    runs: Runs = field(default_factory=Runs)

    @classmethod
    def of(cls, voxels: Voxels, values: NDArray[np.generic]) -> Sparse:
        """Keep voxels in any order, none twice, with their values."""
        # Parts that are sorted are merged.
        order = np.argsort(voxels, kind="stable")
        return cls(Runs.of(voxels[order], values[order]))

    @classmethod
    def apart(cls, parts: Iterable[Runs]) -> Sparse:
        """Keep sorted runs in any order that have no voxel in common."""
        runs = Runs.joined(parts)
        return cls(runs.select(np.argsort(runs.start, kind="stable")))

    @property
    def voxels(self) -> Voxels:
        """(N,) int64, sorted, none twice."""
        return self.runs.voxels

    @property
    def values(self) -> NDArray[Any]:
        """(N,) of the type that was given."""
        return self.runs.values

    def __len__(self) -> int:
        return self.runs.size

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Sparse)
            and np.array_equal(self.voxels, other.voxels)
            and np.array_equal(self.values, other.values)
        )

    def __hash__(self) -> int:
        return hash((self.voxels.tobytes(), self.values.tobytes()))

    def select(self, chosen: NDArray[np.bool_]) -> Sparse:
        """Return the part that is chosen."""
        voxels, values = self.runs.expand()
        return Sparse(Runs.of(voxels[chosen], values[chosen]))

    def without(self, other: Sparse) -> Sparse:
        """Return the part that another has no value of."""
        return Sparse(self.runs.without(other.runs))

    def updated(self, other: Sparse) -> Sparse:
        """Return both; where both have a value, the other's."""
        if not len(other.runs):
            return self
        if not len(self.runs):
            return other
        rest, later = self.without(other).runs, other.runs
        rest = replace(rest, value=rest.value.astype(later.value.dtype))
        return Sparse.apart([rest, later])
