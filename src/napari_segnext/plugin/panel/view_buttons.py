"""Buttons that show a volume along each of its axes, the right way up."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from napari_segnext.plugin.layers.orientation import Directions, has_views
from napari_segnext.plugin.layers.planes import camera_of
from napari_segnext.plugin.panel.controls import make_button

if TYPE_CHECKING:
    from napari.viewer import ViewerModel

_RIGHT_WAY = {
    "Axial": "Axial slices: anterior up, the patient's right on the left",
    "Coronal": "Coronal slices: superior up, the patient's right on the left",
    "Sagittal": "Sagittal slices: superior up, facing left",
}


class ViewButtons(QWidget):
    """Axial, coronal and sagittal; XY, XZ and YZ where nobody knows which is which.

    Once one was pressed, slices that napari's *roll dimensions* or a jump to another
    axis shows are flipped as they have to be, too; none is transposed.
    """

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._image: Image | None = None
        self.buttons: list[QPushButton] = []
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2)
        for number in range(3):
            button = make_button("", "", narrow=True)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.clicked.connect(partial(self._show, number))
            row.addWidget(button)
            self.buttons.append(button)
        self.hide()

    def show_image(self, image: Image | None) -> None:
        """Offer the views of an image, if it is a volume."""
        self._image = image
        self.setVisible(has_views(image))
        if image is None:
            return
        for button, name in zip(self.buttons, Directions.of(image).views, strict=True):
            button.setText(name)
            button.setToolTip(_RIGHT_WAY.get(name, f"Show {name} slices"))

    def close_view(self) -> None:
        """Turn the view no more."""
        self._viewer.dims.events.order.disconnect(self._turn)

    def _show(self, number: int, checked: bool = False) -> None:
        if self._image is None:
            return
        dims = self._viewer.dims
        dims.events.order.disconnect(self._turn)
        dims.events.order.connect(self._turn, position="last")
        shown = list(Directions.of(self._image).views.values())[number]
        last = [dims.ndim + axis for axis in shown]
        dims.ndisplay = 2
        dims.order = (*(axis for axis in range(dims.ndim) if axis not in last), *last)
        self._turn()

    def _turn(self, event: Any = None) -> None:
        """Turn the displayed slice the right way up."""
        dims = self._viewer.dims
        if self._image is None or dims.ndisplay != 2:
            return
        rows, columns = (axis - dims.ndim for axis in dims.displayed)
        way_up = Directions.of(self._image).way_up(rows, columns)
        camera_of(self._viewer).orientation2d = way_up
