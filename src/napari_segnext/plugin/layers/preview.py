"""What has been found of an object so far, while it is being propagated."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from napari.layers import Image, Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_segnext.geometry.frame import Region
from napari_segnext.geometry.space import Space
from napari_segnext.plugin.layers.kept_layers import keep_layer, layer_for
from napari_segnext.plugin.layers.labels_layer import LayerLabels
from napari_segnext.plugin.layers.own_layers import (
    geometry,
    is_large,
    lie_on,
    painted_on,
)
from napari_segnext.plugin.layers.scribble_canvas import SparsePlanes

if TYPE_CHECKING:
    from napari.viewer import ViewerModel

    from napari_segnext.propagation import PlaneResult

_FOUND = 1
_OPACITY = 0.4
_ROLE = "found so far"


class Preview:
    """A layer over the objects that shows masks before they are written.

    It is there when there is something to show, and hidden when there is no more.

    Parameters
    ----------
    labels
        Whose objects these masks become.
    """

    def __init__(
        self, viewer: ViewerModel, image: Image, space: Space, labels: LayerLabels
    ) -> None:
        self._viewer, self._image, self._space = viewer, image, space
        self._labels, self._canvas = labels, SparsePlanes(space)
        self._layer: Labels | None = None

    def show(self, object_id: int, results: Iterable[PlaneResult]) -> None:
        """Add masks of an object, in planes perpendicular to one axis."""
        layer = self._present()
        for result in results:
            if self._canvas.axis != result.plane.axis:
                self._canvas.reset(result.plane.axis)
            extent = result.patch.above(0.5)
            pixels = result.patch.read(extent) > 0.5
            self._canvas.paint(result.plane, Region(extent[:2], pixels), _FOUND)
        if not layer.visible:
            colour = self._labels.layer.get_color(object_id)
            colours = {None: "transparent", 0: "transparent", _FOUND: colour}
            layer.colormap = DirectLabelColormap(color_dict=colours)
            layer.visible = True
        layer.refresh()

    def clear(self) -> None:
        """Show nothing."""
        self._canvas.reset(self._canvas.axis)
        if self._layer is not None:
            self._layer.visible = False

    def lie_on(self, image: Image) -> None:
        """Lie where the image lies now."""
        # In a large section the labels see to it.
        if self._layer is not None and not is_large(self._space):
            lie_on(self._layer, image)

    def close(self) -> None:
        """Hide the layer for the next session."""
        if self._layer is not None:
            keep_layer(self._viewer, self._layer)

    def _present(self) -> Labels:
        """Return the layer, which lies over the objects; make it if there is none."""
        layers = self._viewer.layers
        if self._layer is not None and self._layer in layers:
            return self._layer
        name = f"{self._image.name} found so far"
        made = Labels(
            painted_on(self._canvas, self._space),
            name=name,
            opacity=_OPACITY,
            visible=False,
            **geometry(self._image),
        )
        layer = self._layer = layer_for(self._viewer, self._image, made, _ROLE)
        layer.name, layer.editable = name, False
        active = layers.selection.active
        place = layers.index(self._labels.layer) + 1
        if layer in layers:
            layers.move(layers.index(layer), place)
        else:
            layers.insert(place, layer)
        layers.selection.active = active
        self._labels.carry(self._layer, self._canvas)
        return self._layer
