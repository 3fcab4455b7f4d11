"""Which plane of a layer a viewer shows, and how it is made to show another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_segnext.geometry.frame import Point
from napari_segnext.geometry.plane import Plane

if TYPE_CHECKING:
    from napari.components import Camera
    from napari.layers import Layer
    from napari.viewer import ViewerModel

    from napari_segnext.geometry.space import Space


# Share of the canvas, around its middle, in which what is looked at may lie.
_SEEN = 0.6


class NoPlaneError(Exception):
    """No plane of the layer is displayed; the message says what to do."""


def shown_axis(viewer: ViewerModel, layer: Layer, space: Space) -> int:
    """Return the spatial axis that the displayed planes are perpendicular to.

    Raises
    ------
    NoPlaneError
        If the viewer shows no plane of the layer, or one that cuts it obliquely.
    """
    if viewer.dims.ndisplay != 2:
        raise NoPlaneError(
            "Prompts are given in the 2-D view: press Ctrl+Y to leave 3-D"
        )
    units = getattr(viewer.dims, "units", None)
    if units is not None and tuple(units[-layer.ndim :]) != tuple(layer.units):
        raise NoPlaneError(
            f"The viewer counts in {units[-1]}, the image in {layer.units[-1]}, and "
            "napari's clicks would miss: give all layers the same units"
        )
    offset = viewer.dims.ndim - layer.ndim
    displayed = sorted(d - offset for d in viewer.dims.displayed)
    if not set(displayed) <= set(space.spatial_axes):
        raise NoPlaneError("Display two spatial axes of the image to give prompts")
    if _oblique(layer, displayed):
        raise NoPlaneError(
            "The image is rotated out of the displayed plane: "
            "display its other axes, or straighten its affine"
        )
    if space.flat:
        return 0
    (across,) = set(space.spatial_axes) - set(displayed)
    return across - space.leading


def shown_plane(viewer: ViewerModel, layer: Layer, space: Space) -> Plane:
    """Return the plane of the layer that the viewer shows.

    Raises
    ------
    NoPlaneError
        As `shown_axis`, and if the slice position lies outside the layer.
    """
    axis = shown_axis(viewer, layer, space)
    plane = space.plane_at(layer.world_to_data(viewer.dims.point), axis)
    if plane is None:
        raise NoPlaneError("The displayed slice lies outside the image")
    return plane


def camera_of(viewer: ViewerModel) -> Camera:
    """Return what the viewer looks through; napari 0.9 has it in its scene."""
    return (getattr(viewer, "scene", None) or viewer).camera


def looked_at(
    viewer: ViewerModel, layer: Layer, space: Space, plane: Plane
) -> tuple[float, float]:
    """Return the pixel (y, x) of the displayed plane nearest to the view's middle."""
    camera = camera_of(viewer)
    world = np.array(viewer.dims.point, float)
    world[list(viewer.dims.displayed)] = camera.center[-2:]
    at = space.to_plane([layer.world_to_data(world)], plane.axis)[0]
    y, x = np.clip(at, 0, np.array(space.plane_shape(plane)) - 1).tolist()
    return y, x


def look_at(
    viewer: ViewerModel, layer: Layer, space: Space, plane: Plane, pixel: Point
) -> None:
    """Bring a pixel (y, x) of the displayed plane to the view's middle, if it is out.

    Out it is in the outer fifths of the canvas too.
    """
    camera = camera_of(viewer)
    canvas = getattr(viewer, "canvas", None)
    size = viewer._canvas_size if canvas is None else canvas.size
    world = layer.data_to_world(space.from_plane(plane, [pixel])[0])
    at = np.array(world)[list(viewer.dims.displayed)]
    far = np.abs(at - camera.center[-2:]) * camera.zoom
    if (far > _SEEN * np.array(size) / 2).any():
        camera.center = (*camera.center[:-2], *at.tolist())


def show_plane(viewer: ViewerModel, layer: Layer, space: Space, plane: Plane) -> None:
    """Move the viewer to a plane of the layer, changing the axes only if needed."""
    if space.flat:
        return
    offset = viewer.dims.ndim - layer.ndim
    across = space.across(plane.axis)
    if viewer.dims.ndisplay == 2 and set(across) & {
        d - offset for d in viewer.dims.displayed
    }:
        first = [d for d in viewer.dims.order if d - offset not in space.spatial_axes]
        shown = [offset + a for a in space.in_plane(plane.axis)]
        viewer.dims.order = (*first, offset + space.leading + plane.axis, *shown)
    world = layer.data_to_world(space.from_plane(plane, [[0, 0]])[0])
    for axis in across:
        viewer.dims.set_point(offset + axis, world[axis])


def _oblique(layer: Layer, displayed: list[int]) -> bool:
    """Tell whether moving within the display changes the slice, or the reverse."""
    origin = np.asarray(layer.world_to_data(np.zeros(layer.ndim)))
    linear = np.stack(
        [layer.world_to_data(unit) - origin for unit in np.eye(layer.ndim)], 1
    )
    hidden = [a for a in range(layer.ndim) if a not in displayed]
    mixed = np.abs(linear[np.ix_(hidden, displayed)]).sum()
    mixed += np.abs(linear[np.ix_(displayed, hidden)]).sum()
    return bool(mixed > 1e-6 * np.abs(linear).sum())
