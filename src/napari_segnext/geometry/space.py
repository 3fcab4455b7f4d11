"""The space of an image and its labels: axes, planes, pixels, voxels, positions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent

Index = NDArray[np.intp]
Voxels = NDArray[np.int64]
Positions: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Space:
    """What an array spans: the last three axes are spatial, those before are fixed.

    Voxels are numbered in C order, whichever plane they lie in.

    Attributes
    ----------
    shape
        Of the array, without channels.
    flat
        Whether the last two axes alone are spatial, as they are of a 2-D image.

    Raises
    ------
    ValueError
        With fewer than two axes.
    """

    shape: tuple[int, ...]
    flat: bool = False

    def __post_init__(self) -> None:
        if len(self.shape) < 2:
            raise ValueError(f"images are at least 2-D, not of shape {self.shape}")
        object.__setattr__(self, "flat", self.flat or len(self.shape) == 2)

    # Axes

    @property
    def ndim(self) -> int:
        """How many axes the array has."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """How many voxels there are."""
        return math.prod(self.shape)

    @property
    def area(self) -> int:
        """How many pixels a plane perpendicular to axis 0 has."""
        return self.shape[-2] * self.shape[-1]

    @property
    def leading(self) -> int:
        """How many axes are not spatial (time, ...)."""
        return self.ndim - (2 if self.flat else 3)

    @property
    def spatial_axes(self) -> tuple[int, ...]:
        """The axes of the array that are spatial, two or three."""
        return tuple(range(self.leading, self.ndim))

    @property
    def fixed(self) -> tuple[int, ...]:
        """Lengths of the axes that are not spatial."""
        return self.shape[: self.leading]

    @property
    def spatial(self) -> tuple[int, ...]:
        """Lengths of the spatial axes."""
        return self.shape[self.leading :]

    def in_plane(self, axis: int) -> tuple[int, int]:
        """Axes of the array that rows and columns of planes run along.

        Parameters
        ----------
        axis
            Spatial axis that the planes are perpendicular to.
        """
        if self.flat:
            return self.ndim - 2, self.ndim - 1
        rows, columns = (a for a in self.spatial_axes if a != self.leading + axis)
        return rows, columns

    def across(self, axis: int) -> tuple[int, ...]:
        """Axes of the array along which a plane has one place: all but its own two."""
        last = () if self.flat else (self.leading + axis,)
        return (*range(self.leading), *last)

    # Planes

    def holds(self, plane: Plane) -> bool:
        """Tell whether a plane cuts the array."""
        return (
            0 <= plane.axis < (1 if self.flat else 3)
            and 0 <= plane.index < self.depth(plane.axis)
            and len(plane.fixed) == self.leading
            and all(0 <= at < n for at, n in zip(plane.fixed, self.fixed, strict=True))
        )

    def check(self, plane: Plane) -> None:
        """Check that a plane cuts the array.

        Raises
        ------
        ValueError
            Naming the plane and the shape.
        """
        if not self.holds(plane):
            raise ValueError(self._told(plane))

    def _told(self, plane: Plane) -> str:
        """Return what is wrong with a plane."""
        place = f"slice {plane.index} along axis {plane.axis}"
        if plane.fixed:
            place += f", fixed at {', '.join(map(str, plane.fixed))},"
        wanted = ""
        if len(plane.fixed) != self.leading:
            wanted = (
                f"; its fixed place is {self.leading} numbers, one for each axis "
                f"before the last {'two' if self.flat else 'three'}"
            )
        elif plane.axis in range(3) and plane.index >= self.depth(plane.axis):
            last = self.depth(plane.axis) - 1
            wanted = f", which has slices 0 to {last} there" if last else ", a section"
        return f"{place} does not cut an image of shape {self.shape}{wanted}"

    def depth(self, axis: int) -> int:
        """How many planes there are along a spatial axis, at one fixed place."""
        return 1 if self.flat else self.spatial[axis]

    def along(self, plane: Plane, reach: int | None = None) -> list[Plane]:
        """Return a plane and those parallel to it at its fixed place, in order.

        Parameters
        ----------
        reach
            How far from it, in planes; default: all.
        """
        axis, fixed, every = plane.axis, plane.fixed, range(self.depth(plane.axis))
        if reach is not None:
            every = every[max(0, plane.index - reach) : plane.index + reach + 1]
        return [Plane(axis, index, fixed) for index in every]

    def planes(self, axis: int = 0) -> list[Plane]:
        """Return all planes perpendicular to a spatial axis, at all fixed places.

        Those along axis 0 are in the order of their voxels.

        Raises
        ------
        ValueError
            If there is no such axis.
        """
        last = len(self.spatial) - 1 if not self.flat else 0
        if not 0 <= axis <= last:
            raise ValueError(f"axis {axis} is not one of the image's axes 0 to {last}")
        places = product(*map(range, self.fixed))
        return [each for at in places for each in self.along(Plane(axis, 0, at))]

    def slice_plane(self, number: int) -> Plane:
        """Return the plane perpendicular to axis 0 that has a number.

        A voxel's has the number ``voxel // area``.
        """
        frame, index = divmod(number, self.depth(0))
        fixed = np.unravel_index(frame, self.fixed) if self.fixed else ()
        return Plane(0, index, tuple(map(int, fixed)))

    def plane_across(self, axis: int, place: Sequence[int]) -> Plane:
        """Return the plane that has a place along the axes `across` it."""
        at = tuple(map(int, place))
        return Plane(0, 0, at) if self.flat else Plane(axis, at[-1], at[:-1])

    def frame(self, plane: Plane) -> int:
        """Return the number of a plane's place along the axes before the spatial."""
        frame = 0
        for at, length in zip(plane.fixed, self.fixed, strict=True):
            frame = frame * length + at
        return frame

    def plane_shape(self, plane: Plane) -> tuple[int, int]:
        """Height and width of a plane."""
        rows, columns = self.in_plane(plane.axis)
        return self.shape[rows], self.shape[columns]

    def index(self, plane: Plane) -> tuple[int | slice, ...]:
        """Return the basic index that cuts a plane from the array."""
        index: list[int | slice] = [*plane.fixed, *[slice(None)] * len(self.spatial)]
        if not self.flat:
            index[self.leading + plane.axis] = plane.index
        return tuple(index)

    def cut(self, plane: Plane, origin: Sequence[int], shape: Sequence[int]) -> Extent:
        """Return the part of a plane that lies in a box, empty if none does.

        Parameters
        ----------
        origin, shape
            Of the box, along each axis of the array.
        """
        box = [range(at, at + length) for at, length in zip(origin, shape, strict=True)]
        places = zip(self.index(plane), box, strict=True)
        if any(isinstance(at, int) and at not in along for at, along in places):
            return Extent(0, 0, 0, 0)
        rows, columns = (box[axis] for axis in self.in_plane(plane.axis))
        return Extent(rows.start, columns.start, rows.stop, columns.stop)

    # Pixels of planes

    def pixel_index(
        self, plane: Plane, rows: Index, columns: Index
    ) -> tuple[Index, ...]:
        """Return the fancy index, (N,) for each axis, of pixels of a plane."""
        at = dict(zip(self.in_plane(plane.axis), (rows, columns), strict=True))
        return tuple(
            at[axis] if isinstance(place, slice) else np.full(rows.shape, place)
            for axis, place in enumerate(self.index(plane))
        )

    def numbers(self, plane: Plane, rows: ArrayLike, columns: ArrayLike) -> Voxels:
        """Return the numbers of pixels of a plane: (N,), in the order given."""
        row_stride, column_stride = self._pixel_strides(plane)
        numbers = np.multiply(rows, row_stride, dtype=np.int64)
        numbers += self._first(plane)
        numbers += np.multiply(columns, column_stride, dtype=np.int64)
        return np.asarray(numbers)

    def pixels(self, plane: Plane, voxels: Voxels) -> tuple[Index, Index]:
        """Return rows and columns of voxels that lie in a plane."""
        row_stride, column_stride = self._pixel_strides(plane)
        at = voxels - self._first(plane)
        rows = at // row_stride
        at -= rows * row_stride
        return rows, at // column_stride if column_stride > 1 else at

    def within(self, plane: Plane, voxels: Voxels) -> NDArray[np.bool_]:
        """Tell which voxels lie in a plane."""
        volume, first = math.prod(self.spatial), self._first(plane)
        inside: NDArray[np.bool_] = voxels // volume == first // volume
        if not self.flat:
            stride = math.prod(self.spatial[plane.axis + 1 :])
            inside &= voxels // stride % self.spatial[plane.axis] == plane.index
        return inside

    def span(self, plane: Plane) -> tuple[int, int]:
        """Return the numbers of the first and the last voxel of a plane."""
        height, width = self.plane_shape(plane)
        first, last = self.numbers(plane, [0, height - 1], [0, width - 1]).tolist()
        return first, last

    def parted(self, axis: int, voxels: Voxels) -> dict[Plane, Index]:
        """Return, by plane perpendicular to an axis, where in an array its voxels are.

        Parameters
        ----------
        voxels
            (N,), which lie in any planes; those without any are left out.
        """
        frames, at = np.divmod(voxels, math.prod(self.spatial))
        depth = self.depth(axis)
        at = at * 0 if self.flat else at // math.prod(self.spatial[axis + 1 :]) % depth
        places = frames * depth + at
        order = np.argsort(places, kind="stable")
        first = np.flatnonzero(np.diff(places[order], prepend=-1))
        planes = (
            Plane(axis, int(index), self.slice_plane(int(frame) * self.depth(0)).fixed)
            for frame, index in zip(frames[order][first], at[order][first], strict=True)
        )
        return dict(zip(planes, np.split(order, first[1:]), strict=False))

    def extent(self, plane: Plane, voxels: Voxels) -> Extent:
        """Return what holds those of some voxels that lie in a plane."""
        rows, columns = self.pixels(plane, voxels[self.within(plane, voxels)])
        if not len(rows):
            return Extent(0, 0, 0, 0)
        first, last = (rows.min(), columns.min()), (rows.max(), columns.max())
        return Extent(*map(int, first), *(int(at) + 1 for at in last))

    def _pixel_strides(self, plane: Plane) -> tuple[int, int]:
        rows, columns = self.in_plane(plane.axis)
        return math.prod(self.shape[rows + 1 :]), math.prod(self.shape[columns + 1 :])

    def _first(self, plane: Plane) -> int:
        """Return the number of a plane's pixel (0, 0)."""
        first = self.frame(plane) * math.prod(self.spatial)
        if not self.flat:
            first += plane.index * math.prod(self.spatial[plane.axis + 1 :])
        return first

    # Positions: (N, ndim), of which whole numbers are the centres of voxels

    def plane_at(self, position: ArrayLike, axis: int) -> Plane | None:
        """Return the plane that holds an (ndim,) position, None outside.

        Between two planes it is the one that napari shows there: the even one.
        """
        across = list(self.across(axis))
        index = np.round(np.asarray(position, float)[across]).astype(int)
        if (index < 0).any() or (index >= np.array(self.shape)[across]).any():
            return None
        return self.plane_across(axis, index.tolist())

    def to_plane(self, points: ArrayLike, axis: int) -> Positions:
        """Return the (row, column) of (N, ndim) positions."""
        return np.asarray(points, float)[:, list(self.in_plane(axis))]

    def from_plane(self, plane: Plane, points: ArrayLike) -> Positions:
        """Return the (N, ndim) positions of (N, 2) points of a plane."""
        flat = np.asarray(points, float).reshape(-1, 2)
        whole = np.zeros((len(flat), self.ndim))
        for axis, place in enumerate(self.index(plane)):
            whole[:, axis] = 0 if isinstance(place, slice) else place
        whole[:, list(self.in_plane(plane.axis))] = flat
        return whole

    def contains(self, plane: Plane, points: ArrayLike) -> bool:
        """Tell whether all (N, 2) points lie on pixels of a plane."""
        flat = np.asarray(points, float).reshape(-1, 2)
        last = np.array(self.plane_shape(plane)) - 0.5
        return bool(((flat >= -0.5) & (flat < last)).all())
