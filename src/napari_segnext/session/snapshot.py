"""The labels as they are at one moment, read while the user goes on."""

from __future__ import annotations

import threading

import numpy as np

from napari_segnext.session.grid import Grid, Values
from napari_segnext.session.messages import Record
from napari_segnext.session.session import Session
from napari_segnext.session.sparse import Diff


class Snapshot:
    """What a session's labels are now.

    Nothing is copied at first. The changes that come later are noted, and taken back
    from what `read` finds. Make and `close` it on the session's thread; `read` may run
    on any other.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._labels = session.labels
        self._later: list[Diff] = []
        self._lock = threading.Lock()
        session.recorders.append(self._note)

    def read(self) -> Values:
        """Return all labels as they were; pages without any take no memory."""
        grid = Grid(self._labels.shape)
        first = self._labels.read(grid.slice_plane(0))
        whole: Values = np.zeros(grid.shape, first.dtype)
        for _, plane in grid.slices():
            page = self._labels.read(plane)
            if page.any():
                whole[grid.index(plane)] = page
        flat = whole.reshape(-1)
        with self._lock:
            for diff in reversed(self._later):
                flat[diff.voxels] = diff.old
        return whole

    def close(self) -> None:
        """Note nothing more."""
        if self._note in self._session.recorders:
            self._session.recorders.remove(self._note)

    def _note(self, record: Record) -> None:
        if len(record.diff):
            with self._lock:
                self._later.append(record.diff)
