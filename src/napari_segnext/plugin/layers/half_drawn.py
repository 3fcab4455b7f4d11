"""Shapes that the user has begun to draw and not ended.

napari ends one at a double click, Enter or Escape. Its layer does not bear to be
emptied, or given to another slice, in the middle of a drawing: it then refuses every
further click. All that is known here of how it draws is its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Shapes
from napari.layers.base import ActionType
from numpy.typing import NDArray

# What the tools make that add one corner after the other, and of how many at least.
_BY_CORNERS = {
    "add_polygon": "polygon",
    "add_polygon_lasso": "polygon",
    "add_path": "path",
    "add_polyline": "path",
}
_FEWEST = {"polygon": 3, "path": 2}


class HalfDrawn:
    """The shape that is being drawn, or changed, with the mouse in a Shapes layer."""

    def __init__(self, layer: Shapes) -> None:
        self._layer: Any = layer
        self._mode = self._layer._mode

    @property
    def begun(self) -> bool:
        """Whether a shape is being drawn."""
        return bool(self._layer._is_creating)

    @property
    def held(self) -> bool:
        """Whether one is being drawn, or the mouse holds one that is."""
        return self.begun or bool(self._layer._mouse_drag_gen)

    def heard(self, event: Any) -> None:
        """Follow the layer's data; to be called before anything else reads them."""
        if event.action == ActionType.ADDING:
            self._mode = self._layer._mode
        elif event.action == ActionType.ADDED:
            self._forget_surplus()
        elif event.action == ActionType.REMOVED and self.begun:
            # Taken away while it was drawn: napari would go on with it.
            self._layer._is_creating = False
            self._layer._moving_value = (None, None)

    def end(self) -> tuple[list[NDArray[np.float32]], list[str]]:
        """Let go of it; the layer is to be drawn anew.

        napari's own way to end it changes the layer at once, which fails while another
        slice, or 3-D, is on its way.

        Returns
        -------
        (N, ndim) vertices of all the layer's shapes, and their kinds. One that was
        being drawn ends at its last corner, and is left out if it has too few.
        """
        layer = self._layer
        data, kinds = list(layer.data), list(layer.shape_type)
        kind = _BY_CORNERS.get(str(self._mode))
        if self.begun and kind is not None:
            # The last corner follows the pointer.
            corners = data.pop()[:-1]
            kinds.pop()
            if len(corners) >= _FEWEST[kind]:
                data.append(corners)
                kinds.append(kind)
        let_go(layer)
        layer._is_creating = layer._is_moving = False
        layer._moving_value = layer._value = (None, None)
        return data, kinds

    def _forget_surplus(self) -> None:
        """Drop the features and colours that napari keeps of a shape it dropped."""
        layer, count = self._layer, len(self._layer.data)
        if len(layer.features) > count:
            layer.features = layer.features.iloc[:count]
            for colours in ("_edge_color", "_face_color"):
                kept = getattr(layer._data_view, colours)[:count]
                setattr(layer._data_view, colours, kept)


def let_go(layer: Any) -> bool:
    """End what the mouse is doing in a layer while its button is down.

    Returns
    -------
    Whether it was doing anything.
    """
    drags = tuple(layer._mouse_drag_gen.values())
    layer._mouse_drag_gen.clear()
    layer._persisted_mouse_event.clear()
    for drag in drags:
        drag.close()
    return bool(drags)
