"""Where a plane lies in an N-D layer, and which plane a viewer shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_segnext.geometry.plane import Plane

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import ViewerModel

Points = NDArray[np.float64]


class NoPlaneError(Exception):
    """No plane of the layer is displayed; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Axes:
    """The axes of a layer's data: the last three are spatial, others are fixed.

    Attributes
    ----------
    shape
        Shape of the layer's data without a channel axis; at least 2-D.
    """

    shape: tuple[int, ...]

    @property
    def spatial(self) -> tuple[int, ...]:
        """The layer axes that are spatial, two or three."""
        return tuple(range(max(len(self.shape) - 3, 0), len(self.shape)))

    @property
    def leading(self) -> int:
        """How many axes are not spatial (time, ...)."""
        return max(len(self.shape) - 3, 0)

    def in_plane(self, axis: int) -> tuple[int, int]:
        """Layer axes of rows and columns in planes perpendicular to `axis`."""
        if len(self.shape) == 2:
            return 0, 1
        rows, columns = (a for a in self.spatial if a != self.leading + axis)
        return rows, columns

    def plane_shape(self, plane: Plane) -> tuple[int, int]:
        """Height and width of a plane."""
        rows, columns = self.in_plane(plane.axis)
        return self.shape[rows], self.shape[columns]

    def plane_at(self, position: ArrayLike, axis: int) -> Plane | None:
        """Return the plane that holds an (ndim,) data position, if in the data.

        Between two planes it is the one that napari shows there: the even one.
        """
        at = np.asarray(position, float)
        if len(self.shape) == 2:
            return Plane()
        across = [*range(self.leading), self.leading + axis]
        index = np.round(at[across]).astype(int)
        if (index < 0).any() or (index >= np.array(self.shape)[across]).any():
            return None
        return Plane(axis, int(index[-1]), tuple(map(int, index[:-1])))

    def index(self, plane: Plane) -> tuple[int | slice, ...]:
        """Return the basic index that cuts the plane from the layer's data."""
        if len(self.shape) == 2:
            return slice(None), slice(None)
        index: list[int | slice] = [*plane.fixed, *[slice(None)] * 3]
        index[self.leading + plane.axis] = plane.index
        return tuple(index)

    def pixels(
        self, plane: Plane, rows: NDArray[np.intp], columns: NDArray[np.intp]
    ) -> tuple[NDArray[np.intp], ...]:
        """Return the fancy index of pixels of a plane in the layer's data."""
        index: list[Any] = [
            np.full(rows.shape, i, np.intp) if isinstance(i, int) else None
            for i in self.index(plane)
        ]
        row_axis, column_axis = self.in_plane(plane.axis)
        index[row_axis], index[column_axis] = rows, columns
        return tuple(index)

    def to_plane(self, points: ArrayLike, axis: int) -> Points:
        """Return the (row, column) of (N, ndim) data positions."""
        return np.asarray(points, float)[:, list(self.in_plane(axis))]

    def from_plane(self, plane: Plane, points: ArrayLike) -> Points:
        """Return the (N, ndim) data positions of (N, 2) points of a plane."""
        flat = np.asarray(points, float).reshape(-1, 2)
        whole = np.zeros((len(flat), len(self.shape)))
        if len(self.shape) > 2:
            whole[:, : self.leading] = plane.fixed
            whole[:, self.leading + plane.axis] = plane.index
        whole[:, list(self.in_plane(plane.axis))] = flat
        return whole

    def contains(self, plane: Plane, points: ArrayLike) -> bool:
        """Tell whether all (N, 2) points lie on pixels of the plane."""
        flat = np.asarray(points, float).reshape(-1, 2)
        return bool(
            ((flat >= -0.5) & (flat < np.array(self.plane_shape(plane)) - 0.5)).all()
        )


def shown_axis(viewer: ViewerModel, layer: Layer, axes: Axes) -> int:
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
    if not set(displayed) <= set(axes.spatial):
        raise NoPlaneError("Display two spatial axes of the image to give prompts")
    if _oblique(layer, displayed):
        raise NoPlaneError(
            "The image is rotated out of the displayed plane: "
            "display its other axes, or straighten its affine"
        )
    if len(axes.shape) == 2:
        return 0
    (across,) = set(axes.spatial) - set(displayed)
    return across - axes.leading


def shown_plane(viewer: ViewerModel, layer: Layer, axes: Axes) -> Plane:
    """Return the plane of the layer that the viewer shows.

    Raises
    ------
    NoPlaneError
        As `shown_axis`, and if the slice position lies outside the layer.
    """
    axis = shown_axis(viewer, layer, axes)
    plane = axes.plane_at(layer.world_to_data(viewer.dims.point), axis)
    if plane is None:
        raise NoPlaneError("The displayed slice lies outside the image")
    return plane


def looked_at(
    viewer: ViewerModel, layer: Layer, axes: Axes, plane: Plane
) -> tuple[float, float]:
    """Return the pixel (y, x) of the displayed plane nearest to the view's middle."""
    camera = (getattr(viewer, "scene", None) or viewer).camera
    world = np.array(viewer.dims.point, float)
    world[list(viewer.dims.displayed)] = camera.center[-2:]
    at = axes.to_plane([layer.world_to_data(world)], plane.axis)[0]
    y, x = np.clip(at, 0, np.array(axes.plane_shape(plane)) - 1).tolist()
    return y, x


def show_plane(viewer: ViewerModel, layer: Layer, axes: Axes, plane: Plane) -> None:
    """Move the viewer to a plane of the layer, changing the axes only if needed."""
    if len(axes.shape) == 2:
        return
    offset = viewer.dims.ndim - layer.ndim
    across = [*range(axes.leading), axes.leading + plane.axis]
    if viewer.dims.ndisplay == 2 and set(across) & {
        d - offset for d in viewer.dims.displayed
    }:
        first = [d for d in viewer.dims.order if d - offset not in axes.spatial]
        shown = [offset + a for a in axes.in_plane(plane.axis)]
        viewer.dims.order = (*first, offset + axes.leading + plane.axis, *shown)
    world = layer.data_to_world(axes.from_plane(plane, [[0, 0]])[0])
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
