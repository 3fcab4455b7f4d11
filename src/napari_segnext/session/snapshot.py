"""The labels as they are at one moment, read while the user goes on."""

from __future__ import annotations

import threading

import numpy as np

from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent
from napari_segnext.geometry.space import Space, Voxels
from napari_segnext.labels.labels import ReadableLabels, Values
from napari_segnext.labels.sparse import find
from napari_segnext.session.messages import Record
from napari_segnext.session.session import Session


class Snapshot:
    """What a session's labels are now, as `ReadableLabels`.

    Nothing is copied at first. What voxels hold before they change later is noted, and
    put in the place of what `read` finds. Make and `close` it on the session's thread;
    `read` may run on any other.

    Parameters
    ----------
    stored
        Where the session's labels are, if another thread may not read them by
        `session.labels`.
    """

    def __init__(self, session: Session, stored: ReadableLabels | None = None) -> None:
        self._session = session
        self._labels = session.labels if stored is None else stored
        self._space = Space(self._labels.shape)
        # Voxels that have changed since, sorted, and what they held.
        self._changed: tuple[Voxels, Values] = np.zeros(0, int), np.zeros(0, int)
        self._lock = threading.Lock()
        session.recorders.append(self._note)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the whole."""
        return self._space.shape

    def read(self, plane: Plane, extent: Extent | None = None) -> Values:
        """Return a copy of a plane as it was, or of part of it."""
        part = extent or Extent(0, 0, *self._space.plane_shape(plane))
        page = np.array(self._labels.read(plane, part))
        with self._lock:
            changed, old = self._changed
        here = self._space.within(plane, changed)
        rows, columns = self._space.pixels(plane, changed[here])
        rows, columns = rows - part.top, columns - part.left
        inside = (rows >= 0) & (columns >= 0)
        inside &= (rows < page.shape[0]) & (columns < page.shape[1])
        page[rows[inside], columns[inside]] = old[here][inside]
        return page

    def close(self) -> None:
        """Note nothing more."""
        if self._note in self._session.recorders:
            self._session.recorders.remove(self._note)

    def _note(self, record: Record) -> None:
        if not len(record.diff):
            return
        changed, old = self._changed
        later = record.diff.voxels
        fresh = ~find(changed, later)[0]
        voxels = np.concatenate([changed, later[fresh]])
        values = np.concatenate([old, record.diff.old[fresh]])
        order = np.argsort(voxels, kind="stable")
        with self._lock:
            self._changed = voxels[order], values[order]
