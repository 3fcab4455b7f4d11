"""Many labels at once, drawn into the chunks of a store one after the other."""

from __future__ import annotations

from collections import deque

import numpy as np

from napari_segnext.geometry.space import Space
from napari_segnext.labels.runs import Runs

# Number of a page, and row and column of a chunk in it.
Place = tuple[int, int, int]


class Pending:
    """Runs that chunks do not hold yet; what a chunk gets is taken once.

    Parameters
    ----------
    runs
        Sorted.
    side
        Pixels along a side of a chunk.
    """

    def __init__(self, runs: Runs, space: Space, side: int) -> None:
        self._runs, self._side, self._area = runs, side, space.area
        self._height, self._width = space.spatial[-2:]
        # Rows of chunks, numbered from page to page, and cells of those divided so far.
        self._down = -(-self._height // side)
        self._across = -(-self._width // side)
        pages = np.arange(space.size // max(self._area, 1))[:, None]
        begin = pages * self._area + np.arange(self._down) * side * self._width
        begin = np.append(begin.ravel(), space.size)
        at = np.searchsorted(runs.start, begin)
        former = np.maximum(at[:-1] - 1, 0)
        used = at[1:] > at[:-1]
        # One that began before goes on here.
        ends = runs.start[former] + runs.length[former]
        used |= (at[:-1] > 0) & (ends > begin[:-1])
        self._rows = deque(np.flatnonzero(used).tolist())
        self._undivided = set(self._rows)
        self._cells: dict[Place, Runs] = {}

    @property
    def done(self) -> bool:
        """Whether all of it has been taken."""
        return not (self._undivided or self._cells)

    def take(self, place: Place) -> Runs | None:
        """Return what a chunk gets, if anything: runs of its own pixels in C order."""
        page, row, _ = place
        number = page * self._down + row
        if number in self._undivided:
            self._divide(number)
        return self._cells.pop(place, None)

    def next(self) -> tuple[Place, Runs] | None:
        """Take what some chunk gets; None if nothing is left."""
        while self._rows and not self._cells:
            number = self._rows.popleft()
            if number in self._undivided:
                self._divide(number)
        return self._cells.popitem() if self._cells else None

    def _divide(self, number: int) -> None:
        """Divide the runs of a row of chunks."""
        self._undivided.discard(number)
        page, row = divmod(number, self._down)
        top, bottom = row * self._side, min((row + 1) * self._side, self._height)
        begin = page * self._area + top * self._width
        end = page * self._area + bottom * self._width
        first = max(0, int(np.searchsorted(self._runs.start, begin, "right")) - 1)
        stop = int(np.searchsorted(self._runs.start, end))
        runs = self._runs.select(slice(first, stop))
        start = np.maximum(runs.start, begin)
        length = np.minimum(runs.start + runs.length, end) - start
        runs = Runs(start, length, runs.value).select(length > 0)
        pieces, cells = runs.cut(self._width, self._side)
        lines, columns = np.divmod(cells, self._across)
        at = (lines - (page * self._height + top)) * self._side
        at += pieces.start % self._width - columns * self._side
        order = np.argsort(columns, kind="stable")
        own = Runs(at, pieces.length, pieces.value).select(order)
        found, firsts = np.unique(columns[order], return_index=True)
        ends = [*firsts[1:].tolist(), len(order)]
        for column, low, high in zip(
            found.tolist(), firsts.tolist(), ends, strict=True
        ):
            self._cells[page, row, column] = own.select(slice(low, high))
