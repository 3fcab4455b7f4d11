"""Labels layers that a session can start from, on the grid of its image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_segnext.files import Geometry
from napari_segnext.files.label_file import LabelSource
from napari_segnext.files.label_grid import on_grid
from napari_segnext.files.units import is_length, millimetres, unit_name
from napari_segnext.plugin.layers.own_layers import geometry
from napari_segnext.plugin.readers import label_geometry

# Voxels, or shares of one, that layers may be apart and still lie alike.
_ALIKE = 0.01


def image_place(image: Image, shape: tuple[int, ...]) -> Geometry:
    """Return where labels of an image layer lie, of its shape without channels."""
    return label_geometry(shape, {**geometry(image), "metadata": image.metadata})


def layer_labels(layer: Labels, image: Image, shape: tuple[int, ...]) -> LabelSource:
    """Return the labels of a layer on the grid of an image layer.

    Parameters
    ----------
    shape
        Of the image without channels.

    Raises
    ------
    ValueError
        If they cannot be brought onto it; the message says how they differ.
    """
    data = layer.data[0] if layer.multiscale else layer.data
    own, place = Geometry.plain(tuple(map(int, data.shape))), image_place(image, shape)
    ndim = len(shape)
    placed = not (layer.ndim == ndim and own.shape == shape and _is_plain(layer))
    if placed and layer.ndim == ndim:
        points = np.vstack([np.zeros(ndim), np.eye(ndim)])
        world = [layer.data_to_world(p) * _unit_ratios(layer, image) for p in points]
        at = np.array([image.world_to_data(place) for place in world])
        linear = at[1:] - at[0]
        steps = np.diag(linear)
        if np.abs(linear - np.diag(steps)).max() > _ALIKE or steps.min() <= 0:
            raise ValueError(
                f"{layer.name} is turned against {image.name}: give both layers the "
                "same rotation and affine"
            )
        scale = np.array(place.scale)
        own = replace(
            own,
            scale=tuple((steps * scale).tolist()),
            translate=tuple((at[0] * scale + place.translate).tolist()),
            units=place.units,
        )
    data, moved = on_grid(data, own, place, sure=placed)
    return LabelSource(data, {}, moved)


def _unit_ratios(layer: Labels, image: Image) -> NDArray[np.float64]:
    """Return how many units of an image a unit of a layer is, along each axis."""
    pairs = [
        (unit_name(str(own)), unit_name(str(its)))
        for own, its in zip(layer.units, image.units, strict=True)
    ]
    return np.array(
        [
            millimetres(own) / millimetres(its)
            if is_length(own) and is_length(its)
            else 1.0
            for own, its in pairs
        ]
    )


def _is_plain(layer: Labels) -> bool:
    """Tell whether nothing says where a layer lies."""
    origin, ends = np.zeros(layer.ndim), np.eye(layer.ndim)
    points = np.vstack([origin, ends])
    return np.allclose([layer.data_to_world(point) for point in points], points)
