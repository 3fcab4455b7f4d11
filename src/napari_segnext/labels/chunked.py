"""Labels of sections too large for one array: chunks of them, with a pyramid.

Labels are few values in large areas, so all of them fit in memory packed, and
nobody who reads or writes them waits for a disk. `LabelMirror` keeps a zarr store
of the same chunks up to date.
"""

from __future__ import annotations

import math
import threading
import time
import zlib
from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent
from napari_segnext.geometry.space import Index, Space
from napari_segnext.labels.labels import ArrayLabels, Labels, Values
from napari_segnext.labels.pending import Pending, Place
from napari_segnext.labels.runs import Runs

CHUNK = 512
# The pyramid ends with a level that is no longer than this.
_TOP = 1024
# Chunks that are kept unpacked: half a megabyte each.
_UNPACKED = 160
# Pixels that are written at once.
_WRITTEN = 1 << 20
# Labels of more voxels than this are kept in chunks.
_LARGE = 1 << 27
_UINT16 = np.dtype(np.uint16)

# Positions along all axes but the last two.
Page: TypeAlias = tuple[int, ...]
# Level, page, and row and column of a chunk.
Key: TypeAlias = tuple[int, Page, int, int]
# A part of a page: its pixels, and which of the given ones they are.
_Part: TypeAlias = tuple[Page, Index, Index, NDArray[Any]]


def blank_labels(shape: tuple[int, ...], most: int) -> Labels:
    """Return empty labels that hold ids up to `most`.

    They are an array, or where that would be large a `LabelStore`, which takes memory
    only for what is painted.
    """
    dtype = np.promote_types(_UINT16, np.min_scalar_type(most))
    if math.prod(shape) > _LARGE:
        return LabelStore(shape, dtype)
    return ArrayLabels(np.zeros(shape, dtype))


class LabelStore:
    """Instance ids of all voxels, as `napari_segnext.session.Labels` wants them.

    Level 0 is the full image; each level after it halves the last two axes, a pixel
    being the largest id of four, so that small objects stay visible. Any thread may
    read and write.

    Parameters
    ----------
    shape
        Of the whole, at least 2-D.
    dtype
        Of the ids.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any] = _UINT16) -> None:
        self._space = Space(shape)
        self.dtype = dtype
        self.shapes = [shape]
        while max(self.shapes[-1][-2:]) > _TOP:
            height, width = (-(-n // 2) for n in self.shapes[-1][-2:])
            self.shapes.append((*shape[:-2], height, width))
        self._packed: dict[Key, bytes] = {}
        self._unpacked: OrderedDict[Key, NDArray[Any]] = OrderedDict()
        self._changed: set[Key] = set()
        self._pending: deque[Pending] = deque()
        self._lock = threading.RLock()

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the whole."""
        return self.shapes[0]

    @property
    def nbytes(self) -> int:
        """Memory taken."""
        packed = sum(map(len, self._packed.values()))
        return packed + sum(each.nbytes for each in self._unpacked.values())

    def settle(self) -> None:
        """Tell nothing: only the session writes here."""

    def read(self, plane: Plane, extent: Extent | None = None) -> Values:
        """Return a copy of a plane, (H, W), or of part of it."""
        part = extent or Extent(0, 0, *self._space.plane_shape(plane))
        if plane.axis == 0:
            page = (*plane.fixed, plane.index) if len(self.shape) > 2 else ()
            return self.read_page(0, page, part)
        lines = np.zeros(part.shape, self.dtype)
        for row, at in enumerate(range(part.top, part.bottom)):
            line = Extent(plane.index, part.left, plane.index + 1, part.right)
            if plane.axis == 2:
                line = Extent(part.left, plane.index, part.right, plane.index + 1)
            lines[row] = self.read_page(0, (*plane.fixed, at), line).ravel()
        return lines

    def same_as(self, other: LabelStore) -> bool:
        """Tell whether all ids are the same in another one."""
        if self.shape != other.shape:
            return False
        self.draw()
        other.draw()
        keys = {key for key in self.keys() | other.keys() if key[0] == 0}
        return all(np.array_equal(self.chunk(key), other.chunk(key)) for key in keys)

    def read_page(self, level: int, page: Page, extent: Extent) -> Values:
        """Return a copy of part of a level's page: (h, w)."""
        out = np.zeros(extent.shape, self.dtype)
        with self._lock:
            for row in range(extent.top // CHUNK, -(-extent.bottom // CHUNK)):
                for column in range(extent.left // CHUNK, -(-extent.right // CHUNK)):
                    key = (level, page, row, column)
                    self._bring(key)
                    chunk = self._find(key)
                    if chunk is not None:
                        place = Extent.at((row * CHUNK, column * CHUNK), chunk.shape)
                        common = place.common(extent)
                        out[common.within(extent)] = chunk[common.within(place)]
        return out

    def write(self, plane: Plane, rows: Index, columns: Index, values: Values) -> None:
        """Write the given pixels of a plane, in all levels."""
        given = np.broadcast_to(values, rows.shape).astype(self.dtype, copy=False)
        with self._lock:
            for first in range(0, len(rows), _WRITTEN):
                here = slice(first, first + _WRITTEN)
                self._write(plane, rows[here], columns[here], given[here])

    def fill(
        self, plane: Plane, extent: Extent, values: Values, where: NDArray[np.bool_]
    ) -> None:
        """Write many pixels in a part of a plane along axis 0, in all levels."""
        page = (*plane.fixed, plane.index) if len(self.shape) > 2 else ()
        with self._lock:
            for row in range(extent.top // CHUNK, -(-extent.bottom // CHUNK)):
                for column in range(extent.left // CHUNK, -(-extent.right // CHUNK)):
                    place = Extent.at((row * CHUNK, column * CHUNK), (CHUNK, CHUNK))
                    common = place.common(extent)
                    here = common.within(extent)
                    if where[here].any():
                        key = (0, page, row, column)
                        self._bring(key)
                        within = common.within(place)
                        target = self._held(key)[within]
                        np.copyto(target, values[here], "unsafe", where[here])
                        (down, across) = within
                        part = Extent(down.start, across.start, down.stop, across.stop)
                        self._write_above(key, part)

    def lay(self, runs: Runs) -> bool:
        """Take many sorted runs; a chunk gets its part when it is read, or by `draw`.

        Levels above the full image show them when they are drawn.
        """
        with self._lock:
            self._pending.append(Pending(runs, self._space, CHUNK))
        return True

    def draw(self, seconds: float = math.inf) -> bool:
        """Draw what was laid, for so long; tell whether something is left."""
        end = time.monotonic() + seconds
        while True:
            with self._lock:
                while self._pending and self._pending[0].done:
                    self._pending.popleft()
                if not self._pending:
                    return False
                found = self._pending[0].next()
                if found is not None:
                    self._draw(*found)
            if time.monotonic() > end:
                return True

    def take_changed(self) -> set[Key]:
        """Return the chunks written since this was last asked."""
        with self._lock:
            changed, self._changed = self._changed, set()
        return changed

    def keys(self) -> set[Key]:
        """Return all chunks that are not empty."""
        with self._lock:
            return {*self._packed, *self._unpacked}

    def chunk(self, key: Key) -> NDArray[Any]:
        """Return a copy of a chunk, cut where its level ends."""
        level, _, row, column = key
        height, width = self.shapes[level][-2:]
        with self._lock:
            self._bring(key)
            found = self._find(key)
            whole = np.zeros((CHUNK, CHUNK), self.dtype) if found is None else found
            return whole[: height - row * CHUNK, : width - column * CHUNK].copy()

    def _write(
        self, plane: Plane, rows: Index, columns: Index, values: NDArray[Any]
    ) -> None:
        for page, row, column, new in self._by_page(plane, rows, columns, values):
            chunks = row // CHUNK * -(-self.shape[-1] // CHUNK) + column // CHUNK
            for number in np.flatnonzero(np.bincount(chunks)).tolist():
                here = chunks == number
                self._write_chunk(page, row[here], column[here], new[here])

    def _by_page(
        self, plane: Plane, rows: Index, columns: Index, values: NDArray[Any]
    ) -> Iterator[_Part]:
        if plane.axis == 0:
            page = (*plane.fixed, plane.index) if len(self.shape) > 2 else ()
            yield page, rows, columns, values
            return
        for at in np.unique(rows).tolist():
            here = rows == at
            across = columns[here]
            same = np.full(across.shape, plane.index)
            row, column = (same, across) if plane.axis == 1 else (across, same)
            yield (*plane.fixed, at), row, column, values[here]

    def _write_chunk(
        self, page: Page, rows: Index, columns: Index, values: NDArray[Any]
    ) -> None:
        """Write pixels of one chunk, and what changes above it."""
        key = (0, page, int(rows[0]) // CHUNK, int(columns[0]) // CHUNK)
        self._bring(key)
        rows, columns = rows % CHUNK, columns % CHUNK
        self._held(key)[rows, columns] = values
        part = Extent(rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
        self._write_above(key, part)

    def _bring(self, key: Key) -> None:
        """Draw what was laid in a chunk of the full image."""
        level, page, row, column = key
        if level == 0:
            number = int(np.ravel_multi_index(page, self.shape[:-2])) if page else 0
            for pending in self._pending:
                found = pending.take((number, row, column))
                if found is not None:
                    self._draw((number, row, column), found)

    def _draw(self, place: Place, runs: Runs) -> None:
        number, row, column = place
        page = np.unravel_index(number, self.shape[:-2]) if self.shape[:-2] else ()
        key = (0, tuple(map(int, page)), row, column)
        voxels, values = runs.expand()
        self._held(key).ravel()[voxels] = values
        self._write_above(key, Extent(0, 0, CHUNK, CHUNK))

    def _write_above(self, key: Key, part: Extent) -> None:
        """Write in the other levels what has changed in a part of a chunk."""
        _, page, row, column = key
        chunk = self._held(key)
        for level in range(1, len(self.shapes)):
            top, left = part.top // 2, part.left // 2
            bottom, right = -(-part.bottom // 2), -(-part.right // 2)
            below = chunk[2 * top : 2 * bottom, 2 * left : 2 * right]
            rows = np.maximum(below[::2], below[1::2])
            largest = np.maximum(rows[:, ::2], rows[:, 1::2])
            down, across = row % 2 * CHUNK // 2, column % 2 * CHUNK // 2
            row, column = row // 2, column // 2
            chunk = self._held((level, page, row, column))
            part = Extent(top + down, left + across, bottom + down, right + across)
            chunk[part.slices] = largest

    def _held(self, key: Key) -> NDArray[Any]:
        """Return a chunk to be written to; it is made if it is missing."""
        chunk = self._find(key)
        if chunk is None:
            chunk = np.zeros((CHUNK, CHUNK), self.dtype)
            self._hold(key, chunk)
        self._packed.pop(key, None)
        self._changed.add(key)
        return chunk

    def _find(self, key: Key) -> NDArray[Any] | None:
        chunk = self._unpacked.get(key)
        if chunk is not None:
            self._unpacked.move_to_end(key)
            return chunk
        packed = self._packed.get(key)
        if packed is None:
            return None
        flat = np.frombuffer(bytearray(zlib.decompress(packed)), self.dtype)
        chunk = flat.reshape(CHUNK, CHUNK)
        self._hold(key, chunk)
        return chunk

    def _hold(self, key: Key, chunk: NDArray[Any]) -> None:
        self._unpacked[key] = chunk
        while len(self._unpacked) > _UNPACKED:
            oldest, values = self._unpacked.popitem(last=False)
            if oldest not in self._packed and values.any():
                self._packed[oldest] = zlib.compress(values.data, 1)
