"""Following which plane of an image the viewer shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_segnext.geometry.frame import Point
from napari_segnext.geometry.plane import Plane
from napari_segnext.plugin.layers.planes import (
    NoPlaneError,
    look_at,
    looked_at,
    show_plane,
    shown_plane,
)

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.viewer import ViewerModel

    from napari_segnext.geometry.space import Space

# How many planes on either side count as neighbours.
_REACH = 2


class ShownPlane(QObject):
    """The displayed plane of an image, as the user moves about.

    Signals: `turned` (another axis is displayed: its number), `moved` (another plane
    is displayed, after `turned`), `lost` (no plane is displayed: why).

    Attributes
    ----------
    plane
        The displayed plane, None if none is.
    axis
        The spatial axis that it is, or was last, perpendicular to.
    """

    turned = Signal(int)
    moved = Signal(object)
    lost = Signal(str)

    def __init__(
        self,
        viewer: ViewerModel,
        image: Image,
        space: Space,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._image, self._space = viewer, image, space
        self.plane: Plane | None = None
        self.axis = 0
        dims = viewer.dims.events
        self._events: tuple[Any, ...] = (dims.current_step, dims.order, dims.ndisplay)
        for event in self._events:
            event.connect(self.look)

    def close(self) -> None:
        """Stop following: no plane is displayed any more."""
        self.plane = None
        for event in self._events:
            event.disconnect(self.look)
        self._events = ()

    def look(self, event: Any = None) -> None:
        """Find out what is displayed now, and tell what is new."""
        try:
            plane = shown_plane(self._viewer, self._image, self._space)
        except NoPlaneError as error:
            self.plane = None
            self.lost.emit(str(error))
            return
        if plane == self.plane:
            return
        self.plane = plane
        if plane.axis != self.axis:
            self.axis = plane.axis
            self.turned.emit(plane.axis)
        self.moved.emit(plane)

    def along(self, plane: Plane) -> bool:
        """Tell whether a plane is one of those along the displayed axis."""
        return self.plane is None or plane.axis == self.plane.axis

    def go_to(self, plane: Plane, corners: Sequence[Point] = ()) -> None:
        """Make the viewer show a plane, and the middle of some of its pixels (y, x)."""
        show_plane(self._viewer, self._image, self._space, plane)
        if corners:
            y, x = np.mean(corners, 0).tolist()
            look_at(self._viewer, self._image, self._space, plane, (y, x))

    @property
    def middle(self) -> Point | None:
        """The pixel (y, x) of the displayed plane in the middle of the view."""
        if self.plane is None:
            return None
        return looked_at(self._viewer, self._image, self._space, self.plane)

    def neighbours(self) -> list[Plane]:
        """Return the few planes beside the displayed one, the nearest first."""
        return self._nearest(_REACH)[1:]

    def all_planes(self) -> list[Plane]:
        """Return the displayed plane and all others along its axis, nearest first."""
        return self._nearest()

    def _nearest(self, reach: int | None = None) -> list[Plane]:
        shown = self.plane
        if shown is None:
            return []

        def far(plane: Plane) -> tuple[int, bool]:
            step = plane.index - shown.index
            return abs(step), step < 0

        return sorted(self._space.along(shown, reach), key=far)
