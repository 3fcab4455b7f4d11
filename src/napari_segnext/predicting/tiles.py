"""The pyramid of tiles of a slice: which tile fits these prompts.

Every slice has one fixed pyramid of overlapping tiles that does not depend on the
prompts, so that each tile is embedded at most once, and zooming in on a small
object is choosing a finer tile. Level 0 is the whole slice in one tile; each level
after it doubles the scale.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, floor, log2

import numpy as np

from napari_segnext.geometry.frame import Frame, Point
from napari_segnext.models.config import ModelConfig

# A region longer than this is read shrunk.
_LARGE = 4096
# How much a region is grown before it is seen whether a tile shows its surroundings.
_SERVES = 1.2

# (y0, x0, y1, x1) in image pixels; the ends are exclusive.
Bounds = tuple[float, float, float, float]


def bounds_of(points: Iterable[Point], shape: tuple[int, int]) -> Bounds:
    """Return the bounds of points, within the image; of none, its middle."""
    at = np.array(list(points) or [(shape[0] / 2, shape[1] / 2)], float)
    low = np.clip(np.floor(at.min(0)), 0, None)
    high = np.minimum(np.floor(at.max(0)) + 1, shape)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """One tile of a pyramid: level 0 is the whole slice."""

    level: int
    row: int
    column: int


class TilePyramid:
    """The tiles of a slice for one model.

    Parameters
    ----------
    shape
        (H, W) of the slice.
    config
        Of the model; without `tiling` there is one tile, the whole slice.
    """

    def __init__(self, shape: tuple[int, int], config: ModelConfig) -> None:
        self.shape, self.config = shape, config
        self.levels = 1
        tiling, whole = config.tiling, config.size / max(shape)
        if tiling is not None and whole < tiling.finest:
            self.levels += ceil(log2(tiling.finest / whole) - 1e-6)
        self._starts = [self._grid(level) for level in range(self.levels)]

    def scale(self, level: int) -> float:
        """Return model pixels per image pixel."""
        return float(self.config.size * 2**level / max(self.shape))

    def tiles(self, level: int) -> list[Tile]:
        """Return all tiles of a level, row by row."""
        rows, columns = self._starts[level]
        return [
            Tile(level, row, column)
            for row in range(len(rows))
            for column in range(len(columns))
        ]

    def frame(self, tile: Tile) -> Frame:
        """Return the region that a tile covers.

        Raises
        ------
        IndexError
            If the slice has no such tile.
        """
        rows, columns = self._starts[tile.level]
        height, width = self._side(tile.level)
        config = self.config
        top, left = rows[tile.row], columns[tile.column]
        return Frame(top, left, height, width, config.size, config.resize)

    def step(self, level: int) -> int:
        """Return how far the tiles of a level can be shrunk when they are read.

        A power of two that leaves the model at least twice the pixels that it sees;
        1 up to 4,096 pixels a side.
        """
        side = max(self._side(level))
        if side <= _LARGE:
            return 1
        return int(2 ** max(0, floor(log2(side / (2 * self.config.size)))))

    def first_level(self) -> int:
        """Return the level at which an object of unknown size is looked at."""
        if self.config.tiling is None:
            return 0
        steps = log2(self.config.tiling.first / self.scale(0))
        return int(np.clip(round(steps), 0, self.levels - 1))

    def choose(self, bounds: Bounds, level: int | None = None) -> Tile:
        """Choose the tile for a region of the slice.

        Parameters
        ----------
        bounds
            What must be seen.
        level
            A level to stay at; otherwise the finest one that has a tile in which
            the bounds fit with their margin.
        """
        if level is not None:
            return self._nearest(bounds, level)
        assert self.levels == 1 or self.config.tiling is not None
        margin = self.config.tiling.margin if self.config.tiling else 1.0
        for candidate in range(self.levels - 1, 0, -1):
            tile = self._nearest(bounds, candidate)
            if self._holds(tile, bounds, margin):
                return tile
        return Tile(0, 0, 0)

    def coarsest(self, bounds: Bounds, enough: float) -> Tile:
        """Choose a tile that shows a region large enough, and serves many regions.

        It is one of the coarsest level that shows it so, and if that will do one of
        the tiles that do not overlap.

        Parameters
        ----------
        bounds
            What must be seen.
        enough
            Model pixels along the longer side of the region.
        """
        side = max(bounds[2] - bounds[0], bounds[3] - bounds[1])
        for level in range(self.levels):
            if side * self.scale(level) < enough and level < self.levels - 1:
                continue
            for tile in (self._nearest(bounds, level, 2), self._nearest(bounds, level)):
                if self._holds(tile, bounds, _SERVES):
                    return tile
        return self.choose(bounds)

    def nearest(self, point: tuple[float, float], level: int, count: int) -> list[Tile]:
        """Return the tiles of a level whose centres are nearest to a point."""
        off = [
            (np.array(starts) + side / 2 - at) ** 2
            for starts, side, at in zip(
                self._starts[level], self._side(level), point, strict=True
            )
        ]
        # Those tiles lie in as many of the nearest rows and columns.
        rows, columns = (np.sort(np.argsort(d, kind="stable")[:count]) for d in off)
        distance = np.add.outer(off[0][rows], off[1][columns]).ravel()
        nearest = np.argsort(distance, kind="stable")[:count]
        return [
            Tile(level, int(rows[at // len(columns)]), int(columns[at % len(columns)]))
            for at in nearest
        ]

    def _side(self, level: int) -> tuple[int, int]:
        side = max(1, round(max(self.shape) / 2**level))
        return min(side, self.shape[0]), min(side, self.shape[1])

    def _grid(self, level: int) -> tuple[list[int], list[int]]:
        overlap = self.config.tiling.overlap if self.config.tiling else 0.0
        starts, step = [], self.step(level)
        for length, side in zip(self.shape, self._side(level), strict=True):
            count = ceil((length - side) / (side * (1 - overlap))) + 1
            even = np.linspace(0, length - side, count)
            # On pixels of a pyramid's levels; the last tile ends with the slice.
            even[:-1] = step * np.round(even[:-1] / step)
            starts.append(even.round().astype(int).tolist())
        return starts[0], starts[1]

    def _nearest(self, bounds: Bounds, level: int, every: int = 1) -> Tile:
        """Return the tile of a level whose centre is nearest to that of the bounds.

        Of its rows and columns each is chosen from, or only some.
        """
        centre = ((bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2)
        indices = [
            every * int(np.abs(np.array(starts[::every]) + side / 2 - c).argmin())
            for starts, side, c in zip(
                self._starts[level], self._side(level), centre, strict=True
            )
        ]
        return Tile(level, *indices)

    def _holds(self, tile: Tile, bounds: Bounds, margin: float) -> bool:
        """Tell whether the bounds, grown by a margin within the slice, fit."""
        frame = self.frame(tile)
        grow = (margin - 1) / 2
        height, width = bounds[2] - bounds[0], bounds[3] - bounds[1]
        return (
            max(0, bounds[0] - grow * height) >= frame.top
            and max(0, bounds[1] - grow * width) >= frame.left
            and min(self.shape[0], bounds[2] + grow * height)
            <= frame.top + frame.height
            and min(self.shape[1], bounds[3] + grow * width) <= frame.left + frame.width
        )
