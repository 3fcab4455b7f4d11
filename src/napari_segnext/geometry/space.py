"""The numbering of the voxels of an array, whichever plane they lie in."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent

Index = NDArray[np.intp]
Voxels = NDArray[np.int64]


class Grid:
    """Numbers the voxels of an array in C order, whichever plane they lie in.

    Parameters
    ----------
    shape
        Of the whole array, as `Labels.shape`.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        if len(shape) < 2:
            raise ValueError(f"labels are at least 2-D, not of shape {shape}")
        self.shape = shape
        self.fixed, self.spatial = shape[:-3], shape[-3:]
        self._strides = [math.prod(self.spatial[a + 1 :]) for a in range(3)]
        self.area = self.spatial[-2] * self.spatial[-1]

    @property
    def size(self) -> int:
        """How many voxels there are."""
        return math.prod(self.shape)

    def check(self, plane: Plane) -> None:
        """Check that a plane cuts the array.

        Raises
        ------
        ValueError
            Naming the plane and the shape.
        """
        deep = len(self.spatial) == 3
        inside = 0 <= plane.axis < (3 if deep else 1)
        inside = inside and 0 <= plane.index < (self.spatial[plane.axis] if deep else 1)
        inside = inside and len(plane.fixed) == len(self.fixed)
        if not inside or not all(
            0 <= at < length for at, length in zip(plane.fixed, self.fixed, strict=True)
        ):
            raise ValueError(self._told(plane))

    def _told(self, plane: Plane) -> str:
        """Return what is wrong with a plane."""
        place = f"slice {plane.index} along axis {plane.axis}"
        if plane.fixed:
            place += f", fixed at {', '.join(map(str, plane.fixed))},"
        wanted = ""
        if len(plane.fixed) != len(self.fixed):
            wanted = (
                f"; its fixed place is {len(self.fixed)} numbers, one for each axis "
                "before the last three"
            )
        return f"{place} does not cut labels of shape {self.shape}{wanted}"

    def plane_shape(self, plane: Plane) -> tuple[int, int]:
        """Height and width of a plane."""
        rows, columns = self._in_plane(plane)
        return self.spatial[rows], self.spatial[columns]

    def index(self, plane: Plane) -> tuple[int | slice, ...]:
        """Return the basic index that cuts a plane from the array."""
        index: list[int | slice] = [*plane.fixed, *[slice(None)] * len(self.spatial)]
        if len(self.spatial) == 3:
            index[len(self.fixed) + plane.axis] = plane.index
        return tuple(index)

    def extent(self, plane: Plane, voxels: Voxels) -> Extent:
        """Return what holds those of some voxels that lie in a plane."""
        rows, columns = self.pixels(plane, voxels[self.within(plane, voxels)])
        if not len(rows):
            return Extent(0, 0, 0, 0)
        first, last = (rows.min(), columns.min()), (rows.max(), columns.max())
        return Extent(*map(int, first), *(int(at) + 1 for at in last))

    def voxels(self, plane: Plane, rows: ArrayLike, columns: ArrayLike) -> Voxels:
        """Return the numbers of pixels of a plane: (N,), in the order given."""
        row_stride, column_stride = self._pixel_strides(plane)
        at = np.asarray(rows, np.int64) * row_stride
        return at + np.asarray(columns, np.int64) * column_stride + self._first(plane)

    def pixels(self, plane: Plane, voxels: Voxels) -> tuple[Index, Index]:
        """Return rows and columns of voxels that lie in a plane."""
        height, width = self.plane_shape(plane)
        row_stride, column_stride = self._pixel_strides(plane)
        at = voxels - self._first(plane)
        return at // row_stride % height, at // column_stride % width

    def within(self, plane: Plane, voxels: Voxels) -> NDArray[np.bool_]:
        """Tell which voxels lie in a plane."""
        volume = math.prod(self.spatial)
        at = voxels - self._first(plane)
        if len(self.spatial) == 2:
            return (at >= 0) & (at < volume)
        stride, length = self._strides[plane.axis], self.spatial[plane.axis]
        inside: NDArray[np.bool_] = voxels // stride % length == plane.index
        inside &= voxels // volume == self._first(plane) // volume
        return inside

    def slices(self) -> Iterator[tuple[int, Plane]]:
        """Yield all planes perpendicular to axis 0, numbered."""
        depth = self.spatial[0] if len(self.spatial) == 3 else 1
        for number in range(self.size // self.area if self.area else 0):
            yield number, self.slice_plane(number, depth)

    def slice_plane(self, number: int, depth: int | None = None) -> Plane:
        """Return the plane perpendicular to axis 0 that has a number.

        A voxel's slice has the number ``voxel // area``.
        """
        if depth is None:
            depth = self.spatial[0] if len(self.spatial) == 3 else 1
        frame, index = divmod(number, depth)
        fixed = tuple(int(at) for at in np.unravel_index(frame, self.fixed or (1,)))
        return Plane(0, index, fixed if self.fixed else ())

    def _in_plane(self, plane: Plane) -> tuple[int, int]:
        if len(self.spatial) == 2:
            return 0, 1
        rows, columns = (axis for axis in range(3) if axis != plane.axis)
        return rows, columns

    def _pixel_strides(self, plane: Plane) -> tuple[int, int]:
        rows, columns = self._in_plane(plane)
        return self._strides[rows], self._strides[columns]

    def frame(self, plane: Plane) -> int:
        """Return the number of a plane's place along the axes before the spatial."""
        frame = 0
        for at, length in zip(plane.fixed, self.fixed, strict=True):
            frame = frame * length + at
        return frame

    def _first(self, plane: Plane) -> int:
        """Return the number of a plane's pixel (0, 0)."""
        first = self.frame(plane) * math.prod(self.spatial)
        if len(self.spatial) == 3:
            first += plane.index * self._strides[plane.axis]
        return first
