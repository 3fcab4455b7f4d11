"""An axis of channels taken apart: each becomes a layer, which a model can be shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image

from napari_segnext.files import Geometry
from napari_segnext.plugin.readers import sliceable

if TYPE_CHECKING:
    from napari.viewer import ViewerModel

_NAMES = ("c", "ch", "channel", "channels")
# No axis of more is offered as one of channels.
_MOST = 16


def channel_axis(image: Image) -> int | None:
    """Return the axis that is named as one of channels, if there is one."""
    if not image.rgb:
        for axis, label in enumerate(image.axis_labels):
            if label.lower() in _NAMES and image.ndim > 2:
                return axis
    return None


def possible_axes(image: Image) -> list[int]:
    """Return the axes that may be of channels, to judge by name and length."""
    named = channel_axis(image)
    if named is not None or image.rgb or image.ndim < 3:
        return [] if named is None else [named]
    shape = image.data[0].shape if image.multiscale else image.data.shape
    # Three axes are a volume, unless the first is as short as that of colours.
    first, most = (shape[:-2], _MOST) if image.ndim > 3 else (shape[:1], 4)
    return [axis for axis, length in enumerate(first) if 1 < length <= most]


def split_channels(viewer: ViewerModel, image: Image, axis: int) -> list[Image]:
    """Put a layer for each channel in the place of an image, lazily.

    Returns
    -------
    The layers, of which the first is shown
    """
    levels = [sliceable(a) for a in (image.data if image.multiscale else [image.data])]
    before = (slice(None),) * axis
    options = _without(image, axis)
    layers = []
    for number in range(levels[0].shape[axis]):
        parts = [level[(*before, number)] for level in levels]
        layers.append(
            Image(
                parts if image.multiscale else parts[0],
                multiscale=image.multiscale,
                name=f"{image.name} {number + 1}",
                visible=not number,
                metadata=_metadata(image, number, parts[0].shape),
                **options,
            )
        )
    place = viewer.layers.index(image)
    viewer.layers.remove(image)
    for number, layer in enumerate(layers):
        viewer.layers.insert(place + number, layer)
    return layers


def _without(image: Image, axis: int) -> dict[str, Any]:
    """Return where an image lies, without one axis."""
    keep = [a for a in range(image.ndim) if a != axis]
    matrix = [*keep, image.ndim]
    return {
        "scale": np.asarray(image.scale)[keep],
        "translate": np.asarray(image.translate)[keep],
        "rotate": np.asarray(image.rotate)[np.ix_(keep, keep)],
        "affine": image.affine.affine_matrix[np.ix_(matrix, matrix)],
        "units": [image.units[a] for a in keep],
        "axis_labels": [image.axis_labels[a] for a in keep],
    }


def _metadata(image: Image, number: int, shape: tuple[int, ...]) -> dict[str, Any]:
    known = dict(image.metadata)
    geometry = known.get("geometry")
    if isinstance(geometry, Geometry) and geometry.shape != shape:
        del known["geometry"]
    return {**known, "channel": number, "split from": str(image.unique_id)}
