"""Colours of objects in their Labels layer: one each, or one per class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.colormaps import CyclicLabelColormap, DirectLabelColormap

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_segnext.session import SegmentedObject, Session

Colour = tuple[float, float, float]
# Of objects and classes from 1 on, over and over. Seen through at half opacity each
# stands out from black, greys and white, which napari's own first colours do not, and
# from the ones before and after it.
PALETTE = (
    "#00aaff",
    "#ff9500",
    "#f23dff",
    "#e8e800",
    "#3b46ff",
    "#ff5c8a",
    "#00e0c0",
    "#ff6633",
    "#008080",
    "#e6b3ff",
    "#994d00",
    "#4dff00",
    "#804d80",
    "#666600",
)
# Of objects without a class where classes are shown: it is that of no class.
_NO_CLASS = (1.0, 1.0, 1.0)


def label_colours() -> CyclicLabelColormap:
    """Return the colours of labels, in which 0 is not seen."""
    opaque = [[int(c[at : at + 2], 16) / 255 for at in (1, 3, 5)] for c in PALETTE]
    colours = np.zeros((len(PALETTE) + 1, 4))
    colours[1:, :3], colours[1:, 3] = opaque, 1
    return CyclicLabelColormap(colors=colours)


class Colours:
    """The layer's own colours, but where the user chose others or sees classes."""

    def __init__(self, layer: Labels, session: Session) -> None:
        self._layer, self._session = layer, session
        self._own = layer.colormap
        self._applied: dict[int | None, Colour] = {}

    def of(self, each: SegmentedObject) -> Colour:
        """Return the colour of an object: red, green, blue from 0 to 1."""
        if not self._session.semantic:
            return each.colour or self._default(each.id)
        if each.category is None:
            return each.colour or _NO_CLASS
        return self._default(each.category.value)

    def apply(self) -> None:
        """Show the colours; costs nothing when none has changed."""
        objects = self._session.objects
        wanted: dict[int | None, Colour] = {}
        coloured = any(each.colour for each in objects.values())
        if self._session.semantic or coloured:
            wanted = {number: self.of(each) for number, each in objects.items()}
        if wanted == self._applied:
            return
        self._applied = wanted
        if not wanted:
            self._layer.colormap = self._own
            return
        # The brush may make objects that are not known yet.
        colours: dict[int | None, Any] = {None: "gray", 0: "transparent", **wanted}
        self._layer.colormap = DirectLabelColormap(color_dict=colours)

    def _default(self, value: int) -> Colour:
        red, green, blue, _ = map(float, self._own.map(value))
        return red, green, blue
