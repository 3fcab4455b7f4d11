"""Changes of labels: pixels of one plane, and voxels of any number of planes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.space import Index, Space, Voxels
from napari_segnext.labels.labels import Values
from napari_segnext.labels.runs import Runs, openings
from napari_segnext.labels.sparse import find

# Pixels that are numbered at once.
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class PlaneDiff:
    """Pixels of a plane before and after a change: what is decoded, written and shown.

    Attributes
    ----------
    rows, columns
        (N,) each, in the plane; none twice.
    old, new
        (N,) ids.
    """

    plane: Plane
    rows: Index
    columns: Index
    old: Values
    new: Values

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def inverse(self) -> PlaneDiff:
        """The way back."""
        return PlaneDiff(self.plane, self.rows, self.columns, self.new, self.old)

    @property
    def changed(self) -> PlaneDiff:
        """The part in which labels differ."""
        differs = self.old != self.new
        return self if differs.all() else self.select(differs)

    def select(self, chosen: NDArray[np.bool_] | slice) -> PlaneDiff:
        """Return the part that is chosen."""
        rows, columns = self.rows[chosen], self.columns[chosen]
        return PlaneDiff(self.plane, rows, columns, self.old[chosen], self.new[chosen])

    def pieces(self, size: int) -> Iterator[PlaneDiff]:
        """Yield it in parts of bounded size."""
        for first in range(0, len(self), size):
            yield self.select(slice(first, first + size))


@dataclass(frozen=True, slots=True, eq=False)
class Diff:
    """Labels before and after a step, where they differ; kept as runs.

    Voxels of planes that cross are compared by their numbers, which are made where
    that is done.

    Attributes
    ----------
    before, after
        Ids of the same voxels, sorted, none twice.
    """

    before: Runs = field(default_factory=Runs)
    after: Runs = field(default_factory=Runs)

    @classmethod
    def of(cls, voxels: Voxels, old: Values, new: Values) -> Diff:
        """Keep voxels in any order, none twice; what does not change is left out."""
        differs = old != new
        if not differs.all():
            voxels, old, new = voxels[differs], old[differs], new[differs]
        if (voxels[1:] < voxels[:-1]).any():
            # Parts that are sorted are merged.
            order = np.argsort(voxels, kind="stable")
            voxels, old, new = voxels[order], old[order], new[order]
        return cls.kept(voxels, old, new)

    @classmethod
    def kept(cls, voxels: Voxels, old: Values, new: Values) -> Diff:
        """Keep sorted voxels, none twice, also those that do not change."""
        first = openings(voxels, old, new)
        start, length = voxels[first], np.diff(first, append=len(voxels))
        return cls(Runs(start, length, old[first]), Runs(start, length, new[first]))

    @classmethod
    def between(cls, before: Runs, after: Runs) -> Diff:
        """Keep the change of the same voxels, of each kind of runs sorted."""
        start = np.union1d(before.start, after.start)
        was, now = (
            np.searchsorted(runs.start, start, side="right") - 1
            for runs in (before, after)
        )
        following = np.append(start, np.iinfo(np.int64).max)[1:]
        length = np.minimum(following, before.end[was]) - start
        old = before.value[was]
        new = after.value[now].astype(old.dtype)
        differs = old != new
        start, length = start[differs], length[differs]
        return cls(Runs(start, length, old[differs]), Runs(start, length, new[differs]))

    @classmethod
    def across(cls, space: Space, parts: Iterable[PlaneDiff]) -> Diff:
        """Put changes of planes that do not cross into one."""
        pieces = (piece for part in parts for piece in part.pieces(_PIECE))
        return cls.joined(
            cls.of(space.numbers(p.plane, p.rows, p.columns), p.old, p.new)
            for p in pieces
        )

    @classmethod
    def joined(cls, diffs: Iterable[Diff]) -> Diff:
        """Put diffs that have no voxel in common into one."""
        parts = [diff for diff in diffs if len(diff.after)]
        if len(parts) < 2:
            return parts[0] if parts else cls()
        start = np.concatenate([each.after.start for each in parts])
        order = np.argsort(start, kind="stable")
        start = start[order]
        length = np.concatenate([each.after.length for each in parts])[order]
        old = np.concatenate([each.before.value for each in parts])[order]
        new = np.concatenate([each.after.value for each in parts])[order]
        return cls(Runs(start, length, old), Runs(start, length, new))

    @property
    def voxels(self) -> Voxels:
        """(N,) int64, sorted, none twice."""
        return self.after.voxels

    @property
    def old(self) -> Values:
        """(N,) ids before."""
        return self.before.values

    @property
    def new(self) -> Values:
        """(N,) ids after."""
        return self.after.values

    @property
    def nbytes(self) -> int:
        """Bytes that are kept."""
        return self.after.nbytes + self.before.value.nbytes

    def __len__(self) -> int:
        return self.after.size

    @property
    def inverse(self) -> Diff:
        """The way back."""
        return Diff(self.after, self.before)

    def then(self, later: Diff) -> Diff:
        """Return the two in one."""
        if not len(self.after):
            return later
        voxels, old, new = self.voxels, self.old, self.new
        then, now = later.voxels, later.new
        both, at = find(then, voxels)
        new[both] = now[at]
        fresh = ~find(voxels, then)[0]
        return Diff.of(
            np.concatenate([voxels, then[fresh]]),
            np.concatenate([old, later.old[fresh]]),
            np.concatenate([new, now[fresh]]),
        )
