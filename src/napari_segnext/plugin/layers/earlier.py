"""The objects of earlier sessions on an image, which stay in the viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, WeakSet

import numpy as np
from napari.layers import Image, Labels

from napari_segnext.plugin.layers.kept_layers import keep_layer
from napari_segnext.plugin.layers.label_levels import Level
from napari_segnext.plugin.layers.own_layers import objects_name

if TYPE_CHECKING:
    from napari.viewer import ViewerModel

    from napari_segnext.plugin.layers.labels_layer import LayerLabels

_objects: WeakKeyDictionary[Image, WeakSet[Labels]] = WeakKeyDictionary()


class EarlierObjects:
    """The objects' layers of earlier sessions on an image, hidden by another one.

    Parameters
    ----------
    labels
        Of the session that has just begun, whose layer gets the usual name.
    """

    def __init__(self, viewer: ViewerModel, image: Image, labels: LayerLabels) -> None:
        self._viewer, self._labels = viewer, labels
        self._known = _objects.setdefault(image, WeakSet())
        self._layers = [layer for layer in viewer.layers if layer in self._known]
        self._known.add(labels.lasting)
        name = objects_name(image)
        for layer in self._layers:
            layer.visible = False
            if layer.name == name:
                layer.name = f"{name}, before"
        labels.layer.name = name

    def drop_equal(self) -> None:
        """Show those no more whose labels are all those of this session."""
        for layer in self._layers:
            if layer not in self._viewer.layers:
                continue
            if layer.multiscale and _same(layer, self._labels.lasting):
                self._viewer.layers.remove(layer)
            elif _same(layer, self._labels.lasting):
                self._known.discard(layer)
                layer.name = f"{self._labels.layer.name}, spare"
                keep_layer(self._viewer, layer)


def put_away(viewer: ViewerModel, labels: LayerLabels) -> None:
    """Show the objects of a session that has ended no more; its journal has them."""
    layer = labels.lasting
    for known in _objects.values():
        known.discard(layer)
    if layer not in viewer.layers:
        return
    if layer.multiscale:
        viewer.layers.remove(layer)
    else:
        keep_layer(viewer, layer)


def hide_earlier(viewer: ViewerModel, image: Image) -> None:
    """Hide the objects of sessions on an image that had been stopped before."""
    for layer in viewer.layers:
        if layer in _objects.get(image, ()):
            layer.visible = False


def _same(one: Labels, other: Labels) -> bool:
    if one.multiscale or other.multiscale:
        first, second = (layer.data[0] for layer in (one, other))
        stores = isinstance(first, Level) and isinstance(second, Level)
        return stores and first.store.same_as(second.store)
    return np.array_equal(one.data, other.data)
