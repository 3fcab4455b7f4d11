"""The image layers of the case that is open: used again for the next one.

Where OpenGL runs in software, napari crashes now and then when layers are removed and
others are added; and what the user has chosen for a modality stays with its layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakSet

import numpy as np
from napari.layers import Image

from napari_segnext.plugin.layers.inputs import note_file
from napari_segnext.plugin.layers.kept_layers import fit_kept, set_data
from napari_segnext.plugin.layers.own_layers import lie_on

if TYPE_CHECKING:
    from napari.viewer import ViewerModel

# Limits of contrast are kept where the next image has at least this share of them.
_OVERLAP = 0.1
# Layers of cases that had more modalities than the one that is open.
_spare: WeakSet[Image] = WeakSet()


class Key(NamedTuple):
    """Which image of a case: its modality, and the channel if a file has several."""

    modality: str
    channel: int | None = None


class CaseLayers:
    """The images of a case in a viewer.

    Attributes
    ----------
    shown
        The layers of the case that is open.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self.shown: dict[Key, Image] = {}
        self._limits: dict[Image, tuple[float, float]] = {}

    def show(self, made: Mapping[Key, Image]) -> None:
        """Show other images, each in the layer of the same modality if there is one.

        Parameters
        ----------
        made
            Layers that are in no viewer.
        """
        free = {key: each for key, each in self.shown.items() if self._is_there(each)}
        spare = [each for each in self._viewer.layers if each in _spare]
        self.shown = {}
        for key, layer in made.items():
            known = free.get(key)
            if known is not None and _alike(known, layer):
                del free[key]
                self._show_in(known, layer, keep_look=True)
                self.shown[key] = known
        for key, layer in made.items():
            if key not in self.shown:
                self.shown[key] = self._place(layer, [*free.values(), *spare])
                free = {k: e for k, e in free.items() if e is not self.shown[key]}
                spare = [each for each in spare if each is not self.shown[key]]
        self.shown = {key: self.shown[key] for key in made}
        first = next(iter(self.shown.values()))
        for layer in (*free.values(), *spare):
            _set_aside(self._viewer, layer, first)
        fit_kept(self._viewer, first)

    def key_of(self, image: Image | None) -> Key | None:
        """Return which image of the case a layer shows, None if it is none of them."""
        return next((key for key, each in self.shown.items() if each is image), None)

    def _is_there(self, layer: Image) -> bool:
        return layer in self._viewer.layers

    def _place(self, made: Image, free: Iterable[Image]) -> Image:
        """Show an image in one of the layers that are free, or in its own."""
        known = next((each for each in free if _alike(each, made)), None)
        if known is None:
            self._viewer.layers.insert(self._top, made)
            self._note(made)
            return made
        _spare.discard(known)
        self._show_in(known, made, keep_look=False)
        return known

    @property
    def _top(self) -> int:
        """The place above the images, and below all that lies on them."""
        images = [n for n, e in enumerate(self._viewer.layers) if isinstance(e, Image)]
        return images[-1] + 1 if images else 0

    def _show_in(self, layer: Image, made: Image, keep_look: bool) -> None:
        """Show another image in a layer; what the user has made of its look stays."""
        before, limits = self._limits.get(layer), tuple(layer.contrast_limits)
        set_data(layer, made.data)
        lie_on(layer, made)
        layer.name, layer.metadata = made.name, made.metadata
        # napari lets nobody else say so, of a layer that shows another file by now.
        layer._source = made.source
        note_file(layer)
        if not keep_look:
            layer.visible, layer.colormap, layer.gamma = made.visible, "gray", 1.0
        if not layer.rgb:
            kept = keep_look and limits != before and _overlaps(limits, made)
            low, high = made.contrast_limits_range
            own = limits if kept else tuple(made.contrast_limits)
            layer.contrast_limits_range = (min(low, own[0]), max(high, own[1]))
            layer.contrast_limits = own
        self._note(layer, None if before == limits or not keep_look else before)

    def _note(self, layer: Image, before: tuple[float, float] | None = None) -> None:
        """Note what limits a layer began with, to know those that the user chose."""
        own = tuple(map(float, layer.contrast_limits))
        self._limits[layer] = before or (own[0], own[1])


def is_spare(layer: object) -> bool:
    """Tell whether a layer shows nothing until a case needs it."""
    return layer in _spare


def _alike(layer: Image, made: Image) -> bool:
    """Tell whether a layer can show what another one does."""
    kinds = ((each.ndim, each.rgb, each.multiscale) for each in (layer, made))
    return len(set(kinds)) == 1


def _overlaps(limits: tuple[float, ...], made: Image) -> bool:
    low, high = made.contrast_limits_range
    shared = min(high, limits[1]) - max(low, limits[0])
    return bool(shared >= _OVERLAP * (limits[1] - limits[0]))


def _set_aside(viewer: ViewerModel, layer: Image, image: Image) -> None:
    """Hide a layer that the case has no image for, and let go of its data."""
    if layer.multiscale or layer.ndim != image.ndim:
        # It would keep its data, or the viewer its axes.
        viewer.layers.remove(layer)
        return
    sides = (1,) * layer.ndim
    set_data(layer, np.zeros((*sides, 3) if layer.rgb else sides, np.uint8))
    layer.visible = False
    lie_on(layer, image)
    layer.name = "no image"
    _spare.add(layer)
