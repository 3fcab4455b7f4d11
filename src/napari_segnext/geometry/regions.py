"""Parts of planes: a large plane is never held as a whole, only what is on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_segnext.geometry.resample import FloatArray, Parts

# Pixels of a map that are held at once while all of it is looked at.
_BAND = 1 << 22


class Extent(NamedTuple):
    """Rows and columns of a plane, in its pixels; the ends are exclusive."""

    top: int
    left: int
    bottom: int
    right: int

    @classmethod
    def of(cls, mask: NDArray[np.bool_], offset: tuple[int, int] = (0, 0)) -> Extent:
        """Return what holds all that is set in a 2-D mask that lies at an offset."""
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if not len(rows):
            return cls(*offset, *offset)
        top, left = offset
        return cls(
            top + int(rows[0]),
            left + int(columns[0]),
            top + int(rows[-1]) + 1,
            left + int(columns[-1]) + 1,
        )

    @classmethod
    def at(cls, offset: tuple[int, int], shape: tuple[int, ...]) -> Extent:
        """Return what an array of a shape covers that lies at an offset."""
        return cls(*offset, offset[0] + shape[0], offset[1] + shape[1])

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, 0 at least."""
        return max(0, self.bottom - self.top), max(0, self.right - self.left)

    @property
    def empty(self) -> bool:
        """Whether there is no pixel in it."""
        return 0 in self.shape

    @property
    def slices(self) -> tuple[slice, slice]:
        """What cuts it from the whole plane."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def within(self, other: Extent) -> tuple[slice, slice]:
        """Return what cuts it from an array that covers another extent."""
        return (
            slice(self.top - other.top, self.bottom - other.top),
            slice(self.left - other.left, self.right - other.left),
        )

    def holds(self, other: Extent) -> bool:
        """Tell whether another extent lies in it; an empty one always does."""
        return other.empty or other == self.common(other)

    def common(self, other: Extent) -> Extent:
        """Return what lies in both."""
        top, left = max(self.top, other.top), max(self.left, other.left)
        bottom, right = min(self.bottom, other.bottom), min(self.right, other.right)
        return Extent(top, left, max(top, bottom), max(left, right))

    def joined(self, other: Extent) -> Extent:
        """Return the smallest extent that holds both; what is empty has no place."""
        if self.empty or other.empty:
            return other if self.empty else self
        return Extent(
            min(self.top, other.top),
            min(self.left, other.left),
            max(self.bottom, other.bottom),
            max(self.right, other.right),
        )

    def widened(self, rows: int, columns: int) -> Extent:
        """Return it with so many more rows and columns on every side."""
        return Extent(
            self.top - rows,
            self.left - columns,
            self.bottom + rows,
            self.right + columns,
        )

    def in_cells(self, side: int) -> Extent:
        """Return the smallest extent of whole cells of a side that holds it."""
        return Extent(
            self.top // side * side,
            self.left // side * side,
            -(-self.bottom // side) * side,
            -(-self.right // side) * side,
        )

    def bands(self) -> list[Extent]:
        """Cut it into bands of rows of bounded size, the first at the top."""
        height = max(1, _BAND // max(1, self.shape[1]))
        return [
            self._replace(top=top, bottom=min(top + height, self.bottom))
            for top in range(self.top, self.bottom, height)
        ]

    def strips(self) -> list[Extent]:
        """Cut it into strips of columns of bounded size, the first at the left."""
        width = max(1, _BAND // max(1, self.shape[0]))
        return [
            self._replace(left=left, right=min(left + width, self.right))
            for left in range(self.left, self.right, width)
        ]


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """A map of a plane that is zero outside of one part.

    Attributes
    ----------
    shape
        (H, W) of the plane.
    offset
        (row, column) of the part's first pixel.
    values
        (h, w) float32, the part: an array, or what gives parts of it.
    """

    shape: tuple[int, int]
    offset: tuple[int, int]
    values: Parts

    @classmethod
    def of(cls, whole: FloatArray) -> Patch:
        """Keep what is not zero of a (H, W) map."""
        part = Extent.of(whole != 0)
        height, width = whole.shape
        return cls((height, width), part[:2], whole[part.slices])

    @classmethod
    def nothing(cls, shape: tuple[int, int]) -> Patch:
        """Return a map of zeros."""
        return cls(shape, (0, 0), np.zeros((0, 0), np.float32))

    @property
    def extent(self) -> Extent:
        """Where the part lies."""
        return Extent.at(self.offset, self.values.shape)

    def bands(self) -> Iterator[tuple[Extent, FloatArray]]:
        """Yield the part in bands of rows of bounded size, from the top."""
        for band in self.extent.bands():
            yield band, self.values[band.within(self.extent)]

    @property
    def finite(self) -> bool:
        """Whether no value is NaN or infinite."""
        return all(np.isfinite(values.sum()) for _, values in self.bands())

    def above(self, level: float) -> Extent:
        """Return what holds all values above a level, which is not negative."""
        bands = self.extent.bands()
        first = self._first_above(level, bands)
        if first.empty or len(bands) == 1:
            return first
        last = self._first_above(level, reversed(bands))
        high = self.extent._replace(top=first.top, bottom=last.bottom)
        strips = high.strips()
        left = self._first_above(level, strips).left
        right = self._first_above(level, reversed(strips)).right
        return high._replace(left=left, right=right)

    def _first_above(self, level: float, parts: Iterable[Extent]) -> Extent:
        """Return what holds the values above a level in the first part with some."""
        for part in parts:
            values = self.values[part.within(self.extent)]
            found = Extent.of(values > level, part[:2])
            if not found.empty:
                return found
        return Extent(*self.offset, *self.offset)

    def read(self, extent: Extent) -> FloatArray:
        """Return the values in an extent, zeros around the part included."""
        common = self.extent.common(extent)
        known = self.values[common.within(self.extent)]
        if common == extent:
            return known
        values = np.zeros(extent.shape, np.float32)
        values[common.within(extent)] = known
        return values

    def mask(self) -> NDArray[np.bool_]:
        """Return where the map is above one half: (H, W)."""
        mask = np.zeros(self.shape, bool)
        for band, values in self.bands():
            mask[band.slices] = values > 0.5
        return mask

    def expand(self) -> FloatArray:
        """Return the whole (H, W) map."""
        return self.read(Extent(0, 0, *self.shape))

    def replaced(self, extent: Extent, by: Patch) -> Patch:
        """Return the map with another one's values in an extent.

        Parameters
        ----------
        by
            Zero outside of the extent.
        """
        if extent.holds(self.above(0)):
            return by
        both = self.extent.joined(by.extent)
        values = self.read(both).copy()
        values[extent.common(both).within(both)] = 0
        values[by.extent.within(both)] = by.read(by.extent)
        return Patch(self.shape, both[:2], values)
