"""The layers that a session adds to the viewer, all lying where the image lies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Layer, Points, Shapes
from napari.utils.colormaps import DirectLabelColormap

from napari_segnext.geometry.space import Space
from napari_segnext.plugin.layers.colours import label_colours
from napari_segnext.plugin.layers.scribble_canvas import Part, SparsePlanes

if TYPE_CHECKING:
    from napari_segnext.geometry.plane import Plane
    from napari_segnext.prompts import Prompt

# Green and red of unequal lightness, so that they differ for the colour-blind too.
COLOURS = {True: "#35d07f", False: "#e5383b"}
SIGNS = {True: "positive", False: "negative"}
POSITIVE_LABEL, NEGATIVE_LABEL = 1, 2
# What says where a layer lies; napari tells of a change by an event of the same name.
GEOMETRY = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
# Sections longer than this, in pixels, are edited in a window.
LARGE_SIDE = 8192


def image_space(image: Image) -> Space:
    """Return the space of an image layer at full resolution, without channels."""
    shape = image.data[0].shape if image.multiscale else image.data.shape
    return Space(tuple(map(int, shape[:-1] if image.rgb else shape)))


def is_large(space: Space) -> bool:
    """Tell whether sections are edited in a window, because they are too large."""
    return max(space.shape[-2:]) > LARGE_SIDE


def geometry(image: Image) -> dict[str, Any]:
    """Return the layer arguments that put another layer where the image is."""
    return {name: getattr(image, name) for name in GEOMETRY}


def lie_on(layer: Layer, image: Image) -> None:
    """Put a layer where the image is now."""
    for name, value in geometry(image).items():
        if not np.array_equal(getattr(layer, name), value):
            setattr(layer, name, value)


def make_points(image: Image, space: Space) -> Points:
    """Make the layer of clicks; feature ``sign`` says which."""
    layer = Points(
        np.empty((0, space.ndim)),
        ndim=space.ndim,
        name="Clicks",
        features={"sign": np.array([], object)},
        feature_defaults={"sign": SIGNS[True]},
        face_color=COLOURS[True],
        border_color="white",
        border_width=0.12,
        size=mark_size(space, 50, 3),
        **geometry(image),
    )
    layer.current_face_color = COLOURS[True]
    return layer


def clear_shapes(layer: Shapes) -> None:
    """Take all shapes out of a layer; napari 0.6 removes those that are selected."""
    layer.selected_data = set(range(len(layer.data)))
    layer.remove_selected()


def make_shapes(image: Image, space: Space, name: str = "Shapes") -> Shapes:
    """Make a layer of boxes, polygons and scribbled paths."""
    layer = Shapes(
        None,
        ndim=space.ndim,
        name=name,
        features={"sign": np.array([], object)},
        feature_defaults={"sign": SIGNS[True]},
        edge_color=COLOURS[True],
        edge_width=mark_size(space, 200),
        face_color="transparent",
        **geometry(image),
    )
    layer.current_face_color = "transparent"
    layer.current_edge_color = COLOURS[True]
    layer.current_edge_width = mark_size(space, 200)
    return layer


def make_scribbles(image: Image, space: Space, canvas: SparsePlanes) -> Labels:
    """Make the layer of painted scribbles: 1 positive, 2 negative.

    In a large image it begins as a single pixel; see `WindowLabels.carry`.
    """
    data = painted_on(canvas, space)
    colours = {
        None: "transparent",
        0: "transparent",
        POSITIVE_LABEL: COLOURS[True],
        NEGATIVE_LABEL: COLOURS[False],
    }
    layer = Labels(
        data,
        name="Scribbles",
        opacity=0.6,
        colormap=DirectLabelColormap(color_dict=colours),
        **geometry(image),
    )
    layer.brush_size = mark_size(space, 50, 3)
    return layer


def painted_on(canvas: SparsePlanes, space: Space) -> SparsePlanes | Part:
    """Return the data that a layer of a canvas begins with: all, or a single pixel."""
    ndim = space.ndim
    return canvas.part((0,) * ndim, (1,) * ndim) if is_large(space) else canvas


def objects_name(image: Image) -> str:
    """Name the layer of objects."""
    return f"{image.name} objects"


def make_output(image: Image, space: Space) -> Labels:
    """Make the layer of objects; pages of it that stay empty take no memory."""
    return Labels(
        np.zeros(space.shape, np.uint16),
        name=objects_name(image),
        opacity=0.5,
        colormap=label_colours(),
        metadata={k: v for k, v in image.metadata.items() if k == "geometry"},
        **geometry(image),
    )


def sign_layer(layer: Points | Shapes | Labels, positive: bool) -> None:
    """Make what is drawn next on a prompt layer positive or negative."""
    if isinstance(layer, Labels):
        layer.selected_label = POSITIVE_LABEL if positive else NEGATIVE_LABEL
        return
    # napari gives a changed current colour to whatever is selected.
    layer.selected_data = set()
    layer.feature_defaults = {"sign": SIGNS[positive]}
    if isinstance(layer, Points):
        layer.current_face_color = COLOURS[positive]
    else:
        layer.current_edge_color = COLOURS[positive]


def sign_features(prompts: Iterable[Prompt]) -> dict[str, Any]:
    """Return the features of a prompt layer that shows these prompts."""
    # Without a type, an empty column would become one of numbers.
    return {"sign": np.array([SIGNS[p.positive] for p in prompts], object)}


def signs_of(layer: Points | Shapes) -> list[bool]:
    """Return which points or shapes are positive."""
    return [sign != SIGNS[False] for sign in layer.features["sign"]]


def draws(layer: Points | Shapes | Labels) -> bool:
    """Tell whether the mouse adds to a layer, rather than selects or erases."""
    return str(layer.mode).startswith(("add", "paint", "fill", "polygon"))


def plane_name(plane: Plane, space: Space, labels: tuple[str, ...]) -> str:
    """Name a plane as a user reads it: ``z 74``, or nothing in a 2-D image."""
    if space.ndim == 2:
        return ""
    label = labels[space.leading + plane.axis]
    # What napari calls an axis without a name; it was "axis -3" before it was "-3".
    if label.removeprefix("axis ").startswith("-"):
        return f"slice {plane.index}"
    return f"{label} {plane.index}"


def mark_size(space: Space, share: int, least: int = 1) -> int:
    """Return a size in pixels, large enough to hit: a share of the image's side.

    Nobody prompts in a section of which more than 2,048 pixels are in view.
    """
    return max(least, round(min(max(space.shape[-2:]), 2048) / share))
