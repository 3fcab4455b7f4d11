"""The layer that shows what is proposed, as outlines: it is no object yet."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from napari.layers import Image, Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.space import Space
from napari_segnext.plugin.layers.kept_layers import keep_layer, layer_for
from napari_segnext.plugin.layers.labels_layer import LayerLabels
from napari_segnext.plugin.layers.own_layers import (
    geometry,
    is_large,
    lie_on,
    mark_size,
    painted_on,
)
from napari_segnext.plugin.layers.scribble_canvas import SparsePlanes
from napari_segnext.session.proposed import Proposed

if TYPE_CHECKING:
    from napari.viewer import ViewerModel

_WAITING_COLOUR, _CURRENT_COLOUR = "#ffb000", "#00e5ff"
# Those that touch have values of their own, so that a line runs between them.
_VALUES, _CURRENT = 254, 255
# Of the image's side, the width of a line is this part.
_WIDTH = 600
_ROLE = "proposals"


class ProposalOutlines:
    """A layer over the objects that shows the proposals of the displayed plane.

    It is there once there is something to show, and hidden when there is nothing in
    any plane. If the user hides it, it stays hidden until then.

    Parameters
    ----------
    labels
        Whose objects proposals may become.
    """

    def __init__(
        self, viewer: ViewerModel, image: Image, space: Space, labels: LayerLabels
    ) -> None:
        self._viewer, self._image, self._space = viewer, image, space
        self._labels, self._canvas = labels, SparsePlanes(space)
        self._layer: Labels | None = None
        self._presented = False

    @property
    def visible(self) -> bool:
        """Whether the user sees proposals, where there are some."""
        layer = self._layer
        return layer is not None and layer in self._viewer.layers and layer.visible

    def show(
        self, plane: Plane, proposals: Iterable[tuple[int, Proposed]], current: int
    ) -> None:
        """Show these proposals of a plane, by number, and no others."""
        layer = self._present()
        self._canvas.reset(plane.axis)
        for number, each in proposals:
            value = _CURRENT if number == current else number % _VALUES + 1
            self._canvas.paint(plane, each.region, value)
        if not self._presented:
            self._presented = layer.visible = True
        layer.refresh()

    def clear(self) -> None:
        """Show nothing: there are no proposals."""
        if self._presented:
            self._canvas.reset(self._canvas.axis)
            self._presented = False
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
        name = f"{self._image.name} proposals"
        colours = {None: "transparent", 0: "transparent", _CURRENT: _CURRENT_COLOUR}
        colours |= dict.fromkeys(range(1, _VALUES + 1), _WAITING_COLOUR)
        made = Labels(
            painted_on(self._canvas, self._space),
            name=name,
            opacity=1,
            visible=False,
            colormap=DirectLabelColormap(color_dict=colours),
            **geometry(self._image),
        )
        layer = self._layer = layer_for(self._viewer, self._image, made, _ROLE)
        layer.name, layer.editable = name, False
        layer.contour = mark_size(self._space, _WIDTH)
        active = layers.selection.active
        place = layers.index(self._labels.layer) + 1
        if layer in layers:
            layers.move(layers.index(layer), place)
        else:
            layers.insert(place, layer)
        layers.selection.active = active
        self._labels.carry(layer, self._canvas)
        return layer
