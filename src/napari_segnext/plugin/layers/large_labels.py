"""Labels of large sections in the viewer: an editable window, and the rest around it.

napari cannot edit labels in several scales, and one layer of a section of 30,000 x
30,000 pixels would take gigabytes. So the labels live in a `LabelStore`; the Labels
layer that the user paints in is a part of it that follows the view.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels
from napari.utils.transforms import Affine
from numpy.typing import NDArray

from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent
from napari_segnext.geometry.space import Space
from napari_segnext.labels.chunked import CHUNK, LabelStore
from napari_segnext.labels.mirror import LabelMirror
from napari_segnext.labels.runs import Runs
from napari_segnext.plugin.layers import edit_window
from napari_segnext.plugin.layers.kept_layers import layer_for, show_layer
from napari_segnext.plugin.layers.label_levels import LabelLevels
from napari_segnext.plugin.layers.labels_layer import Index, LayerLabels, Stroke, Values
from napari_segnext.plugin.layers.own_layers import (
    geometry,
    is_large,
    lie_on,
    make_output,
)
from napari_segnext.plugin.layers.planes import camera_of
from napari_segnext.plugin.layers.scribble_canvas import SparsePlanes
from napari_segnext.plugin.layers.store_folder import store_folder
from napari_segnext.plugin.layers.view_timers import TURN_S, ViewTimers
from napari_segnext.plugin.readers import label_geometry

if TYPE_CHECKING:
    from napari.viewer import ViewerModel

    from napari_segnext.plugin.layers.displayed_plane import ShownPlane

_CORNERS = np.array([(-1, -1), (-1, 1), (1, -1), (1, 1)])


def make_labels(
    viewer: ViewerModel,
    image: Image,
    space: Space,
    shown: ShownPlane,
    stroke: Stroke,
    say: Callable[[str], object],
) -> LayerLabels:
    """Make the labels of a session and show them: one layer, or a window.

    Parameters
    ----------
    stroke
        Called after the user painted, erased or filled.
    say
        Called with messages for the user.
    """
    if is_large(space):
        return WindowLabels(viewer, image, space, shown, stroke, say)
    layer = layer_for(viewer, image, make_output(image, space), "objects")
    show_layer(viewer, layer)
    return LayerLabels(layer, space, lambda: shown.axis, stroke)


class WindowLabels(LayerLabels):
    """Labels in a store, of which a Labels layer shows and edits a part.

    Attributes
    ----------
    layer
        The editable part.
    overview
        The rest, in several scales, read-only.
    store
        All of them.
    window
        The editable part of the displayed plane.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        image: Image,
        space: Space,
        shown: ShownPlane,
        stroke: Stroke,
        say: Callable[[str], object],
    ) -> None:
        self.store = LabelStore(space.shape)
        self._levels = LabelLevels(self.store)
        self._viewer, self._image, self._shown, self._say = viewer, image, shown, say
        self._plane: Plane | None = None
        self.window = Extent(0, 0, 0, 0)
        self._painting = False
        # How far down the window has been drawn, if it does not show what was laid.
        self._stale: int | None = None
        self._carried: list[tuple[Labels, SparsePlanes]] = []
        self._mirror: LabelMirror | None = None
        layer = make_output(image, Space((1,) * space.ndim))
        self.overview = Labels(
            self._levels.levels,
            multiscale=True,
            name=f"{image.name} objects, overview",
            opacity=layer.opacity,
            colormap=layer.colormap,
            metadata=layer.metadata,
            **geometry(image),
        )
        super().__init__(layer, space, lambda: shown.axis, stroke)
        viewer.add_layer(self.overview)
        viewer.add_layer(layer)
        self._timers = ViewTimers(self._follow, self.overview.refresh, self._draw)
        self._timers.told.connect(say)
        # Before napari's own, which paint: they are appended with a mode.
        layer.mouse_drag_callbacks.append(self._on_press)
        self._camera = camera_of(viewer)
        self._camera.events.connect(self._on_view)
        shown.moved.connect(self._on_plane)
        self._synced = [
            (event, lambda _, name=name: self._sync(name))
            for name, event in (
                ("colormap", layer.events.colormap),
                ("opacity", layer.events.opacity),
                ("contour", layer.events.contour),
            )
        ]
        for event, sync in self._synced:
            event.connect(sync)
        self._move(shown.plane or Plane(0, 0, (0,) * space.leading))
        self._timers.still.start()

    # Labels

    @property
    def lasting(self) -> Labels:
        """The layer that stays in the viewer, with all of the labels."""
        return self.overview

    @property
    def stored(self) -> LabelStore:
        """What holds the labels: unlike the layers, any thread may read it."""
        return self.store

    def read(self, plane: Plane, extent: Extent | None = None) -> Values:
        """Return the labels of a plane, (H, W) integers, or of part of it."""
        return self.store.read(plane, extent)

    def write(self, plane: Plane, rows: Index, columns: Index, values: Values) -> None:
        """Write pixels of a plane and show them."""
        assert not self._painted, "strokes are handed over before anything is written"
        given = np.broadcast_to(values, rows.shape)
        self.store.write(plane, rows, columns, given)
        part = self._space.cut(plane, self._origin, self.layer.data.shape)
        inside = (rows >= part.top) & (rows < part.bottom)
        inside &= (columns >= part.left) & (columns < part.right)
        if not inside.all():
            self._timers.refresh.start()
            rows, columns, given = rows[inside], columns[inside], given[inside]
        if len(rows):
            index = self._space.pixel_index(plane, rows, columns)
            places = zip(index, self._origin, strict=True)
            self._show(tuple(at - start for at, start in places), given)

    def fill(
        self, plane: Plane, extent: Extent, values: Values, where: NDArray[np.bool_]
    ) -> None:
        """Write many pixels in a part of a plane along axis 0."""
        assert not self._painted, "strokes are handed over before anything is written"
        self.store.fill(plane, extent, values, where)
        self._redraw_soon()

    def lay(self, runs: Runs) -> bool:
        """Take many runs, which are drawn beside the user, the window first."""
        assert not self._painted, "strokes are handed over before anything is written"
        self.store.lay(runs)
        self._stale = self.window.top
        self._timers.draw.start()
        return True

    def _draw(self) -> None:
        """Draw for a turn of the event loop; the window first, in rows of chunks."""
        plane, (top, left, bottom, right) = self._plane, self.window
        if self._stale is None or plane is None:
            self._timers.drawn(self.store.draw(TURN_S))
            return
        below = min(self._stale + CHUNK, bottom)
        self.store.read(plane, Extent(max(self._stale, top), left, below, right))
        self._stale = below
        if below == bottom:
            self._redraw()
        self._timers.draw.start()

    def value_at(self, position: Sequence[float]) -> int:
        """Return the id at a position in the world, 0 outside."""
        at = self._data_position(position)
        plane = self._space.plane_at(at, self._axis())
        pixel = self._pixel(at)
        if plane is None:
            return 0
        whole = Extent(0, 0, *self._space.plane_shape(plane))
        return int(self.read(plane, pixel).item()) if whole.holds(pixel) else 0

    def close(self) -> None:
        """Stop listening; what was painted until now still counts.

        The overview stays and shows all.
        """
        super().close()
        for layer, _ in self._carried:
            layer.mouse_drag_callbacks.remove(self._on_press)
        self._timers.close()
        threading.Thread(target=self.store.draw, daemon=True).start()
        self._camera.events.disconnect(self._on_view)
        self._shown.moved.disconnect(self._on_plane)
        for event, sync in self._synced:
            event.disconnect(sync)
        if self.layer in self._viewer.layers:
            self._viewer.layers.remove(self.layer)
        self._levels.hidden = None
        self.overview.name = self.layer.name
        self.overview.refresh()
        if self._mirror is not None:
            self._mirror.finish()

    def lie_on(self, image: Image) -> None:
        """Lie where the image lies now."""
        lie_on(self.overview, image)
        for layer in (self.layer, *(layer for layer, _ in self._carried)):
            with self._quietly():
                lie_on(layer, image)
            self._place(layer)
        if self._mirror is not None:
            self._mirror.place(label_geometry(self.shape, geometry(image)))
        self._timers.still.start()

    def carry(self, layer: Labels, canvas: SparsePlanes) -> None:
        """Place another layer where the window is: the same part of what is painted."""
        self._carried.append((layer, canvas))
        layer.mouse_drag_callbacks.append(self._on_press)
        self._set(layer, canvas.part(self._origin, self.layer.data.shape))

    def mirror(self, journal: Path | None, problem: str | None) -> None:
        """Keep a zarr store beside a journal, or in a temporary folder if it has none.

        Parameters
        ----------
        journal
            None if it is not known yet.
        problem
            Why there will be none.
        """
        if self._mirror is not None or not (journal or problem):
            return
        folder = store_folder(journal)
        self._mirror = LabelMirror(
            self.store,
            folder,
            label_geometry(self.shape, geometry(self._image)),
            self._timers.tell,
        )
        self.overview.metadata["zarr store"] = str(folder)

    # The window

    def _on_view(self, event: Any = None) -> None:
        self._timers.still.start()

    def _on_plane(self, plane: Plane) -> None:
        if plane != self._plane:
            self._move(plane)

    def _follow(self) -> None:
        """Bring the window to where the user looks, if it is not there."""
        view, plane = self._view(), self._shown.plane
        if self._painting or plane is None or view.empty:
            return
        wanted = edit_window.follow(self.window, view, self._space.plane_shape(plane))
        if wanted != self.window:
            self._move(plane, view)

    def _redraw(self) -> None:
        if self._plane is not None:
            self._move(self._plane)

    def _view(self) -> Extent:
        """Return the part of the displayed plane that the canvas shows."""
        model: Any = self._viewer
        size = model.canvas.size if hasattr(model, "canvas") else model._canvas_size
        half = np.array(size) / (2 * self._camera.zoom)
        middle = np.array(self._camera.center)[-2:]
        corners = np.tile(np.asarray(model.dims.point, float), (4, 1))
        corners[:, list(model.dims.displayed)] = middle + half * _CORNERS
        at = np.array([self._data_position(corner) for corner in corners])
        flat = self._space.to_plane(at, self._axis())
        low, high = np.floor(flat.min(0)).astype(int), np.ceil(flat.max(0)).astype(int)
        plane = self._shown.plane or Plane(self._axis())
        whole = Extent(0, 0, *self._space.plane_shape(plane))
        return Extent(*low.tolist(), *(high + 1).tolist()).common(whole)

    def _move(self, plane: Plane, view: Extent | None = None) -> None:
        """Place the window in a plane, around a part of it."""
        self.settle()
        height, width = self._space.plane_shape(plane)
        if view is None:
            view = self._view()
        if view.empty:
            view = Extent.at((height // 2, width // 2), (1, 1))
        window = edit_window.around(view, (height, width))
        page, self._stale = self.store.read(plane, window), None
        rows, columns = self._space.in_plane(plane.axis)
        shape = [1] * self._space.ndim
        shape[rows], shape[columns] = page.shape
        start = self._space.from_plane(plane, [window[:2]])[0]
        self._plane, self.window = plane, window
        self._origin = tuple(int(at) for at in start)
        self._levels.hidden = [
            (at, at + n) for at, n in zip(self._origin, shape, strict=True)
        ]
        self._set(self.layer, page.reshape(shape))
        for layer, canvas in self._carried:
            self._set(layer, canvas.part(self._origin, shape))
        self.overview.refresh()

    def _set(self, layer: Labels, data: Any) -> None:
        """Give a layer other data, and its place."""
        editable = layer.editable
        with self._quietly():
            self._place(layer)
            layer.data = data
        layer.editable = editable

    def _place(self, layer: Labels) -> None:
        """Put a layer that begins where the window does on the image."""
        image = self._image
        linear = Affine(
            scale=image.scale, rotate=image.rotate, shear=image.shear, ndim=image.ndim
        ).linear_matrix
        start = np.asarray(self._origin, float)
        layer.translate = np.asarray(image.translate) + linear @ start

    def _on_press(self, layer: Labels, event: Any) -> Iterator[None]:
        """Bring the window to the cursor before something is painted there."""
        if str(layer.mode) in ("pan_zoom", "transform") or self._shown.plane is None:
            return
        if self._stale is not None:
            self._redraw()
        if not self._reaches(layer, event):
            at = self._pixel(self._data_position(event.position))
            whole = Extent(0, 0, *self._space.plane_shape(self._shown.plane))
            if whole.holds(at):
                self._move(
                    self._shown.plane, edit_window.grown(at, edit_window.SIDE // 2)
                )
        self._painting, told = True, False
        try:
            yield
            while event.type == "mouse_move":
                if not told and not self._reaches(layer, event):
                    told = True
                    self._say(
                        "A stroke ends with the editable part: go on with another one"
                    )
                yield
        finally:
            # Also where napari drops a drag on its way.
            self._painting = False

    def _data_position(self, position: Sequence[float]) -> NDArray[np.float64]:
        """Return where a position in the world lies in the image's data."""
        at = np.asarray(self._image.world_to_data(position), float)
        return at[-self._space.ndim :]

    def _pixel(self, at: NDArray[np.float64]) -> Extent:
        """Return the pixel of the displayed plane at a position in the data."""
        flat = self._space.to_plane(at[None], self._axis())[0]
        row, column = np.floor(flat + 0.5).astype(int).tolist()
        return Extent.at((row, column), (1, 1))

    def _reaches(self, layer: Labels, event: Any) -> bool:
        """Tell whether what the cursor would paint, or takes, lies in the window."""
        brush = str(layer.mode) in ("paint", "erase")
        reach = int(np.ceil(layer.brush_size / 2)) if brush else 0
        at = edit_window.grown(self._pixel(self._data_position(event.position)), reach)
        whole = Extent(0, 0, *self._space.plane_shape(self._shown.plane or Plane()))
        return self.window.holds(at.common(whole))

    def _keep(self, plane: Plane, rows: Index, columns: Index, values: Values) -> None:
        self.store.write(plane, rows, columns, values)

    def _sync(self, name: str) -> None:
        setattr(self.overview, name, getattr(self.layer, name))
