"""Layers over the objects, which show what is no object yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels

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


class OverObjects:
    """A layer right over the objects, made when there is something to show.

    Parameters
    ----------
    labels
        Whose objects may become what it shows.
    role
        What it shows; its name is that of the image with it.
    line
        Width of the outlines that are drawn, in pixels; 0: all is filled.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        image: Image,
        space: Space,
        labels: LayerLabels,
        role: str,
        line: int = 0,
    ) -> None:
        self._viewer, self._image, self._space = viewer, image, space
        self._labels, self._role, self._line = labels, role, line
        self._canvas = SparsePlanes(space)
        self._layer: Labels | None = None

    def lie_on(self, image: Image) -> None:
        """Lie where the image lies now."""
        # In a large section the labels see to it.
        if self._layer is not None and not is_large(self._space):
            lie_on(self._layer, image)

    def close(self) -> None:
        """Hide the layer for the next session."""
        if self._layer is not None:
            # The next session may be about another image.
            self._layer.name = self._role
            keep_layer(self._viewer, self._layer)

    def _look(self) -> dict[str, Any]:
        """Return what napari is told of the look of a new layer."""
        raise NotImplementedError

    def _present(self) -> Labels:
        """Return the layer, which lies over the objects; make it if there is none."""
        layers = self._viewer.layers
        if self._layer is not None and self._layer in layers:
            return self._layer
        name = f"{self._image.name} {self._role}"
        made = Labels(
            painted_on(self._canvas, self._space),
            name=name,
            visible=False,
            **self._look(),
            **geometry(self._image),
        )
        layer = self._layer = layer_for(self._viewer, self._image, made, self._role)
        layer.name, layer.editable = name, False
        layer.contour = self._line
        active = layers.selection.active
        place = layers.index(self._labels.layer) + 1
        if layer in layers:
            layers.move(layers.index(layer), place)
        else:
            layers.insert(place, layer)
        layers.selection.active = active
        self._labels.carry(layer, self._canvas)
        return layer
