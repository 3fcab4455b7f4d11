"""Which image layer is segmented."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox

from napari_segnext.plugin.layers.case_layers import is_spare
from napari_segnext.plugin.panel.controls import shape_combo

if TYPE_CHECKING:
    from napari.viewer import ViewerModel


class ImageChoice(QComboBox):
    """The image layers of a viewer.

    Signals: `listed` (there may be others, or another is chosen).
    """

    listed = Signal()

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self._viewer = viewer
        shape_combo(self, "The image layer to segment")
        self.currentIndexChanged.connect(lambda _: self.listed.emit())
        viewer.layers.events.inserted.connect(self.list_images)
        viewer.layers.events.removed.connect(self.list_images)

    @property
    def image(self) -> Image | None:
        """The layer that is chosen, if it is there still."""
        chosen = self.currentData()
        return chosen if chosen in self._viewer.layers else None

    def choose(self, image: Image | None) -> None:
        """Choose a layer, if it is listed."""
        for index in range(self.count()):
            if self.itemData(index) is image:
                self.setCurrentIndex(index)

    def list_images(self, event: Any = None) -> None:
        """List the layers that there are now."""
        chosen = self.currentData()
        self.clear()
        for layer in self._viewer.layers:
            if isinstance(layer, Image) and not is_spare(layer):
                self.addItem(layer.name, layer)
                layer.events.name.connect(self.list_images)
        self.choose(chosen)
        self.listed.emit()

    def close_choice(self) -> None:
        """Follow the viewer no more."""
        layers = self._viewer.layers
        layers.events.inserted.disconnect(self.list_images)
        layers.events.removed.disconnect(self.list_images)
        for layer in layers:
            layer.events.name.disconnect(self.list_images)
