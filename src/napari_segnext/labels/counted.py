"""Writing changes of labels, and counting voxels on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent
from napari_segnext.geometry.space import Space, Voxels
from napari_segnext.labels.blocks import BLOCK, Blocks
from napari_segnext.labels.diffs import Diff, PlaneDiff
from napari_segnext.labels.labels import Labels, Values
from napari_segnext.labels.runs import Runs, row_runs
from napari_segnext.labels.sparse import Sparse
from napari_segnext.labels.tally import Tally

# Pixels that are counted at once.
_COUNTED = 1 << 20
# Pixels along a side of what is read at once to look up single voxels.
_READ = 4096
# Changes of more voxels than this are written in bands of so many pixels.
_MANY, _BAND = 1 << 18, 1 << 22
# Voxels of a run from which on it is written as one.
_LONG = 32


class Painter:
    """Labels whose changes are counted.

    Parameters
    ----------
    blank
        Whether the labels are known to be empty, so that they need not be read.

    Attributes
    ----------
    watchers
        Called with each change before it is written, so that another thread that reads
        can know what was there; with a stroke, which is in the labels already, when it
        is counted.
    """

    def __init__(self, labels: Labels, blank: bool = False) -> None:
        self.labels = labels
        self.watchers: list[Callable[[Diff], object]] = []
        self.space = Space(labels.shape)
        self._blocks = Blocks(self.space)
        # Of each id the voxels in each block.
        self._counts: dict[int, Counter[int]] = {}
        # Of each id all of them.
        self._totals = Counter[int]()
        # Of changes that may come back.
        self._tallies = WeakKeyDictionary[Runs, Tally]()
        if not blank:
            self._count_all()

    @property
    def ids(self) -> list[int]:
        """All ids that have voxels."""
        return sorted(number for number, total in self._totals.items() if total)

    def count(self, number: int) -> int:
        """Return how many voxels an id has."""
        return self._totals[number]

    def slices(self, number: int) -> int:
        """Return in how many slices along the first axis an id has voxels."""
        return len(np.unique(self._blocks.divided(self._used(number))[0]))

    @cached_property
    def dtype(self) -> np.dtype[np.integer[Any]]:
        """Integer type of the labels."""
        return self.labels.read(self.space.slice_plane(0), Extent(0, 0, 1, 1)).dtype

    def voxels(self, number: int) -> Voxels:
        """Return all voxels of an id, sorted."""
        return self.runs(number).voxels

    def runs(self, number: int) -> Runs:
        """Return all voxels of an id, sorted."""
        parts = []
        for plane, part in map(self._blocks.place, self._used(number).tolist()):
            page = self.labels.read(plane, part) == number
            rows, columns, length = row_runs(page)
            rows, columns = rows + part.top, columns + part.left
            start = self.space.numbers(plane, rows, columns)
            parts.append(Runs(start, length, np.full(len(start), number, self.dtype)))
        return Sparse.apart(parts).runs.merged()

    def extent(self, number: int, plane: Plane) -> Extent:
        """Return a part of a plane outside of which an id has no voxel."""
        used = self._used(number)
        slices, rows, columns = self._blocks.divided(used)
        first, height = BLOCK * rows, self.space.spatial[-2]
        left, width = BLOCK * columns, self.space.spatial[-1]
        depth = self.space.depth(0)
        frames, slices = np.divmod(slices, depth)
        here = frames == self.space.frame(plane)
        match plane.axis:
            case 0:
                here &= slices == plane.index
                box = first, left, first + BLOCK, left + BLOCK
                ends = height, width
            case 1:
                here &= rows == plane.index // BLOCK
                box = slices, left, slices + 1, left + BLOCK
                ends = depth, width
            case _:
                here &= columns == plane.index // BLOCK
                box = slices, first, slices + 1, first + BLOCK
                ends = depth, height
        if not here.any():
            return Extent(0, 0, 0, 0)
        top, left, bottom, right = (at[here] for at in box)
        return Extent(
            int(top.min()),
            int(left.min()),
            min(int(bottom.max()), ends[0]),
            min(int(right.max()), ends[1]),
        )

    def indices(self, number: int, like: Plane) -> list[int]:
        """Return the indices of planes with an id, of those parallel to one."""
        if like.axis == 0:
            slices = self._blocks.divided(self._used(number))[0]
            across = slices
        else:
            slices, across = self._across_rows(number, like.axis)
        depth = self.space.depth(0)
        here = slices // depth == self.space.frame(like)
        found = across[here] % depth if like.axis == 0 else across[here]
        indices: list[int] = np.unique(found).tolist()
        return indices

    def _across_rows(
        self, number: int, axis: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return slices in which an id has voxels, with rows or columns of these."""
        width = self.space.spatial[-1]
        runs, rows = self.runs(number).cut(width, width)
        slices, rows = np.divmod(rows, self.space.spatial[-2])
        if axis == 1:
            return slices, rows
        # Columns in which more rows have begun than ended.
        found, at = np.unique(slices, return_inverse=True)
        first = runs.start % width
        open_ = np.zeros((len(found), width + 1), np.int64)
        np.add.at(open_, (at, first), 1)
        np.add.at(open_, (at, first + runs.length), -1)
        at, columns = np.nonzero(np.cumsum(open_, 1))
        return found[at], columns

    def values(self, plane: Plane, voxels: Voxels) -> Values:
        """Return the ids of voxels of a plane."""
        rows, columns = self.space.pixels(plane, voxels)
        values = np.zeros(len(voxels), self.dtype)
        # Voxels that lie far apart must not make all in between be read.
        blocks = rows // _READ * (self.space.plane_shape(plane)[1] + 1)
        blocks += columns // _READ
        for block in np.unique(blocks).tolist():
            here = blocks == block
            part = self.space.extent(plane, voxels[here])
            page = self.labels.read(plane, part)
            values[here] = page[rows[here] - part.top, columns[here] - part.left]
        return values

    def values_at(self, voxels: Voxels) -> Values:
        """Return the ids of sorted voxels, in whichever planes they lie."""
        slices = voxels // self.space.area
        first = np.flatnonzero(np.diff(slices, prepend=-1))
        parts = [
            self.values(self.space.slice_plane(number), part)
            for number, part in zip(
                slices[first].tolist(), np.split(voxels, first[1:]), strict=False
            )
        ]
        return np.concatenate([np.zeros(0, self.dtype), *parts])

    def filling(self, runs: Runs, tally: Tally | None = None) -> Diff:
        """Return the change of those voxels of sorted runs that nothing has.

        Parameters
        ----------
        tally
            Of the runs, if it is known.

        Raises
        ------
        ValueError
            If the labels' type does not hold an id.
        """
        self._check_fits(runs.value)
        after = Runs.joined(self._free(runs) if self.ids else [runs])
        after = replace(after, value=after.value.astype(self.dtype))
        if tally is not None and not self.ids:
            self._tallies[after] = tally
        return Diff(replace(after, value=np.zeros_like(after.value)), after)

    def _free(self, runs: Runs) -> Iterator[Runs]:
        for plane, part, band in self._bands(runs):
            page = self.labels.read(plane, part).ravel()
            if page.any():
                voxels, values = band.expand()
                at = voxels - self.space.numbers(plane, part.top, part.left)
                left = page[at] == 0
                band = Runs.of(voxels[left], values[left])
            yield band

    def lay(self, runs: Runs) -> None:
        """Write many sorted runs, whatever is there.

        Raises
        ------
        ValueError
            If the labels' type does not hold an id.
        """
        self._check_fits(runs.value)
        for plane, part, band in self._bands(runs) if self.ids else ():
            page = self.labels.read(plane, part)
            if page.any():
                voxels = band.voxels
                at = voxels - self.space.numbers(plane, part.top, part.left)
                self._count_runs(Runs.of(voxels, page.ravel()[at]), -1)
        self._count_runs(runs, 1)
        self._draw(runs)

    def _draw(self, runs: Runs) -> None:
        """Write runs that have been counted, some rows at a time."""
        if len(runs) and not self.labels.lay(runs):
            self._fill(runs)

    def _fill(self, runs: Runs) -> None:
        """Write sorted runs; some rows at a time."""
        for plane, part, band in self._bands(runs):
            page, where = np.zeros(part.shape, self.dtype), np.zeros(part.shape, bool)
            flat, chosen = page.ravel(), where.ravel()
            first = int(self.space.numbers(plane, part.top, part.left))
            if band.size < _LONG * len(band):
                voxels, values = band.expand()
                flat[voxels - first], chosen[voxels - first] = values, True
            else:
                ends = band.start + band.length - first
                runs_of = (band.start - first).tolist(), ends.tolist()
                for start, end, value in zip(*runs_of, band.value, strict=True):
                    flat[start:end], chosen[start:end] = value, True
            self.labels.fill(plane, part, page, where)

    def _bands(self, runs: Runs) -> Iterator[tuple[Plane, Extent, Runs]]:
        """Yield runs by whole rows of planes along axis 0: plane, part and its runs."""
        height, width = self.space.spatial[-2:]
        rows = min(height, max(1, _BAND // width))
        bands = -(-height // rows)
        for cell, band in runs.by_cell(self.space.area, rows * width):
            plane = self.space.slice_plane(cell // bands)
            first = band.start // width % height
            last = (band.start + band.length - 1) // width % height
            part = Extent(int(first.min()), 0, int(last.max()) + 1, width)
            yield plane, part, band

    def _check_fits(self, ids: NDArray[np.integer[Any]]) -> None:
        limit = np.iinfo(self.dtype).max
        if len(ids) and ids.max() > limit:
            raise ValueError(
                f"object {ids.max()} needs labels of a wider type: {self.dtype} ends "
                f"at {limit}"
            )

    def pages(self) -> Iterator[Diff]:
        """Yield all that is in the labels, as changes from nothing."""
        used = {at for number in self._counts for at in self._used(number).tolist()}
        for plane, part in map(self._blocks.place, sorted(used)):
            page = self.labels.read(plane, part)
            rows, columns = np.nonzero(page)
            new = page[rows, columns]
            voxels = self.space.numbers(plane, rows + part.top, columns + part.left)
            yield Diff.of(voxels, np.zeros_like(new), new)

    def relabel(self, number: int, voxels: Voxels, new: NDArray[np.int64]) -> Diff:
        """Return the change of voxels of an id to others."""
        old = np.full(len(voxels), number, self.dtype)
        return Diff.of(voxels, old, new.astype(self.dtype))

    def write(self, part: PlaneDiff) -> PlaneDiff:
        """Write a change of a plane, and return what of it is one."""
        part = part.changed
        self._announce([part])
        self._write(part)
        return part

    def write_all(
        self, diff: Diff, plane: Plane | None, parts: Sequence[PlaneDiff] = ()
    ) -> None:
        """Write a change.

        Parameters
        ----------
        plane
            The one that all voxels lie in, if one is.
        parts
            The change by planes, if it is known.
        """
        for watcher in self.watchers:
            watcher(diff)
        if len(diff) > _MANY:
            self._check_fits(diff.after.value)
            self._count_runs(diff.before, -1)
            self._count_runs(diff.after, 1)
            self._draw(diff.after)
            return
        for part in parts or self.split(diff, plane):
            self._write(part)

    def _announce(self, parts: Sequence[PlaneDiff]) -> None:
        if self.watchers:
            diff = Diff.across(self.space, parts)
            for watcher in self.watchers:
                watcher(diff)

    def _write(self, part: PlaneDiff) -> None:
        if len(part):
            self.labels.write(part.plane, part.rows, part.columns, part.new)
        self._count_part(part)

    def split(self, diff: Diff, plane: Plane | None) -> Iterator[PlaneDiff]:
        """Yield a change plane by plane, or as that of the only one it lies in."""
        voxels, old, new = diff.voxels, diff.old, diff.new
        if plane is not None:
            yield PlaneDiff(plane, *self.space.pixels(plane, voxels), old, new)
            return
        slices = voxels // self.space.area
        first = np.flatnonzero(np.diff(slices, prepend=-1)).tolist()
        for start, stop in pairwise([*first, len(voxels)]):
            here, at = slice(start, stop), self.space.slice_plane(int(slices[start]))
            pixels = self.space.pixels(at, voxels[here])
            yield PlaneDiff(at, *pixels, old[here], new[here])

    def count_change(self, part: PlaneDiff) -> None:
        """Count a change that is in the labels already."""
        self._announce([part])
        self._count_part(part)

    def _count_part(self, part: PlaneDiff) -> None:
        for piece in part.pieces(_COUNTED):
            blocks = self._blocks.of(piece)
            self._count(blocks, piece.old, -1)
            self._count(blocks, piece.new, 1)

    def _count(self, blocks: NDArray[np.int64], values: Values, sign: int) -> None:
        for number in np.unique(values[values != 0]):
            counts = self._counts.setdefault(int(number), Counter())
            at, found = np.unique(blocks[values == number], return_counts=True)
            self._totals[int(number)] += sign * int(found.sum())
            for place, count in zip(at.tolist(), found.tolist(), strict=True):
                counts[place] += sign * count

    def _count_runs(self, runs: Runs, sign: int) -> None:
        """Count the voxels of runs; 0 is no id."""
        if runs not in self._tallies:
            self._tallies[runs] = Tally.of(runs, self.space)
        self._tallies[runs].add_to(self._counts, self._totals, sign)

    def _count_all(self) -> None:
        number_of_slices = self.space.size // self.space.area if self.space.area else 0
        for block in range(number_of_slices * self._blocks.down * self._blocks.across):
            page = self.labels.read(*self._blocks.place(block))
            ids, counts = np.unique(page[page != 0], return_counts=True)
            for number, count in zip(ids.tolist(), counts.tolist(), strict=True):
                self._counts.setdefault(number, Counter())[block] = count
                self._totals[number] += count

    def _used(self, number: int) -> NDArray[np.int64]:
        """Return the blocks in which an id has voxels, in rising order."""
        counts = self._counts.get(number, Counter())
        return np.array(sorted(at for at, count in counts.items() if count), np.int64)
