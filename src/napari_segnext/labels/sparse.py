"""Values of some voxels, sorted by voxel number; immutable."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_segnext.geometry.space import Voxels
from napari_segnext.labels.labels import Values
from napari_segnext.labels.runs import Runs

_NONE = np.zeros(0, np.int64)


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


class Sparse:
    """One value for each of some voxels, kept as runs.

    Parameters
    ----------
    voxels
        (N,) int64, sorted, none twice.
    values
        (N,) integers or bool.

    Attributes
    ----------
    runs
        What is kept of both, whose arrays are made where they are read.
    """

    __slots__ = ("_dtype", "runs")

    def __init__(
        self, voxels: Voxels = _NONE, values: NDArray[np.generic] = _NONE
    ) -> None:
        self.runs, self._dtype = Runs.of(voxels, values), values.dtype

    def expand(self) -> tuple[Voxels, NDArray[np.generic]]:
        """Return voxels and values."""
        voxels, values = self.runs.expand()
        return voxels, values.astype(self._dtype)

    @property
    def voxels(self) -> Voxels:
        """(N,) int64, sorted, none twice."""
        return self.expand()[0]

    @property
    def values(self) -> NDArray[np.generic]:
        """(N,) of the type that was given."""
        return self.expand()[1]

    @classmethod
    def of(cls, voxels: Voxels, values: NDArray[np.generic]) -> Sparse:
        """Sort voxels, none twice, with their values."""
        # Parts that are sorted are merged.
        order = np.argsort(voxels, kind="stable")
        return cls(voxels[order], values[order])

    def __len__(self) -> int:
        return int(self.runs.length.sum())

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
        voxels, values = self.expand()
        return Sparse(voxels[chosen], values[chosen])

    def without(self, voxels: Voxels) -> Sparse:
        """Return the part that has none of some sorted voxels."""
        return self.select(~find(voxels, self.voxels)[0])

    def updated(self, other: Sparse) -> Sparse:
        """Return both; where both have a value, the other's."""
        if not len(other):
            return self
        if not len(self):
            return other
        voxels, values = self.expand()
        later, new = other.expand()
        kept = ~find(later, voxels)[0]
        return Sparse.of(
            np.concatenate([voxels[kept], later]),
            np.concatenate([values[kept].astype(new.dtype), new]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Diff:
    """Labels before and after a step, where they differ.

    Attributes
    ----------
    voxels
        (N,) int64, sorted, none twice.
    old, new
        (N,) ids.
    """

    voxels: Voxels = field(default_factory=lambda: _NONE)
    old: Values = field(default_factory=lambda: _NONE)
    new: Values = field(default_factory=lambda: _NONE)

    @classmethod
    def of(cls, voxels: Voxels, old: Values, new: Values) -> Diff:
        """Sort voxels, none twice, and leave out what does not change."""
        # Parts that are sorted are merged.
        order = np.argsort(voxels, kind="stable")
        order = order[old[order] != new[order]]
        return cls(voxels[order], old[order], new[order])

    @classmethod
    def joined(cls, diffs: Iterable[Diff]) -> Diff:
        """Put diffs that have no voxel in common into one."""
        parts = [diff for diff in diffs if len(diff)]
        if not parts:
            return cls()
        return cls.of(
            np.concatenate([diff.voxels for diff in parts]),
            np.concatenate([diff.old for diff in parts]),
            np.concatenate([diff.new for diff in parts]),
        )

    @classmethod
    def in_order(cls, diffs: Sequence[Diff]) -> Diff:
        """Put diffs into one, each of which has higher voxels than the one before."""
        if len(diffs) == 1:
            return diffs[0]
        return cls(
            np.concatenate([_NONE, *(diff.voxels for diff in diffs)]),
            *(
                np.concatenate([getattr(diff, name) for diff in diffs] or [_NONE])
                for name in ("old", "new")
            ),
        )

    def __len__(self) -> int:
        return len(self.voxels)

    @property
    def inverse(self) -> Diff:
        """The way back."""
        return Diff(self.voxels, self.new, self.old)

    def select(self, chosen: NDArray[np.bool_]) -> Diff:
        """Return the part that is chosen."""
        return Diff(self.voxels[chosen], self.old[chosen], self.new[chosen])

    def then(self, later: Diff) -> Diff:
        """Return the two in one."""
        if not len(self):
            return later
        both, at = find(later.voxels, self.voxels)
        new = self.new.copy()
        new[both] = later.new[at]
        fresh = later.select(~find(self.voxels, later.voxels)[0])
        return Diff.of(
            np.concatenate([self.voxels, fresh.voxels]),
            np.concatenate([self.old, fresh.old]),
            np.concatenate([new, fresh.new]),
        )


class PackedDiff:
    """A change of labels, kept as runs.

    Parameters
    ----------
    diff
        Which.
    """

    __slots__ = ("_dtype", "_new", "_old")

    def __init__(self, diff: Diff) -> None:
        self._old = Runs.of(diff.voxels, diff.old)
        self._new = Runs.of(diff.voxels, diff.new)
        self._dtype = diff.new.dtype

    @property
    def nbytes(self) -> int:
        """Bytes that are kept."""
        return self._old.nbytes + self._new.nbytes

    def expand(self) -> Diff:
        """Return the change."""
        (voxels, old), (_, new) = self._old.expand(), self._new.expand()
        return Diff(voxels, old.astype(self._dtype), new.astype(self._dtype))
