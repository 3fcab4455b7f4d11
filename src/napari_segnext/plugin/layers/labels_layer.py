"""A napari Labels layer as the session's labels, and brush strokes on it as steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray
from qtpy.QtCore import QTimer

from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent
from napari_segnext.geometry.space import Space
from napari_segnext.labels.labels import ReadableLabels
from napari_segnext.labels.runs import Runs
from napari_segnext.plugin.layers.own_layers import lie_on
from napari_segnext.plugin.layers.scribble_canvas import SparsePlanes
from napari_segnext.session import ArrayLabels, PlaneDiff

Index = NDArray[np.intp]
Values = NDArray[np.integer[Any]]
# What a stroke changed, by plane.
Stroke = Callable[[Sequence[PlaneDiff]], None]

# A slice is drawn anew where more than one in so many of its pixels change.
_MANY = 32


class LayerLabels:
    """Reads and writes planes of a Labels layer; only changed pixels are written.

    Parameters
    ----------
    axis
        Returns the displayed axis, to which a stroke's planes are perpendicular.
    stroke
        Called after the user painted, erased or filled.
    """

    def __init__(
        self, layer: Labels, space: Space, axis: Callable[[], int], stroke: Stroke
    ) -> None:
        self.layer = layer
        # Where the layer's data begins in the whole.
        self._origin = (0,) * space.ndim
        self._space = space
        self._axis, self._stroke = axis, stroke
        self._writing = self._filled = False
        self._painted: list[Any] = []
        layer.events.paint.connect(self._on_paint)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the labels' data."""
        return self._space.shape

    @property
    def lasting(self) -> Labels:
        """The layer that stays in the viewer, with all of the labels."""
        return self.layer

    @property
    def stored(self) -> ReadableLabels:
        """What holds the labels: unlike the layer, any thread may read it."""
        return ArrayLabels(self.layer.data)

    def read(self, plane: Plane, extent: Extent | None = None) -> Values:
        """Return the labels of a plane, (H, W) integers, or of part of it."""
        page = self.layer.data[self._space.index(plane)]
        return np.array(page if extent is None else page[extent.slices])

    def write(self, plane: Plane, rows: Index, columns: Index, values: Values) -> None:
        """Write pixels of a plane and show them."""
        assert not self._painted, "strokes are handed over before anything is written"
        self._show(self._space.pixel_index(plane, rows, columns), values)

    def fill(
        self, plane: Plane, extent: Extent, values: Values, where: NDArray[np.bool_]
    ) -> None:
        """Write many pixels in a part of a plane along axis 0; shown soon after."""
        assert not self._painted, "strokes are handed over before anything is written"
        page = self.layer.data[self._space.index(plane)]
        np.copyto(page[extent.slices], values, casting="unsafe", where=where)
        self._redraw_soon()

    def lay(self, runs: Runs) -> bool:
        """Take nothing: the layer's array is filled at once."""
        return False

    def value_at(self, position: Sequence[float]) -> int:
        """Return the id at a position in the world, 0 outside."""
        return int(self.layer.get_value(position, world=True) or 0)

    def lie_on(self, image: Image) -> None:
        """Lie where the image lies now."""
        lie_on(self.layer, image)

    def carry(self, layer: Labels, canvas: SparsePlanes) -> None:
        """Let another layer show the same part of what is painted on it: all."""

    def mirror(self, journal: Path | None, problem: str | None) -> None:
        """Keep a copy beside a journal, where the layer itself is not enough."""

    def close(self) -> None:
        """Stop listening; what was painted until now still counts."""
        self.settle()
        self._redraw_filled()
        self.layer.events.paint.disconnect(self._on_paint)

    def settle(self) -> None:
        """Hand over strokes that were announced and are by now in the data."""
        painted, self._painted = self._painted, []
        if not painted:
            return
        indices, old = _earliest(painted, self.layer.data.shape)
        new = np.asarray(self.layer.data[indices])
        changed = new != old
        places = zip(indices, self._origin, strict=True)
        indices, old, new = (
            tuple(i[changed] + start for i, start in places),
            old[changed],
            new[changed],
        )
        rows, columns = (indices[a] for a in self._space.in_plane(self._axis()))
        parts = [
            PlaneDiff(plane, rows[here], columns[here], old[here], new[here])
            for plane, here in self._planes(indices)
        ]
        for part in parts:
            self._keep(part.plane, part.rows, part.columns, part.new)
        if parts:
            self._stroke(parts)

    def _redraw_soon(self) -> None:
        """Show all that is filled in until the window is idle, at once."""
        if not self._filled:
            QTimer.singleShot(0, self._redraw_filled)
        self._filled = True

    def _redraw_filled(self) -> None:
        # Not when all of it has ended meanwhile.
        if self._filled:
            self._filled = False
            self._redraw()

    def _redraw(self) -> None:
        self.layer._undo_history.clear()
        self.layer.refresh()

    def _show(self, indices: tuple[Index, ...], values: Values) -> None:
        """Write voxels of the layer's data."""
        layer, data = self.layer, self.layer.data
        many = _MANY * indices[0].size > data.shape[-2] * data.shape[-1]
        with self._quietly():
            given = np.asarray(values).astype(data.dtype, copy=False)
            if many or not layer.visible or layer._slice.empty:
                # Hidden, what napari keeps of a slice is not that of the plane.
                data[indices] = given
                layer.refresh()
                return
            # What napari can undo, and a stroke that is under way, are the user's.
            begun = len(layer._staged_history)
            layer.data_setitem(indices, given)
            del layer._staged_history[begun:]
            layer._undo_history.clear()

    def _keep(self, plane: Plane, rows: Index, columns: Index, values: Values) -> None:
        """Take note of what the user painted; it is in the layer already."""

    def _planes(
        self, indices: tuple[Index, ...]
    ) -> Iterator[tuple[Plane, NDArray[np.bool_]]]:
        """Yield the planes of voxels, and which voxels lie in each."""
        axis = self._axis()
        across = self._space.across(axis)
        if not across:
            if len(indices[0]):
                yield Plane(), np.ones(len(indices[0]), bool)
            return
        where = np.stack([indices[a] for a in across], 1)
        for at in np.unique(where, axis=0):
            yield self._space.plane_across(axis, at.tolist()), (where == at).all(1)

    def _on_paint(self, event: Any) -> None:
        if not self._writing:
            self._painted.extend(event.value)
            # napari announces some edits before it makes them.
            QTimer.singleShot(0, self.settle)

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        self._writing = True
        try:
            yield
        finally:
            self._writing = False


def _earliest(
    atoms: list[Any], shape: tuple[int, ...]
) -> tuple[tuple[Index, ...], Values]:
    """Return the voxels that edits touched, and what each held before the first."""
    parts = [_voxels(atom) for atom in atoms]
    flat = np.concatenate([np.ravel_multi_index(at, shape) for at, _ in parts])
    old = np.concatenate([values for _, values in parts])
    voxels, first = np.unique(flat, return_index=True)
    return np.unravel_index(voxels, shape), old[first]


def _voxels(atom: Any) -> tuple[tuple[Index, ...], Values]:
    """Return the voxels of one edit in napari's history, and their old values.

    An edit is (indices, old, new), or since napari 0.9 for brushes a box with a
    mask in it.
    """
    if not hasattr(atom, "slice_key"):
        indices, old, _ = atom
        at = tuple(np.ravel(i) for i in np.broadcast_arrays(*indices))
        return at, np.broadcast_to(old, at[0].shape)
    start = [s.start or 0 for s in atom.slice_key]
    mask = np.ones(atom.old_values.shape, bool) if atom.mask is None else atom.mask
    inside = np.nonzero(mask)
    old = atom.old_values[mask] if atom.mask is None else atom.old_values
    return tuple(i + s for i, s in zip(inside, start, strict=True)), old
