"""Planes along axis 0 divided into blocks, so that an id is looked for in few places.

What is known of an id in a large plane is more than that it is there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent
from napari_segnext.geometry.space import Space
from napari_segnext.labels.diffs import PlaneDiff

# Pixels along a side of a block.
BLOCK = 512

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Blocks:
    """Blocks of the planes of a space, numbered as planes are, row by row in each."""

    space: Space

    @property
    def down(self) -> int:
        """How many rows of blocks a plane has."""
        return -(-self.space.spatial[-2] // BLOCK)

    @property
    def across(self) -> int:
        """How many columns of blocks a plane has."""
        return -(-self.space.spatial[-1] // BLOCK)

    def number(self, slices: Numbers, rows: Numbers, columns: Numbers) -> Numbers:
        """Return the block of pixels, (N,), by slice, row and column."""
        blocks = slices * self.down + rows // BLOCK
        return np.asarray(blocks * self.across + columns // BLOCK, np.int64)

    def of(self, part: PlaneDiff) -> Numbers:
        """Return the blocks in which pixels of a plane lie, (N,)."""
        space, plane = self.space, part.plane
        at = dict.fromkeys((-3, -2, -1), np.array(plane.index))
        rows, columns = (axis - space.ndim for axis in space.in_plane(plane.axis))
        at[rows], at[columns] = part.rows, part.columns
        slices = space.frame(plane) * space.depth(0) + at[-3]
        return self.number(slices, at[-2], at[-1])

    def divided(self, blocks: Numbers) -> tuple[Numbers, Numbers, Numbers]:
        """Return the slice of blocks, and their row and column in it."""
        rest, columns = np.divmod(blocks, self.across)
        slices, rows = np.divmod(rest, self.down)
        return slices, rows, columns

    def place(self, block: int) -> tuple[Plane, Extent]:
        """Return where a block lies."""
        rest, column = divmod(block, self.across)
        number, row = divmod(rest, self.down)
        top, left = row * BLOCK, column * BLOCK
        height, width = self.space.spatial[-2:]
        bottom, right = min(top + BLOCK, height), min(left + BLOCK, width)
        return self.space.slice_plane(number), Extent(top, left, bottom, right)
