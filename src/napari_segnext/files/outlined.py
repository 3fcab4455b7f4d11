"""Objects of labels as polygons, plane by plane: for formats that hold outlines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segnext.files.image import Geometry
from napari_segnext.files.pieces import Sliceable, row_parts
from napari_segnext.geometry.outlines import Corners, Polygon


@dataclass(frozen=True, slots=True, eq=False)
class Outlined:
    """An object in a plane of the last two axes.

    Attributes
    ----------
    value
        In the labels.
    place
        Index along each axis before the last two, by the axis' name.
    depth, time
        Index along the axis of these that is space, and along the other one.
    polygons
        Its pieces; row and column of the corners between pixels, see
        `napari_segnext.geometry.outlines`.
    """

    value: int
    place: dict[str, int]
    depth: int | None
    time: int | None
    polygons: list[Polygon]


def outlined(labels: Sliceable, geometry: Geometry) -> Iterator[Outlined]:
    """Yield every object of every plane; no more than some rows are in memory.

    Parameters
    ----------
    geometry
        With one axis at most that is not space.
    """
    axes = geometry.axis_labels[:-2]
    for index in np.ndindex(labels.shape[:-2]):
        place = dict(zip(axes, index, strict=True))
        depth, time = None, None
        for axis, at in enumerate(index):
            if axis in geometry.others:
                time = at
            else:
                depth = at
        for value, polygons in _corners(labels, index).outlines():
            yield Outlined(value, place, depth, time, polygons)


def _corners(labels: Sliceable, index: tuple[int, ...]) -> Corners:
    """Return the corners of a plane, some rows at a time."""
    page = tuple(slice(at, at + 1) for at in index)
    height, width = labels.shape[-2:]
    former = np.zeros((1, width + 2), labels.dtype)
    found = []
    for part in row_parts((height, width)):
        rows = _framed(labels[(*page, *part)].reshape(-1, width))
        found.append(Corners.of(np.concatenate([former, rows]), part[0].start))
        former = rows[-1:]
    found.append(Corners.of(np.concatenate([former, np.zeros_like(former)]), height))
    return Corners.joined(found)


def _framed(rows: NDArray[np.integer]) -> NDArray[np.integer]:
    return np.pad(rows, ((0, 0), (1, 1)))
