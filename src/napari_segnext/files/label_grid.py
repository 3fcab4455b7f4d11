"""Bringing labels of another grid onto that of an image, voxel by voxel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segnext.files.image import Geometry
from napari_segnext.files.pieces import LabelPieces, dropped, expanded
from napari_segnext.files.units import millimetres

# Scales that differ less, as a share of one, are the same.
_SAME = 0.01


@dataclass(frozen=True, slots=True)
class Line:
    """Where the voxels along one axis lie, in any unit that both grids share."""

    length: int
    step: float
    first: float

    @property
    def ends(self) -> tuple[float, float]:
        """Where the first voxel begins, and the last one ends."""
        low = self.first - self.step / 2
        return low, low + self.length * self.step

    def same(self, other: Line) -> bool:
        """Tell whether each voxel lies where one of the other does."""
        near = _SAME * other.step
        apart = abs(self.step - other.step), abs(self.first - other.first)
        return self.length == other.length and apart[0] <= near and apart[1] <= near

    def holds(self, other: Line) -> bool:
        """Tell whether another lies within it, but for a voxel at each end."""
        slack = max(self.step, other.step)
        (low, high), (first, last) = self.ends, other.ends
        return low - slack <= first and last <= high + slack

    def nearest(self, other: Line) -> NDArray[np.int64]:
        """Return which voxel holds the middle of each of the other's; -1 for none."""
        middles = other.first + other.step * np.arange(other.length)
        place = (middles - self.ends[0]) / self.step
        at: NDArray[np.int64] = np.floor(place + 1e-6).astype(np.int64)
        at[(at < 0) | (at >= self.length)] = -1
        return at


class Placed(LabelPieces):
    """Labels on another grid: of each voxel the value of the one that it lies in.

    Parameters
    ----------
    labels
        An array, in memory or lazy.
    places
        By axis: for each voxel of the grid that of the labels, -1 outside.
    """

    def __init__(self, labels: Any, places: Sequence[NDArray[np.int64]]) -> None:
        self._labels, self._places = labels, places
        self.shape = tuple(map(len, places))
        self.dtype = np.dtype(labels.dtype)

    def __getitem__(self, part: tuple[slice, ...]) -> NDArray[Any]:
        """Return a part, given by a slice of step 1 along each axis."""
        places = [at[here] for at, here in zip(self._places, part, strict=True)]
        out = np.zeros([len(at) for at in places], self.dtype)
        inside = [np.flatnonzero(at >= 0) for at in places]
        if all(map(len, inside)):
            known = [at[here] for at, here in zip(places, inside, strict=True)]
            box = tuple(slice(int(at[0]), int(at[-1]) + 1) for at in known)
            found = np.asarray(self._labels[box])
            out[np.ix_(*inside)] = found[np.ix_(*(at - at[0] for at in known))]
        return out


def on_grid(
    labels: Any, own: Geometry, image: Geometry, sure: bool = False
) -> tuple[Any, bool]:
    """Return labels on the grid of an image.

    Parameters
    ----------
    labels
        An array, in memory or lazy.
    own, image
        Where the labels and the image lie.
    sure
        Whether both do so. Otherwise files of one shape, of which one does not say all
        of it, lie on each other.

    Returns
    -------
    The labels, which are read where they are sliced; and whether that is another grid
    than their own

    Raises
    ------
    ValueError
        Saying how the two differ.
    """
    labels, own = _with_axes_of(labels, own, image)
    _check_direction(own, image)
    unplaced = not sure and (_unplaced(own) or _unplaced(image))
    pairs = list(zip(_lines(own), _lines(image), strict=True))
    if own.shape == image.shape:
        alike = all(abs(a.step - b.step) <= _SAME * b.step for a, b in pairs)
        # TIFF, for one, has no place for where the first voxel lies.
        starts = not sure and not (any(own.translate) and any(image.translate))
        if unplaced or (alike and starts) or all(a.same(b) for a, b in pairs):
            return labels, False
        unplaced = not (sure or alike)
    if unplaced or not all(a.holds(b) or b.holds(a) for a, b in pairs):
        raise ValueError(
            f"the labels are {_told(own)}, and the image is {_told(image)}: save the "
            "labels on the image's grid"
        )
    return Placed(labels, [a.nearest(b) for a, b in pairs]), True


def _with_axes_of(labels: Any, own: Geometry, image: Geometry) -> tuple[Any, Geometry]:
    """Return labels with as many axes as an image, if some are one voxel long."""
    while own.shape[:1] == (1,) and len(own.shape) > len(image.shape):
        labels = dropped(labels, 0)
        own = own.transposed(range(1, len(own.shape)))
    if len(own.shape) == len(image.shape) - 1 and image.shape[0] == 1:
        labels, own = expanded(labels, 0), own.expanded(0, image.axis_labels[0])
    if len(own.shape) != len(image.shape):
        raise ValueError(
            f"the labels have {len(own.shape)} axes, {_sides(own)}, and the image "
            f"{len(image.shape)}, {_sides(image)}: save labels of the same axes"
        )
    return labels, own


def _check_direction(own: Geometry, image: Geometry) -> None:
    if own.direction is None or image.direction is None:
        return
    if not np.allclose(own.direction, image.direction, atol=_SAME):
        raise ValueError(
            "the labels are turned against the image, by the directions in their "
            "headers: save them with the image's affine"
        )


def _unplaced(geometry: Geometry) -> bool:
    """Tell whether nothing says where an image lies."""
    return geometry == Geometry.plain(geometry.shape, geometry.axis_labels)


def _lines(geometry: Geometry) -> list[Line]:
    """Return where voxels lie along each axis, in millimetres if that is known."""
    factors = map(millimetres, geometry.units)
    places = zip(geometry.shape, geometry.scale, geometry.translate, strict=True)
    return [
        Line(length, step * factor, first * factor)
        for (length, step, first), factor in zip(places, factors, strict=True)
    ]


def _sides(geometry: Geometry) -> str:
    return " x ".join(map(str, geometry.shape))


def _told(geometry: Geometry) -> str:
    """Say how large an image is and where it lies."""
    steps = " x ".join(f"{step:.4g}" for step in geometry.scale)
    start = ", ".join(f"{at:.4g}" for at in geometry.translate)
    unit = geometry.units[-1]
    return f"{_sides(geometry)} voxels of {steps} {unit} from ({start})"
