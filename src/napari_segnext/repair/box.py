"""The part of a volume around an object, in which its shape is put right."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_segnext.files.checks import check_memory
from napari_segnext.geometry.frame import BoolArray
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent
from napari_segnext.geometry.resample import FloatArray
from napari_segnext.geometry.space import Space, Voxels
from napari_segnext.labels.labels import ReadableLabels, Values
from napari_segnext.repair.progress import Tell, silent
from napari_segnext.session.reshaping import Place
from napari_segnext.session.state import Result

# Bytes that a repair takes for a voxel, the distances to the border among them.
_TAKES = 16
_NOTHING = "there is nothing of the object here"


@dataclass(frozen=True, slots=True, eq=False)
class ObjectBox:
    """An object and what is around it.

    The arrays are stacks of parts of parallel planes, (n, h, w).

    Attributes
    ----------
    space
        Of the whole.
    planes, extent
        The n planes, one after the other, and the part of each.
    axis
        Of the arrays, along which the user sees slices.
    steps
        (3,) from voxel to voxel along each axis; the smaller one in slices is 1.
    mask
        Where the object is, or one inside it.
    free
        Where nothing is, or what it was drawn on.
    results
        Of the object.
    """

    space: Space
    planes: tuple[Plane, ...]
    extent: Extent
    axis: int
    steps: tuple[float, float, float]
    mask: BoolArray
    free: BoolArray
    results: Mapping[Plane, Result]

    @classmethod
    def read(
        cls,
        labels: ReadableLabels,
        object_id: int,
        place: Place,
        shown: int,
        scale: Sequence[float],
        results: Mapping[Plane, Result],
        margin: int = 1,
        tell: Tell = silent,
    ) -> ObjectBox:
        """Read an object; any thread may do so.

        Parameters
        ----------
        place
            Where it is.
        shown
            The axis that the user sees slices along.
        scale
            From voxel to voxel along the spatial axes.
        results
            Of the object.
        margin
            How much around it belongs to the box, in the smaller step of slices.

        Raises
        ------
        ValueError
            If nothing of the object is there.
        MemoryError
            If there is not enough for a repair.
        """
        if not place.planes:
            raise ValueError(_NOTHING)
        space = Space(labels.shape)
        axis = shown if place.whole else 0
        steps = _steps(space, place.planes, axis, scale)
        around = [math.ceil(margin / step) for step in steps]
        planes, extent = _widened(space, place, around)
        shape = len(planes), *extent.shape
        check_memory(_TAKES * math.prod(shape))
        mask, free = np.empty(shape, bool), np.empty(shape, bool)
        its, others = {object_id, *place.inner}, {0, *place.outer}
        for at, plane in enumerate(planes):
            tell(at / len(planes))
            page = labels.read(plane, extent)
            mask[at], free[at] = _among(page, its), _among(page, others)
        if not mask.any():
            raise ValueError(_NOTHING)
        box = cls(space, planes, extent, axis, steps, mask, free, results)
        return box._cropped(around)

    def said(self, at: int) -> FloatArray | None:
        """Return what the model said in a slice as the user sees it, if it did."""
        plane = self._slice(at)
        if plane not in self.results:
            return None
        return self.results[plane].probability.patch.read(self._extent(plane))

    def numbers(self, chosen: BoolArray) -> Voxels:
        """Return the numbers of the chosen voxels of the box, sorted."""
        parts = [np.zeros(0, np.int64)]
        for plane, page in zip(self.planes, chosen, strict=True):
            # Much faster than `nonzero` of both axes where few are chosen.
            rows, columns = np.divmod(np.flatnonzero(page), page.shape[1])
            rows, columns = rows + self.extent.top, columns + self.extent.left
            parts.append(self.space.numbers(plane, rows, columns))
        return np.sort(np.concatenate(parts))

    def change(self, shape: BoolArray) -> tuple[Voxels, Voxels]:
        """Return the voxels that an object gains and loses by another shape.

        What is another object's is not gained, unless it was drawn on that; what is
        lost may be that of one inside.
        """
        gained = self.numbers(shape & self.free)
        return gained, self.numbers(self.mask & ~shape)

    def marked(self, voxels: Iterable[int]) -> BoolArray:
        """Return where voxels of these numbers are; what lies outside is left out."""
        numbers = np.array(sorted(set(voxels)), np.int64)
        marked = np.zeros(self.mask.shape, bool)
        for page, plane in zip(marked, self.planes, strict=True):
            here = numbers[self.space.within(plane, numbers)]
            rows, columns = self.space.pixels(plane, here)
            rows, columns = rows - self.extent.top, columns - self.extent.left
            inside = (rows >= 0) & (rows < page.shape[0])
            inside &= (columns >= 0) & (columns < page.shape[1])
            page[rows[inside], columns[inside]] = True
        return marked

    def along(self, array: NDArray[np.generic]) -> NDArray[np.generic]:
        """Return a view of an array of the box as the user sees it: slice by slice."""
        return np.moveaxis(array, self.axis, 0)

    def _slice(self, at: int) -> Plane:
        """Return a slice as the user sees it, by its place in the arrays."""
        first = self.planes[0]
        if self.axis == 0:
            return self.planes[at]
        start = self.extent.top if self.axis == 1 else self.extent.left
        return Plane(self.axis, start + at, first.fixed)

    def _extent(self, plane: Plane) -> Extent:
        """Return the part of a slice, as the user sees it, that lies in the box."""
        ends = [
            (self.planes[0].index, self.planes[-1].index + 1),
            (self.extent.top, self.extent.bottom),
            (self.extent.left, self.extent.right),
        ]
        (top, bottom), (left, right) = (
            each for at, each in enumerate(ends) if at != self.axis
        )
        return Extent(top, left, bottom, right)

    def _cropped(self, around: Sequence[int]) -> ObjectBox:
        """Return what is around the object, and no more."""
        ends = []
        for axis, margin in enumerate(around):
            others = tuple(at for at in range(3) if at != axis)
            used = np.flatnonzero(self.mask.any(others))
            first = max(int(used[0]) - margin, 0)
            ends.append((first, min(int(used[-1]) + 1 + margin, self.mask.shape[axis])))
        (first, last), (top, bottom), (left, right) = ends
        part = slice(first, last), slice(top, bottom), slice(left, right)
        corner = self.extent.top + top, self.extent.left + left
        return replace(
            self,
            planes=self.planes[first:last],
            extent=Extent.at(corner, (bottom - top, right - left)),
            mask=self.mask[part],
            free=self.free[part],
        )


def _among(page: Values, ids: Collection[int]) -> BoolArray:
    """Tell which pixels have one of some ids."""
    if len(ids) == 1:
        (only,) = ids
        one: BoolArray = page == only
        return one
    return np.isin(page, [*ids])


def _steps(
    space: Space, planes: Sequence[Plane], axis: int, scale: Sequence[float]
) -> tuple[float, float, float]:
    """Return the steps along the axes of a stack of planes."""
    rows, columns = (at - space.leading for at in space.in_plane(planes[0].axis))
    across = 1.0 if space.flat else scale[planes[0].axis]
    steps = [across, scale[rows], scale[columns]]
    least = min(step for at, step in enumerate(steps) if at != axis)
    first, second, third = (step / least for step in steps)
    return first, second, third


def _widened(
    space: Space, place: Place, around: Sequence[int]
) -> tuple[tuple[Plane, ...], Extent]:
    """Return where an object is, and what is around it, without gaps."""
    planes, extent = place.planes, place.extent
    if place.whole:
        first, last = planes[0].index - around[0], planes[-1].index + around[0]
        planes = tuple(p for p in space.along(planes[0]) if first <= p.index <= last)
    wide = extent.widened(around[1], around[2])
    return planes, wide.common(Extent(0, 0, *space.plane_shape(planes[0])))
