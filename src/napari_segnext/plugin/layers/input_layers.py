"""The layers that a model sees, followed while they are segmented."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtCore import QObject, Signal

from napari_segnext.plugin.layers.inputs import Inputs, note_change, sides
from napari_segnext.plugin.layers.own_layers import GEOMETRY, image_space

if TYPE_CHECKING:
    from napari.viewer import ViewerModel

    from napari_segnext.geometry.space import Space


class InputLayers(QObject):
    """The image, other inputs of the model, and what is done to them in the viewer.

    Signals: `moved` (the image lies elsewhere, or its axes have other names or units),
    `replaced` (there are other `inputs`), `unfit` (a layer's data cannot be used any
    more: why), `drawn` (a layer was drawn again at the same place: its data may have
    been edited).

    Attributes
    ----------
    inputs
        What the model reads, None before `see`.
    """

    moved = Signal()
    replaced = Signal()
    unfit = Signal(str)
    drawn = Signal()

    def __init__(
        self,
        viewer: ViewerModel,
        image: Image,
        space: Space,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._image, self._space = viewer, image, space
        self.inputs: Inputs | None = None
        self._views: dict[Image, Any] = {}
        self._events: list[tuple[Any, Callable[[Any], None]]] = []
        for name in GEOMETRY:
            self._listen(getattr(image.events, name), lambda _: self.moved.emit())
        self._follow(image)

    def see(self, inputs: Inputs) -> None:
        """Follow what a model reads from now on; the same layers go on as they are."""
        if self.inputs is None or self.inputs.layers != inputs.layers:
            self.inputs = inputs
            for layer in inputs.layers:
                if layer is not self._image:
                    self._follow(layer)

    def close(self) -> None:
        """Follow no more."""
        for event, callback in self._events:
            event.disconnect(callback)
        self._events.clear()

    def _follow(self, layer: Image) -> None:
        self._listen(layer.events.data, partial(self._on_data, layer))
        self._listen(layer.events.set_data, partial(self._on_drawn, layer))
        self._views[layer] = self._view()

    def _listen(self, event: Any, callback: Callable[[Any], None]) -> None:
        event.connect(callback)
        self._events.append((event, callback))

    def note_edit(self) -> None:
        """Note that data were edited: nothing made of them is kept as of a file."""
        for layer in self.inputs.layers if self.inputs else ():
            note_change(layer)

    def _on_data(self, layer: Image, event: Any) -> None:
        note_change(layer)
        now, before = image_space(self._image).shape, self._space.shape
        if now != before:
            name = self._image.name
            self._end(f"{name} is {sides(now)}, no longer {sides(before)}")
            return
        if self.inputs is None:
            return
        by_limits = self.inputs.limits is not None
        try:
            self.inputs = Inputs.of(self.inputs.layers, by_limits)
        except ValueError as error:
            self._end(str(error))
        else:
            self.replaced.emit()

    def _end(self, why: str) -> None:
        self.unfit.emit(f"{why}: stopped; the objects stay")

    def _on_drawn(self, layer: Image, event: Any) -> None:
        """Tell what napari draws because it was told to from what it does by itself."""
        view = self._view()
        if view == self._views[layer]:
            self.drawn.emit()
        self._views[layer] = view

    def _view(self) -> Any:
        """Return what of the data napari shows."""
        dims = self._viewer.dims
        return dims.point, dims.order, dims.ndisplay
