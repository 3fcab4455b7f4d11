"""The labels as they are at one moment, read while the user goes on."""

from __future__ import annotations

import numpy as np

from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent
from napari_segnext.geometry.space import Space
from napari_segnext.labels.diffs import Diff
from napari_segnext.labels.labels import ReadableLabels, Values
from napari_segnext.labels.runs import Runs
from napari_segnext.session.session import Session


class Snapshot:
    """What a session's labels are now, as `ReadableLabels`.

    Nothing is copied. What voxels hold before they change later is noted, and put in
    the place of what `read` finds. Make and `close` it on the session's thread; `read`
    may run on any other.

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
        # What later changes have found, the first change first.
        self._former: list[Runs] = []
        session.watchers.append(self._note)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the whole."""
        return self._space.shape

    def read(self, plane: Plane, extent: Extent | None = None) -> Values:
        """Return a copy of a plane as it was, or of part of it."""
        part = extent or Extent(0, 0, *self._space.plane_shape(plane))
        page = np.array(self._labels.read(plane, part))
        # A change is noted before it is written: whatever the page has of it is known.
        for runs in reversed(self._former.copy()):
            voxels, old = self._within(plane, runs).expand()
            here = self._space.within(plane, voxels)
            rows, columns = self._space.pixels(plane, voxels[here])
            rows, columns = rows - part.top, columns - part.left
            inside = (rows >= 0) & (columns >= 0)
            inside &= (rows < page.shape[0]) & (columns < page.shape[1])
            page[rows[inside], columns[inside]] = old[here][inside]
        return page

    def close(self) -> None:
        """Note nothing more."""
        if self._note in self._session.watchers:
            self._session.watchers.remove(self._note)

    def _within(self, plane: Plane, runs: Runs) -> Runs:
        """Return those of sorted runs that can have voxels of a plane."""
        first, last = self._space.span(plane)
        begin = int(np.searchsorted(runs.start, first, "right")) - 1
        end = int(np.searchsorted(runs.start, last, "right"))
        return runs.select(slice(max(begin, 0), end))

    def _note(self, diff: Diff) -> None:
        if len(diff.before):
            self._former.append(diff.before)
