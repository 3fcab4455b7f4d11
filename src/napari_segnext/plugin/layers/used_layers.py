"""Which prompt layers are shown: those that are in use.

napari slices and draws every shown layer at each turn of a slice, an empty one too:
three of them took half of the turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from napari.layers import Layer
from napari.utils.events import Selection


class UsedLayers:
    """Show a layer when it is selected or holds something, and hide it otherwise.

    What the user shows or hides stays so until the layer's use changes.

    Parameters
    ----------
    layers
        The layers to look after.
    selection
        The viewer's.
    holds
        Tells whether there is anything on a layer, in any plane.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        selection: Selection[Layer],
        holds: Callable[[Layer], bool],
    ) -> None:
        self._selection, self._holds = selection, holds
        self._used = dict.fromkeys(layers, True)
        self._barred: set[Layer] = set()
        selection.events.changed.connect(self.update)

    def close(self) -> None:
        """Stop looking."""
        self._selection.events.changed.disconnect(self.update)

    def bar(self, layer: Layer, barred: bool) -> None:
        """Keep a layer hidden in any case, or no longer."""
        (self._barred.add if barred else self._barred.discard)(layer)
        self.update()

    def update(self, event: Any = None) -> None:
        """Show and hide what has changed its use."""
        for layer, was_used in self._used.items():
            wanted = layer in self._selection or self._holds(layer)
            used = wanted and layer not in self._barred
            if used != was_used:
                self._used[layer] = layer.visible = used
