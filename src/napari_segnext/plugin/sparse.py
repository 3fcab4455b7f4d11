"""An array of planes of which only the painted ones take memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segnext.plugin.planes import Axes
from napari_segnext.prompts import Plane

Pixels = NDArray[np.uint8]


class SparsePlanes:
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

    def __init__(self, axes: Axes, axis: int = 0) -> None:
        self._axes = axes
        self._planes: dict[Plane, Pixels] = {}
        self._touched: set[Plane] = set()
        self.axis = axis

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the whole."""
        return self._axes.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements of the whole."""
        return int(np.prod(self.shape))

    @property
    def nbytes(self) -> int:
        """Memory taken."""
        return sum(p.nbytes for p in self._planes.values())

    @property
    def planes(self) -> set[Plane]:
        """The planes that have been painted on."""
        return {plane for plane, pixels in self._planes.items() if pixels.any()}

    def take_touched(self) -> set[Plane]:
        """Return the planes written to by index since this was last asked."""
        touched, self._touched = self._touched, set()
        return touched

    def read(self, plane: Plane) -> Pixels:
        """Return a copy of one plane."""
        pixels: Pixels = self[self._axes.index(plane)]
        return pixels

    def reset(self, axis: int) -> None:
        """Remove everything, and store planes of another axis from now on."""
        self._planes.clear()
        self._touched.clear()
        self.axis = axis

    def fill(self, plane: Plane, pixels: Pixels) -> None:
        """Replace one plane perpendicular to `axis`."""
        if pixels.any():
            self._planes[plane] = pixels
        else:
            self._planes.pop(plane, None)

    def __array__(
        self, dtype: np.dtype[Any] | None = None, copy: bool | None = None
    ) -> NDArray[Any]:
        whole: Pixels = self[(slice(None),) * self.ndim]
        return whole.astype(dtype or self.dtype, copy=False)

    def __getitem__(self, key: Any) -> Any:
        key = self._full(key)
        if any(isinstance(k, np.ndarray) for k in key):
            return self._gather(np.broadcast_arrays(*key))
        out = np.zeros(tuple(len(k) for k in _ranges(key, self.shape)), np.uint8)
        for plane, target in self._crossing(key):
            if plane in self._planes:
                rows, columns = self._in_plane(key)
                out[target] = self._planes[plane][rows, columns]
        return out[tuple(0 if isinstance(k, int) else slice(None) for k in key)]

    def __setitem__(self, key: Any, value: Any) -> None:
        key = self._full(key)
        if any(isinstance(k, np.ndarray) for k in key):
            self._scatter(np.broadcast_arrays(*key), value)
            return
        shape = tuple(len(k) for k in _ranges(key, self.shape))
        given = np.asarray(value, np.uint8)
        dropped = tuple(i for i, k in enumerate(key) if isinstance(k, int))
        if given.ndim and dropped:
            given = np.expand_dims(given, dropped)
        given = np.broadcast_to(given, shape)
        for plane, target in self._crossing(key):
            if plane in self._planes or given[target].any():
                rows, columns = self._in_plane(key)
                self._stored(plane)[rows, columns] = given[target]

    def _full(self, key: Any) -> tuple[Any, ...]:
        key = key if isinstance(key, tuple) else (key,)
        if Ellipsis in [k for k in key if not isinstance(k, np.ndarray)]:
            at = next(i for i, k in enumerate(key) if k is Ellipsis)
            missing = self.ndim - len(key) + 1
            key = (*key[:at], *[slice(None)] * missing, *key[at + 1 :])
        key = (*key, *[slice(None)] * (self.ndim - len(key)))
        return tuple(
            k if isinstance(k, slice | np.ndarray) else int(k) % n
            for k, n in zip(key, self.shape, strict=True)
        )

    def _across(self) -> list[int]:
        return [a for a in range(self.ndim) if a not in self._axes.in_plane(self.axis)]

    def _in_plane(self, key: tuple[Any, ...]) -> tuple[slice, slice]:
        rows, columns = (
            slice(key[a], key[a] + 1) if isinstance(key[a], int) else key[a]
            for a in self._axes.in_plane(self.axis)
        )
        return rows, columns

    def _plane(self, across: tuple[int, ...]) -> Plane:
        return Plane(self.axis, across[-1], across[:-1]) if across else Plane()

    def _crossing(self, key: tuple[Any, ...]) -> Iterator[tuple[Plane, Any]]:
        """Yield each plane that a basic index meets, and its place in the result."""
        across = self._across()
        ranges = _ranges(key, self.shape)
        for found in product(*(enumerate(ranges[a]) for a in across)):
            target: list[int | slice] = [slice(None)] * self.ndim
            for axis, (place, _) in zip(across, found, strict=True):
                target[axis] = place
            yield self._plane(tuple(at for _, at in found)), tuple(target)

    def _stored(self, plane: Plane) -> Pixels:
        self._touched.add(plane)
        if plane not in self._planes:
            self._planes[plane] = np.zeros(self._axes.plane_shape(plane), np.uint8)
        return self._planes[plane]

    def _groups(self, key: Any) -> Iterator[tuple[Plane, NDArray[np.bool_], Any]]:
        """Yield each plane that an array index meets, which elements, and where."""
        across = self._across()
        rows, columns = self._axes.in_plane(self.axis)
        flat = [np.ravel(k) for k in key]
        where = np.stack([flat[a] for a in across], 1) if across else None
        if where is None:
            yield Plane(), np.ones(flat[0].shape, bool), (flat[rows], flat[columns])
            return
        for at in np.unique(where, axis=0):
            chosen = (where == at).all(1)
            plane = self._plane(tuple(map(int, at)))
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


def _ranges(key: tuple[Any, ...], shape: tuple[int, ...]) -> list[range]:
    return [
        range(k, k + 1) if isinstance(k, int) else range(*k.indices(n))
        for k, n in zip(key, shape, strict=True)
    ]
