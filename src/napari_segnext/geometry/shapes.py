"""Shapes in neighbouring planes: distances, shapes in between, clicks that say them.

Numpy and scipy only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segnext.geometry.frame import BoolArray, Point
from napari_segnext.geometry.resample import FloatArray

# A guide falls to a quarter so many pixels outside its shape, and ends at the margin.
_SOFT = 2.0
_MARGIN = 16
# Clicks for one shape at most; all but the first lie at least so deep inside, as a
# share of the deepest place, and so far from the others, in multiples of its depth.
_CLICKS = 6
_DEEP = 0.4
_APART = 3.0


def signed_distance(mask: BoolArray, steps: Sequence[float] = ()) -> FloatArray:
    """Return the distance to a mask's border: positive inside, negative outside.

    The border runs between pixels, so no value lies within half a pixel of 0. The
    frame of the array is no border.

    Parameters
    ----------
    steps
        From pixel to pixel along each axis; default: 1.

    Raises
    ------
    ValueError
        If the mask is empty: there is no border then.
    """
    if not mask.any():
        raise ValueError("an empty mask has no border")
    if mask.all():
        return depth(mask)
    inside = ndimage.distance_transform_edt(mask, steps or None)
    outside = ndimage.distance_transform_edt(~mask, steps or None)
    return np.asarray(inside - outside - np.where(mask, 0.5, -0.5), np.float32)


def depth(mask: BoolArray) -> FloatArray:
    """Return the distance to a mask's border inside of it, and 0 outside.

    It is what `signed_distance` tells of the inside.
    """
    if mask.all():
        return np.full(mask.shape, max(mask.shape), np.float32)
    inside = ndimage.distance_transform_edt(mask)
    return np.asarray(np.maximum(inside - 0.5, 0), np.float32)


def between(
    first: BoolArray, second: BoolArray, weights: Iterable[float]
) -> Iterator[FloatArray]:
    """Yield the signed distances of shapes between two others.

    Distances are averaged (Raya and Udupa, "Shape-based interpolation of
    multidimensional objects", 1990) after both shapes were moved to the place in
    between, so that an object which moves on does not vanish on its way. The shape
    in between is never empty.

    Parameters
    ----------
    first, second
        (H, W), neither empty.
    weights
        0 gives the first shape, 1 the second.

    Yields
    ------
    (H, W) float32, positive inside
    """
    centres = [np.array(ndimage.center_of_mass(mask)) for mask in (first, second)]
    distances = [signed_distance(mask) for mask in (first, second)]
    for weight in weights:
        place = (1 - weight) * centres[0] + weight * centres[1]
        moved = [
            ndimage.shift(each, place - centre, order=1, mode="nearest")
            for each, centre in zip(distances, centres, strict=True)
        ]
        distance = (1 - weight) * moved[0] + weight * moved[1]
        # Two thin shapes that cross have no pixel in common: keep the likeliest ones.
        yield np.asarray(distance - min(distance.max() - 0.5, 0), np.float32)


def guide(
    shape: BoolArray, other: BoolArray | None = None, weight: float = 0.0
) -> FloatArray:
    """Return where an object is expected, from where it is in other planes.

    Parameters
    ----------
    shape
        (H, W), not empty.
    other
        A second shape: the object is expected `weight` of the way to it.

    Returns
    -------
    (H, W) float32: a probability that is one half at the border of the expected
    shape and falls softly, because the border is not expected to the pixel
    """
    if other is not None:
        return next(guides(shape, other, [weight]))
    crop = around(shape, _MARGIN)
    return _softly(signed_distance(shape[crop]), shape.shape, crop)


def guides(
    shape: BoolArray, other: BoolArray, weights: Iterable[float]
) -> Iterator[FloatArray]:
    """Yield where an object is expected between two planes, as `guide`."""
    crop = around(shape | other, _MARGIN)
    for distance in between(shape[crop], other[crop], weights):
        yield _softly(distance, shape.shape, crop)


def _softly(
    distance: FloatArray, shape: tuple[int, ...], crop: tuple[slice, slice]
) -> FloatArray:
    """Return the probability of a signed distance that is known in part of a plane."""
    expected = np.zeros(shape, np.float32)
    expected[crop] = 1 / (1 + np.exp(-np.clip(distance / _SOFT, -30, 30)))
    return expected


def around(mask: BoolArray, margin: int) -> tuple[slice, slice]:
    """Return the rows and columns of a mask that is not empty, and a margin."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return (
        slice(max(int(rows[0]) - margin, 0), int(rows[-1]) + 1 + margin),
        slice(max(int(columns[0]) - margin, 0), int(columns[-1]) + 1 + margin),
    )


def overlap(first: BoolArray, second: BoolArray) -> float:
    """Return intersection over union; 1 if both are empty."""
    union = np.count_nonzero(first | second)
    return float(np.count_nonzero(first & second) / union) if union else 1.0


def inner_clicks(mask: BoolArray) -> list[Point]:
    """Return a few points deep inside a mask, spread over its parts.

    The first is the pixel farthest from the border of the largest part.

    Returns
    -------
    (y, x) of pixels; none for an empty mask
    """
    parts, _ = pieces(mask)
    boxes = ndimage.find_objects(parts)
    areas = np.bincount(parts.ravel())[1:]
    points: list[Point] = []
    for number in np.argsort(-areas, kind="stable")[:_CLICKS]:
        rows, columns = boxes[number]
        part = parts[rows, columns] == number + 1
        for y, x in _spread(part, _CLICKS - len(points)):
            points.append((float(rows.start + y), float(columns.start + x)))
    return points


def pieces(mask: BoolArray) -> tuple[NDArray[np.int32], int]:
    """Return the pieces of a mask, numbered from 1, and how many there are.

    Pixels that touch at a corner belong together, as in thin, oblique objects.

    Parameters
    ----------
    mask
        Of any number of axes.
    """
    numbered, count = ndimage.label(mask, np.ones((3,) * mask.ndim, bool))
    return numbered, int(count)


def touching(mask: BoolArray, other: BoolArray) -> BoolArray:
    """Return the parts of a mask that overlap another."""
    parts, count = pieces(mask)
    kept = np.zeros(count + 1, bool)
    kept[parts[other]] = True
    kept[0] = False
    chosen: NDArray[np.bool_] = kept[parts]
    return chosen


def _spread(part: BoolArray, most: int) -> list[tuple[int, int]]:
    """Return points far from a part's border and from each other, deepest first."""
    depth = ndimage.distance_transform_edt(np.pad(part, 1))[1:-1, 1:-1]
    deepest = depth.max()
    rows, columns = np.indices(part.shape)
    free = depth >= _DEEP * deepest
    points: list[tuple[int, int]] = []
    while len(points) < most and free.any():
        y, x = np.unravel_index(int(np.where(free, depth, 0).argmax()), part.shape)
        points.append((int(y), int(x)))
        free &= np.hypot(rows - y, columns - x) > _APART * deepest
    return points
