"""Values of voxels that follow each other: little to keep of a mask."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segnext.geometry.space import Voxels

Integers = NDArray[np.int64]
_NONE = np.zeros(0, np.int64)
# Values up to this one are counted rather than sorted.
_FEW = 1 << 22


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
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
    def ids(self) -> list[int]:
        """The different values, sorted; none is negative."""
        if not len(self):
            return []
        if self.value.max() > _FEW:
            return [int(each) for each in np.unique(self.value)]
        # Much faster than sorting millions.
        return [int(each) for each in np.flatnonzero(np.bincount(self.value))]

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

    def values_at(self, voxels: Voxels) -> Integers:
        """Return the values of some voxels, (N,), of sorted runs; 0 beside them."""
        values, held = np.zeros(len(voxels), np.int64), self.holds(voxels)
        at = np.searchsorted(self.start, voxels[held], side="right") - 1
        values[held] = self.value[at]
        return values

    @property
    def end(self) -> Integers:
        """(N,) the voxels after the last ones."""
        return self.start + self.length

    def without(self, other: Runs) -> Runs:
        """Return the part whose voxels another does not hold; both are sorted."""
        return self._parted(other, False) if len(other) else self

    def within(self, other: Runs) -> Runs:
        """Return the part whose voxels another holds too; both are sorted."""
        return self._parted(other, True) if len(other) else Runs()

    def _parted(self, other: Runs, held: bool) -> Runs:
        # Between two edges all voxels are alike.
        edge = np.concatenate([self.start, self.end, other.start, other.end])
        edge.sort(kind="stable")
        start, length = edge[:-1], np.diff(edge)
        kept = self.holds(start) & (other.holds(start) == held) & (length > 0)
        start, length = start[kept], length[kept]
        at = np.searchsorted(self.start, start, side="right") - 1
        return Runs(start, length, self.value[at]).merged()

    def merged(self) -> Runs:
        """Return the same as few sorted runs, of sorted ones that do not overlap."""
        opens = np.ones(len(self), bool)
        opens[1:] = (self.start[1:] != self.end[:-1]) | (
            self.value[1:] != self.value[:-1]
        )
        if opens.all():
            return self
        first = np.flatnonzero(opens)
        length = np.add.reduceat(self.length, first)
        return Runs(self.start[first], length, self.value[first])

    def expand(self) -> tuple[Voxels, NDArray[Any]]:
        """Return the voxels and their values, (M,) each."""
        return self.voxels, self.values

    @classmethod
    def joined(cls, parts: Iterable[Runs]) -> Runs:
        """Put runs one after the other."""
        found = [runs for runs in parts if len(runs)]
        if len(found) < 2:
            return found[0] if found else cls()
        return cls(
            np.concatenate([runs.start for runs in found]),
            np.concatenate([runs.length for runs in found]),
            np.concatenate([runs.value for runs in found]),
        )

    def select(self, chosen: NDArray[np.bool_ | np.intp] | slice) -> Runs:
        """Return some of the runs."""
        return Runs(self.start[chosen], self.length[chosen], self.value[chosen])

    def cut(self, period: int, step: int) -> tuple[Runs, Integers]:
        """Cut the runs where cells end.

        Parameters
        ----------
        period, step
            Voxels after which cells begin anew, and those of a cell; the last one of
            a period may have fewer.

        Returns
        -------
        The pieces of runs, as they follow each other, and the (N,) cell of each
        """
        cells = -(-period // step)

        def cell(voxels: Voxels) -> Integers:
            return voxels // period * cells + voxels % period // step

        first = cell(self.start)
        pieces = cell(self.start + self.length - 1) - first + 1
        run = np.repeat(np.arange(len(self)), pieces)
        at = np.arange(len(run)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        at += first[run]
        low = at // cells * period + at % cells * step
        high = np.minimum(low + step, (at // cells + 1) * period)
        start = np.maximum(self.start[run], low)
        end = np.minimum((self.start + self.length)[run], high)
        return Runs(start, end - start, self.value[run]), at

    def by_cell(self, period: int, step: int) -> Iterator[tuple[int, Runs]]:
        """Yield the cells that have voxels, in order, and the runs of each.

        The runs of a cell follow each other as they did before; see `cut`.
        """
        runs, cells = self.cut(period, step)
        order = np.argsort(cells, kind="stable")
        runs, cells = runs.select(order), cells[order]
        first = np.flatnonzero(np.diff(cells, prepend=-1)).tolist()
        for start, stop in pairwise([*first, len(cells)]):
            yield int(cells[start]), runs.select(slice(start, stop))


def row_runs(mask: NDArray[np.bool_]) -> tuple[Integers, Integers, Integers]:
    """Return where runs in the rows of a mask, (h, w), are: row, column and length."""
    width = mask.shape[1]
    padded = np.zeros((len(mask), width + 2), bool)
    padded[:, 1:-1] = mask
    # Each row goes up as often as down.
    edges = np.flatnonzero(padded[:, 1:] != padded[:, :-1])
    start, end = edges[::2], edges[1::2]
    rows, columns = np.divmod(start, width + 1)
    return rows, columns, end - start


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
