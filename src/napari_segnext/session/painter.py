"""Writing changes of labels, and counting voxels on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segnext.prompts import Plane
from napari_segnext.session.grid import Grid, LabelChange, Labels, Values, Voxels
from napari_segnext.session.sparse import Diff


class Painter:
    """Labels whose changes are counted.

    Parameters
    ----------
    blank
        Whether the labels are known to be empty, so that they need not be read.
    """

    def __init__(self, labels: Labels, blank: bool = False) -> None:
        self.labels = labels
        self.grid = Grid(labels.shape)
        # Of each id the voxels in each plane perpendicular to axis 0.
        self._counts: dict[int, Counter[int]] = {}
        # Rows and columns in these planes that hold all voxels of an id.
        self._boxes: dict[int, tuple[int, int, int, int]] = {}
        if not blank:
            self._count_all()

    @property
    def ids(self) -> list[int]:
        """All ids that have voxels."""
        return sorted(number for number in self._counts if self.count(number))

    def count(self, number: int) -> int:
        """Return how many voxels an id has."""
        return self._counts[number].total() if number in self._counts else 0

    @cached_property
    def dtype(self) -> np.dtype[np.integer[Any]]:
        """Integer type of the labels."""
        return self.labels.read(self.grid.slice_plane(0)).dtype

    def voxels(self, number: int) -> Voxels:
        """Return all voxels of an id, sorted."""
        counts = self._counts.get(number, Counter())
        top, left, bottom, right = self._boxes.get(number, (0, 0, 0, 0))
        parts = [np.zeros(0, np.int64)]
        for at in sorted(at for at, count in counts.items() if count):
            plane = self.grid.slice_plane(at)
            page = self.labels.read(plane)[top:bottom, left:right]
            rows, columns = np.nonzero(page == number)
            parts.append(self.grid.voxels(plane, rows + top, columns + left))
        return np.concatenate(parts)

    def values(self, plane: Plane, voxels: Voxels) -> Values:
        """Return the ids of voxels of a plane."""
        values: Values = self.labels.read(plane)[self.grid.pixels(plane, voxels)]
        return values

    def setting(self, voxels: Voxels, new: NDArray[np.integer[Any]]) -> Diff:
        """Return the change of sorted voxels from what they are.

        Raises
        ------
        ValueError
            If the labels' type does not hold an id.
        """
        limit = np.iinfo(self.dtype).max
        if len(new) and new.max() > limit:
            raise ValueError(
                f"object {new.max()} needs labels of a wider type: {self.dtype} ends "
                f"at {limit}"
            )
        old = np.zeros(len(voxels), self.dtype)
        slices = voxels // self.grid.area
        for at in np.unique(slices).tolist():
            here = slices == at
            old[here] = self.values(self.grid.slice_plane(at), voxels[here])
        return Diff.of(voxels, old, new.astype(self.dtype))

    def pages(self) -> Iterator[Diff]:
        """Yield all that is in the labels, as changes from nothing."""
        used = {at for counts in self._counts.values() for at in counts if counts[at]}
        for at in sorted(used):
            plane = self.grid.slice_plane(at)
            page = self.labels.read(plane)
            rows, columns = np.nonzero(page)
            new = page[rows, columns]
            voxels = self.grid.voxels(plane, rows, columns)
            yield Diff(voxels, np.zeros_like(new), new)

    def relabel(self, number: int, voxels: Voxels, new: NDArray[np.int64]) -> Diff:
        """Return the change of voxels of an id to others."""
        old = np.full(len(voxels), number, self.dtype)
        return Diff.of(voxels, old, new.astype(self.dtype))

    def write(self, diff: Diff, plane: Plane | None) -> tuple[LabelChange, ...]:
        """Write a change; `plane` is the one that all voxels lie in, if one is."""
        diff = diff.select(diff.old != diff.new)
        changes = tuple(self._split(diff, plane))
        for change in changes:
            if len(change):
                rows, columns = change.rows, change.columns
                self.labels.write(change.plane, rows, columns, change.new)
        self.count_change(diff)
        return changes

    def count_change(self, diff: Diff) -> None:
        """Count a change that is in the labels already."""
        slices = diff.voxels // self.grid.area
        for values, sign in ((diff.old, -1), (diff.new, 1)):
            for number in np.unique(values[values != 0]):
                counts = self._counts.setdefault(int(number), Counter())
                at, found = np.unique(slices[values == number], return_counts=True)
                for place, count in zip(at.tolist(), found.tolist(), strict=True):
                    counts[place] += sign * count
        for number in np.unique(diff.new[diff.new != 0]).tolist():
            self._grow_box(number, diff.voxels[diff.new == number])

    def _count_all(self) -> None:
        for at, plane in self.grid.slices():
            page = self.labels.read(plane)
            ids, counts = np.unique(page[page != 0], return_counts=True)
            for number, count in zip(ids.tolist(), counts.tolist(), strict=True):
                self._counts.setdefault(number, Counter())[at] = count
                height, width = page.shape
                self._boxes[number] = (0, 0, height, width)

    def _grow_box(self, number: int, voxels: Voxels) -> None:
        rows, columns = np.divmod(voxels % self.grid.area, self.grid.spatial[-1])
        box = (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
        known = self._boxes.get(number, box)
        start = (min(known[0], box[0]), min(known[1], box[1]))
        self._boxes[number] = (*start, max(known[2], box[2]), max(known[3], box[3]))

    def _split(self, diff: Diff, plane: Plane | None) -> Iterator[LabelChange]:
        """Yield a change plane by plane."""
        if plane is not None:
            yield self._change(diff, plane)
            return
        slices = diff.voxels // self.grid.area
        for at in np.unique(slices).tolist():
            yield self._change(diff.select(slices == at), self.grid.slice_plane(at))

    def _change(self, diff: Diff, plane: Plane) -> LabelChange:
        rows, columns = self.grid.pixels(plane, diff.voxels)
        return LabelChange(plane, rows, columns, diff.old, diff.new)
