"""The layer that shows what is proposed, as outlines: it is no object yet."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from napari.utils.colormaps import DirectLabelColormap

from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.space import Space
from napari_segnext.plugin.layers.labels_layer import LayerLabels
from napari_segnext.plugin.layers.over_objects import OverObjects
from napari_segnext.plugin.layers.own_layers import mark_size
from napari_segnext.session.proposed import Proposed

if TYPE_CHECKING:
    from napari.viewer import ViewerModel

_WAITING_COLOUR, _CURRENT_COLOUR = "#ffb000", "#00e5ff"
# Those that touch have values of their own, so that a line runs between them.
_VALUES, _CURRENT = 254, 255
# Of the image's side, the width of a line is this part.
_WIDTH = 600


class ProposalOutlines(OverObjects):
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
        line = mark_size(space, _WIDTH)
        super().__init__(viewer, image, space, labels, "proposals", line)
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

    def _look(self) -> dict[str, Any]:
        colours = {None: "transparent", 0: "transparent", _CURRENT: _CURRENT_COLOUR}
        colours |= dict.fromkeys(range(1, _VALUES + 1), _WAITING_COLOUR)
        return {"opacity": 1, "colormap": DirectLabelColormap(color_dict=colours)}
