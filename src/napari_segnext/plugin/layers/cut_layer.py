"""The layer on which a line is drawn that splits an object; it is no prompt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Layer, Shapes
from napari.layers.base import ActionType
from qtpy.QtCore import QTimer

from napari_segnext.geometry.frame import Point
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.space import Space
from napari_segnext.plugin.layers.half_drawn import HalfDrawn
from napari_segnext.plugin.layers.kept_layers import keep_layer, layer_for, show_layer
from napari_segnext.plugin.layers.own_layers import clear_shapes, lie_on, make_shapes
from napari_segnext.plugin.layers.planes import NoPlaneError, shown_axis

if TYPE_CHECKING:
    from napari.viewer import ViewerModel

_COLOUR = "#ffffff"


class CutLayer:
    """Lets the user draw a line, and goes back to what was selected before.

    The layer is made when it is first needed, and hidden when it is not.

    Parameters
    ----------
    drawn
        Called with the plane of a line, and its corners (y, x).
    left
        Called when the user turns to another layer in place of drawing.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        image: Image,
        space: Space,
        drawn: Callable[[Plane, Sequence[Point]], None],
        left: Callable[[], None],
    ) -> None:
        self._viewer, self._image, self._space = viewer, image, space
        self._drawn, self._left = drawn, left
        self._layer: Shapes | None = None
        self._half_drawn: HalfDrawn | None = None
        self._before: Layer | None = None
        self.active = False

    def begin(self) -> None:
        """Let the user draw."""
        selection = self._viewer.layers.selection
        before = selection.active
        layer = self._present()
        if not self.active:
            self._before = before
        lie_on(layer, self._image)
        selection.active = layer
        layer.mode = "add_path"
        if not self.active:
            selection.events.active.connect(self._on_active)
        self.active = True

    def end(self) -> None:
        """Go back to the layer that was selected before; nothing is seen any more."""
        if not self.active:
            return
        self._stop()
        if self._before in self._viewer.layers:
            self._viewer.layers.selection.active = self._before

    def close(self) -> None:
        """End; the layer is hidden for the next session."""
        self.end()
        if self._layer is not None:
            self._layer.events.data.disconnect(self._on_data)
            keep_layer(self._viewer, self._layer)

    def _stop(self) -> None:
        self.active = False
        self._viewer.layers.selection.events.active.disconnect(self._on_active)
        assert self._layer is not None and self._half_drawn is not None
        if self._half_drawn.held:
            self._half_drawn.end()
        clear_shapes(self._layer)
        self._layer.mode = "pan_zoom"
        self._layer.visible = False

    def _present(self) -> Shapes:
        """Return the layer, in the viewer."""
        if self._layer is None:
            made = make_shapes(self._image, self._space, "Split")
            self._layer = layer_for(self._viewer, self._image, made)
            self._layer.current_edge_color = _COLOUR
            self._half_drawn = HalfDrawn(self._layer)
            self._layer.events.data.connect(self._on_data)
        show_layer(self._viewer, self._layer)
        return self._layer

    def _on_active(self, event: Any) -> None:
        """End when the user has chosen another layer: napari is still about it."""
        if self._viewer.layers.selection.active is not self._layer:
            QTimer.singleShot(0, self._leave)

    def _leave(self) -> None:
        if self.active and self._viewer.layers.selection.active is not self._layer:
            self._stop()
            self._left()

    def _on_data(self, event: Any) -> None:
        assert self._layer is not None and self._half_drawn is not None
        self._half_drawn.heard(event)
        if self.active and event.action == ActionType.ADDED and len(self._layer.data):
            corners = np.array(self._layer.data[-1])
            # The layer is still in the middle of its own change.
            QTimer.singleShot(0, lambda: self._tell(corners))

    def _tell(self, corners: np.ndarray[Any, Any]) -> None:
        try:
            axis = shown_axis(self._viewer, self._image, self._space)
        except NoPlaneError:
            return
        plane = self._space.plane_at(corners[0], axis)
        if self.active and plane is not None:
            points = self._space.to_plane(corners, axis).tolist()
            self._drawn(plane, [(y, x) for y, x in points])
