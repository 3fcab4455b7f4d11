"""The outlines of objects in a plane, along the edges of their pixels.

Whoever fills an outline gets the very pixels back: pixel (r, c) is the square from
corner (r, c) to corner (r + 1, c + 1), so that its centre lies at (r + 0.5, c + 0.5).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

# (M, 2) corners, row and column, each once. One with objects on the right of the way
# along it, seen with rows going down, is the outside of a piece; else it is a hole.
Ring: TypeAlias = NDArray[np.int64]
# The outside of a piece, and its holes.
Polygon: TypeAlias = list[Ring]
Flags: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Corners:
    """Where outlines turn, (N,) each; where two meet in a point, each has a corner.

    Attributes
    ----------
    value
        Of the object.
    row, column
        Of the corner.
    right, down
        Where the two edges lie: to the right, else the left; below, else above.
    inside
        Whether the pixel to the right and below is the object's.
    """

    value: NDArray[Any]
    row: NDArray[np.int64]
    column: NDArray[np.int64]
    right: Flags
    down: Flags
    inside: Flags

    @classmethod
    def of(cls, pixels: NDArray[Any], top: int, left: int = 0) -> Corners:
        """Return the corners between pixels.

        Parameters
        ----------
        pixels
            (H, W): values, 0 where there is nothing. No corner lies on its border.
        top, left
            Of the first corner between four of them.
        """
        quads = [pixels[:-1, :-1], pixels[:-1, 1:], pixels[1:, :-1], pixels[1:, 1:]]
        first, second, third, fourth = quads
        flat = (first == second) & (third == fourth)
        flat |= (first == third) & (second == fourth)
        rows, columns = np.nonzero(~flat)
        four = np.stack([each[rows, columns] for each in quads])
        found = []
        for at, value in enumerate(four):
            told = (four[:at] == value).any(0) | (value == 0)
            own = (four == value)[:, ~told]
            place = rows[~told] + top, columns[~told] + left
            found += cls._around(value[~told], *place, own)
        return cls.joined(found)

    @classmethod
    def _around(
        cls,
        value: NDArray[Any],
        row: NDArray[np.int64],
        column: NDArray[np.int64],
        own: Flags,
    ) -> list[Corners]:
        """Return corners, given which of the four pixels around are the object's."""
        above_left, above_right, below_left, below_right = own
        left, right = above_left != below_left, above_right != below_right
        up, down = above_left != above_right, below_left != below_right
        one, two = (left != right) & (up != down), left & right & up & down
        inside = below_right
        # Where two pixels touch in a point, each is turned around by itself.
        parts = ((one, right, down), (two, two, inside), (two, ~two, ~inside))
        return [
            cls(value[at], row[at], column[at], to[at], on[at], inside[at])
            for at, to, on in parts
        ]

    @classmethod
    def joined(cls, parts: Iterable[Corners]) -> Corners:
        """Return the corners of all parts."""
        every = list(parts)
        return cls(
            *(
                np.concatenate([getattr(part, each.name) for part in every])
                for each in fields(cls)
            )
        )

    def outlines(self) -> Iterator[tuple[int, list[Polygon]]]:
        """Yield the objects of a plane, of which these are all corners, by value."""
        along = np.lexsort((self.right, self.column, self.row, self.value))
        across = np.lexsort((self.down, self.row, self.column, self.value))
        beside, opposite = _partners(along), _partners(across)
        # An edge whose object lies below is gone along from left to right.
        starts = along[0::2]
        starts = np.where(self.inside[starts], starts, along[1::2])
        values, firsts = np.unique(self.value[starts], return_index=True)
        places = np.stack([self.row, self.column], 1)
        to, on = beside.tolist(), opposite.tolist()
        for value, some in zip(values, np.split(starts, firsts)[1:], strict=True):
            rings = [
                places[ring]
                for way in _ways(some.tolist(), to, on)
                for ring in _simple(way, places)
            ]
            yield int(value), _pieces(rings)


def _partners(order: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the other end of the edge of each corner, given them end by end."""
    partners = np.empty_like(order)
    partners[order[0::2]], partners[order[1::2]] = order[1::2], order[0::2]
    return partners


def _ways(starts: list[int], to: list[int], on: list[int]) -> Iterator[list[int]]:
    """Yield ways around, each once: along rows to one corner, then on to the next."""
    seen = set[int]()
    for start in starts:
        if start in seen:
            continue
        way, at = list[int](), start
        while not way or at != start:
            seen.add(at)
            way += (at, to[at])
            at = on[to[at]]
        yield way


def _simple(way: list[int], places: NDArray[np.int64]) -> Iterator[list[int]]:
    """Yield the rings of a way that may come through a place twice."""
    seen, ring = dict[tuple[int, ...], int](), list[int]()
    for corner in way:
        place = tuple(places[corner].tolist())
        if place in seen:
            again = seen[place]
            yield ring[again:]
            for each in ring[again:]:
                del seen[tuple(places[each].tolist())]
            del ring[again:]
        seen[place] = len(ring)
        ring.append(corner)
    yield ring


def _pieces(rings: list[Ring]) -> list[Polygon]:
    """Return the pieces of an object, each with the holes that lie in it."""
    areas = [_area(ring) for ring in rings]
    pieces = {at: [rings[at]] for at, area in enumerate(areas) if area > 0}
    holes = [at for at, area in enumerate(areas) if area < 0]
    if len(pieces) == 1:
        (piece,) = pieces.values()
        return [piece + [rings[at] for at in holes]]
    # From left to right: what lies to the left of a hole has been placed.
    whose = dict(pieces)
    beside = _beside(rings) if holes else {}
    for at in sorted(holes, key=lambda at: int(rings[at][:, 1].min())):
        whose[at] = whose[beside[at]]
        whose[at].append(rings[at])
    return list(pieces.values())


def _area(ring: Ring) -> int:
    rows, columns = ring.T
    return int((columns * np.roll(rows, -1) - rows * np.roll(columns, -1)).sum())


def _beside(rings: list[Ring]) -> dict[int, int]:
    """Return for each ring the one that comes next to the left of its left end."""
    ends = np.concatenate([np.stack([ring, np.roll(ring, -1, 0)], 1) for ring in rings])
    whose = np.repeat(np.arange(len(rings)), list(map(len, rings)))
    upright = ends[:, 0, 1] == ends[:, 1, 1]
    column, whose = ends[upright, 0, 1], whose[upright]
    top, bottom = ends[upright, :, 0].min(1), ends[upright, :, 0].max(1)
    # Every row of every upright edge, sorted: the one before is the next to the left.
    length = bottom - top
    row = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length - top, length)
    column, whose = np.repeat(column, length), np.repeat(whose, length)
    order = np.lexsort((column, row))
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    by_ring = np.lexsort((column, whose))
    _, first = np.unique(whose[by_ring], return_index=True)
    beside = whose[order[place[by_ring[first]] - 1]]
    return dict(enumerate(beside.tolist()))
