"""The layers that a model sees, followed while they are segmented."""

from __future__ import annotations

from typing import Any

from napari.layers import Image
from qtpy.QtCore import QObject, Signal

from napari_segnext.plugin.layers import GEOMETRY


class InputLayers(QObject):
    """An image, and what is done to it in the viewer.

    Signals: `moved` (it lies elsewhere, or its axes have other names or units).
    """

    moved = Signal()

    def __init__(self, image: Image, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._events = [(getattr(image.events, name), self._moved) for name in GEOMETRY]
        for event, callback in self._events:
            event.connect(callback)

    def close(self) -> None:
        """Follow no more."""
        for event, callback in self._events:
            event.disconnect(callback)

    def _moved(self, event: Any) -> None:
        self.moved.emit()
