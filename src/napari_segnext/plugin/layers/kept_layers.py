"""Layers of sessions that have ended: hidden in their viewer, and used again.

Where OpenGL runs in software, napari crashes now and then when layers are removed and
others of their kind are added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary, WeakSet

import numpy as np
from napari.layers import Image, Labels, Layer, Points, Shapes

from napari_segnext.plugin.layers.own_layers import clear_shapes, lie_on

if TYPE_CHECKING:
    from napari.viewer import ViewerModel

L = TypeVar("L", bound=Layer)

# What each is for, and which are used by no session.
_roles: WeakKeyDictionary[Layer, str] = WeakKeyDictionary()
_kept: WeakSet[Layer] = WeakSet()


def layer_for(viewer: ViewerModel, image: Image, made: L, role: str = "") -> L:
    """Return a layer on an image that was kept, or the one that was just made.

    Parameters
    ----------
    role
        What it is for, the same from session to session; default: its name.
    """
    role = role or made.name
    for layer in viewer.layers:
        if layer in _kept and _roles[layer] == role and layer.ndim == made.ndim:
            assert isinstance(layer, type(made))
            _kept.discard(layer)
            lie_on(layer, image)
            _renew(layer, made)
            return layer
    _roles[made] = role
    return made


def show_layer(viewer: ViewerModel, layer: Layer) -> None:
    """Show a layer on top of all others, in the viewer."""
    if layer not in viewer.layers:
        viewer.add_layer(layer)
        return
    viewer.layers.move(viewer.layers.index(layer), len(viewer.layers))
    layer.visible = True


def keep_layer(viewer: ViewerModel, layer: Layer) -> None:
    """Empty and hide a layer from `layer_for`; nothing if it is not there any more."""
    if layer not in viewer.layers:
        return
    assert isinstance(layer, Labels | Points | Shapes)
    layer.mode = "pan_zoom"
    match layer:
        case Labels():
            layer.data = np.zeros(layer.data.shape, layer.data.dtype)
        case Points():
            layer.selected_data = set()
            layer.data = np.empty((0, layer.ndim))
        case Shapes():
            clear_shapes(layer)
    layer.visible = False
    _kept.add(layer)


def set_data(layer: Image | Labels, data: Any) -> None:
    """Give a layer other data; of a hidden one napari would go by the former extent."""
    visible, layer.visible = layer.visible, True
    layer.data = data
    layer.visible = visible


def fit_kept(viewer: ViewerModel, image: Image) -> None:
    """Let hidden layers lie on another image, and take no room beside it."""
    for layer in [each for each in viewer.layers if each in _kept]:
        if layer.ndim != image.ndim:
            # The viewer would keep its axes.
            viewer.layers.remove(layer)
            continue
        if isinstance(layer, Labels):
            set_data(layer, np.zeros((1,) * layer.ndim, layer.data.dtype))
        lie_on(layer, image)


def _renew(layer: Layer, made: Layer) -> None:
    """Give a layer what a new one has that depends on the image."""
    layer.editable = True
    match layer, made:
        case Labels(), Labels():
            set_data(layer, made.data)
            layer.brush_size = made.brush_size
            layer.colormap, layer.metadata = made.colormap, made.metadata
        case Points(), Points():
            layer.current_size = float(made.current_size)
        case Shapes(), Shapes():
            layer.current_edge_width = made.current_edge_width
