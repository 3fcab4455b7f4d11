"""An array of planes of which only the painted ones take memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segnext.geometry.frame import Region
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent
from napari_segnext.geometry.space import Space
from napari_segnext.plugin.layers.lazy_array import LazyArray, full_key, ranges

Pixels = NDArray[np.uint8]


class SparsePlanes(LazyArray):
    """What a scribble layer paints on: uint8, of the image's shape, mostly absent.

    It follows numpy's indexing by integers, slices, and one integer array per
    axis, which is what napari's Labels layer asks of its data. Reading returns
    copies. A full-sized array of scribbles would double the memory of a volume.

    Attributes
    ----------
    axis
        Spatial axis that the stored planes are perpendicular to. Any index works
        whatever the axis, but is quick only within planes.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, space: Space, axis: int = 0) -> None:
        self._space, self.shape = space, space.shape
        # Of a large plane, memory is taken by the pages that have been written.
        self._planes: dict[Plane, Pixels] = {}
        self._touched: dict[Plane, Extent] = {}
        self.axis = axis

    @property
    def nbytes(self) -> int:
        """Memory taken."""
        return sum(p.nbytes for p in self._planes.values())

    @property
    def planes(self) -> set[Plane]:
        """The planes that have been painted on."""
        return set(self._planes)

    def take_touched(self) -> dict[Plane, Extent]:
        """Return where planes were written to by index since this was last asked."""
        touched, self._touched = self._touched, {}
        return touched

    def read(self, plane: Plane, extent: Extent | None = None) -> Pixels:
        """Return a copy of one plane, or of part of it."""
        index: list[Any] = list(self._space.index(plane))
        if extent is not None:
            for axis, part in zip(
                self._space.in_plane(plane.axis), extent.slices, strict=True
            ):
                index[axis] = part
        pixels: Pixels = self[tuple(index)]
        return pixels

    def part(self, origin: Sequence[int], shape: Sequence[int]) -> Part:
        """Return a part of it that is read and written like the whole."""
        return Part(self, tuple(origin), tuple(shape))

    def reset(self, axis: int) -> None:
        """Remove everything, and store planes of another axis from now on."""
        self._planes.clear()
        self._touched.clear()
        self.axis = axis

    def paint(self, plane: Plane, region: Region, value: int) -> None:
        """Set pixels of a plane perpendicular to `axis`; that does not touch it."""
        extent = region.extent
        self._stored(plane)[extent.slices][region.pixels] = value

    def __getitem__(self, key: Any) -> Any:
        key = full_key(key, self.shape)
        if any(isinstance(k, np.ndarray) for k in key):
            return self._gather(np.broadcast_arrays(*key))
        out = np.zeros(tuple(len(k) for k in ranges(key, self.shape)), np.uint8)
        for plane, target in self._crossing(key):
            if plane in self._planes:
                rows, columns = self._in_plane(key)
                out[target] = self._planes[plane][rows, columns]
        return out[tuple(0 if isinstance(k, int) else slice(None) for k in key)]

    def __setitem__(self, key: Any, value: Any) -> None:
        key = full_key(key, self.shape)
        if any(isinstance(k, np.ndarray) for k in key):
            self._scatter(np.broadcast_arrays(*key), value)
            return
        shape = tuple(len(k) for k in ranges(key, self.shape))
        given = np.asarray(value, np.uint8)
        dropped = tuple(i for i, k in enumerate(key) if isinstance(k, int))
        if given.ndim and dropped:
            given = np.expand_dims(given, dropped)
        given = np.broadcast_to(given, shape)
        for plane, target in self._crossing(key):
            if plane in self._planes or given[target].any():
                rows, columns = self._in_plane(key)
                self._stored(plane)[rows, columns] = given[target]
                height, width = self._space.plane_shape(plane)
                down, across = rows.indices(height), columns.indices(width)
                self._touch(plane, Extent(down[0], across[0], down[1], across[1]))

    def _in_plane(self, key: tuple[Any, ...]) -> tuple[slice, slice]:
        rows, columns = (
            slice(key[a], key[a] + 1) if isinstance(key[a], int) else key[a]
            for a in self._space.in_plane(self.axis)
        )
        return rows, columns

    def _crossing(self, key: tuple[Any, ...]) -> Iterator[tuple[Plane, Any]]:
        """Yield each plane that a basic index meets, and its place in the result."""
        across = self._space.across(self.axis)
        places = ranges(key, self.shape)
        for found in product(*(enumerate(places[a]) for a in across)):
            target: list[int | slice] = [slice(None)] * self.ndim
            for axis, (place, _) in zip(across, found, strict=True):
                target[axis] = place
            plane = self._space.plane_across(self.axis, [at for _, at in found])
            yield plane, tuple(target)

    def _touch(self, plane: Plane, extent: Extent) -> None:
        known = self._touched.get(plane, Extent(0, 0, 0, 0))
        self._touched[plane] = known.joined(extent)

    def _stored(self, plane: Plane) -> Pixels:
        if plane not in self._planes:
            self._planes[plane] = np.zeros(self._space.plane_shape(plane), np.uint8)
        return self._planes[plane]

    def _groups(self, key: Any) -> Iterator[tuple[Plane, NDArray[np.bool_], Any]]:
        """Yield each plane that an array index meets, which elements, and where."""
        across = self._space.across(self.axis)
        rows, columns = self._space.in_plane(self.axis)
        flat = [np.ravel(k) for k in key]
        where = np.stack([flat[a] for a in across], 1) if across else None
        if where is None:
            yield Plane(), np.ones(flat[0].shape, bool), (flat[rows], flat[columns])
            return
        for at in np.unique(where, axis=0):
            chosen = (where == at).all(1)
            plane = self._space.plane_across(self.axis, at.tolist())
            yield plane, chosen, (flat[rows][chosen], flat[columns][chosen])

    def _gather(self, key: Any) -> Pixels:
        out = np.zeros(key[0].size, np.uint8)
        for plane, chosen, at in self._groups(key):
            if plane in self._planes:
                out[chosen] = self._planes[plane][at]
        return out.reshape(key[0].shape)

    def _scatter(self, key: Any, value: Any) -> None:
        given = np.broadcast_to(np.asarray(value, np.uint8), key[0].shape).ravel()
        for plane, chosen, at in self._groups(key):
            self._stored(plane)[at] = given[chosen]
            rows, columns = at
            low, high = (rows.min(), columns.min()), (rows.max(), columns.max())
            last = (int(n) + 1 for n in high)
            self._touch(plane, Extent(*map(int, low), *last))


class Part(LazyArray):
    """A part of sparse planes, with indices of its own."""

    dtype = SparsePlanes.dtype

    def __init__(
        self, whole: SparsePlanes, origin: tuple[int, ...], shape: tuple[int, ...]
    ) -> None:
        self._whole, self._origin, self.shape = whole, origin, shape

    def __getitem__(self, key: Any) -> Any:
        return self._whole[self._moved(key)]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._whole[self._moved(key)] = value

    def _moved(self, key: Any) -> tuple[Any, ...]:
        moved: list[Any] = []
        for k, start, n in zip(
            full_key(key, self.shape), self._origin, self.shape, strict=True
        ):
            if isinstance(k, slice):
                first, last, step = k.indices(n)
                moved.append(slice(first + start, last + start, step))
            else:
                moved.append(k + start)
        return tuple(moved)
