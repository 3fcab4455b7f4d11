"""What has been found of an object so far, while it is being propagated."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from napari.utils.colormaps import DirectLabelColormap

from napari_segnext.geometry.frame import Region
from napari_segnext.geometry.space import Space
from napari_segnext.plugin.layers.labels_layer import LayerLabels
from napari_segnext.plugin.layers.over_objects import OverObjects

if TYPE_CHECKING:
    from napari.viewer import ViewerModel

    from napari_segnext.propagation import PlaneResult

_FOUND = 1
_OPACITY = 0.4


class Preview(OverObjects):
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
        super().__init__(viewer, image, space, labels, "found so far")

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

    def _look(self) -> dict[str, Any]:
        return {"opacity": _OPACITY}
