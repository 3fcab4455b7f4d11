"""Maps cut into bodies, each of which may be an object."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage
from skimage.measure import regionprops
from skimage.morphology import reconstruction
from skimage.segmentation import watershed

from napari_segnext.finding.head import BORDER, DEPTH, INSIDE
from napari_segnext.finding.maps import Maps
from napari_segnext.geometry.frame import BoolArray, Region
from napari_segnext.geometry.resample import FloatArray
from napari_segnext.geometry.shapes import pieces

# What is inside of an object, and how much higher a centre lies than the way to the
# next one.
_INSIDE, _HEIGHT = 0.4, 0.1
# Standard deviation in model pixels by which depths are smoothed.
_SMOOTH = 0.7
# The surroundings of a body begin and end so many model pixels outside of it.
_NEAR, _FAR = 1, 3
# Of the smallest known object's area, what a body has at least.
_SMALLEST = 0.4


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """A part of a plane that a head takes for an object.

    Attributes
    ----------
    region
        Its pixels in the image.
    inside
        0 to 1: mean probability that they are in an object.
    contrast
        How much higher that is than around it.
    solidity
        0 to 1: its share of its convex hull.
    """

    region: Region
    inside: float
    contrast: float
    solidity: float


def bodies(maps: Maps, shape: tuple[int, int], smallest: float) -> Iterator[Body]:
    """Cut maps into bodies by a watershed between the deepest places.

    Parameters
    ----------
    shape
        (H, W) of the plane.
    smallest
        Square root of the area of the smallest known object, in image pixels.

    Yields
    ------
    Those whose centre lies in the core of the maps, one by one
    """
    inside = maps.told[INSIDE]
    height = (inside + maps.told[DEPTH] - maps.told[BORDER]) / 2
    height = ndimage.gaussian_filter(height, _SMOOTH)
    peaks = height - reconstruction(height - _HEIGHT, height) > 1e-6
    seeds, _ = pieces(peaks & (inside > _INSIDE))
    cut = watershed(-height, seeds, mask=inside > _INSIDE)
    least = _SMALLEST * (smallest * maps.scale) ** 2
    for each in regionprops(cut):
        row, column = each.centroid
        row, column = row + maps.top, column + maps.left
        core = maps.core
        in_core = core.top <= row < core.bottom and core.left <= column < core.right
        if each.area >= least and in_core:
            body = _body(each, maps, inside, shape)
            if body.region.pixels.size:
                yield body


def _body(each: Any, maps: Maps, inside: FloatArray, shape: tuple[int, int]) -> Body:
    """Describe a body, from its properties as scikit-image measures them."""
    top, left, bottom, right = each.bbox
    grown = (
        slice(max(0, top - _FAR), bottom + _FAR),
        slice(max(0, left - _FAR), right + _FAR),
    )
    padded = np.zeros(inside[grown].shape, bool)
    at = top - grown[0].start, left - grown[1].start
    padded[at[0] : at[0] + bottom - top, at[1] : at[1] + right - left] = each.image
    away = ndimage.distance_transform_edt(~padded)
    around = (away > _NEAR) & (away <= _FAR)
    own = float(inside[grown][padded].mean())
    outside = float(inside[grown][around].mean()) if around.any() else 0.0
    region = _enlarged(each.image, (maps.top + top, maps.left + left), maps, shape)
    return Body(region, own, own - outside, float(each.solidity))


def _enlarged(
    mask: BoolArray, at: tuple[int, int], maps: Maps, shape: tuple[int, int]
) -> Region:
    """Return the pixels of the image that pixels of a level stand for."""
    ranges = []
    for first, length, limit in zip(at, mask.shape, shape, strict=True):
        start = int(np.floor(first / maps.scale))
        stop = min(int(np.ceil((first + length) / maps.scale)), limit)
        rows = ((np.arange(start, stop) + 0.5) * maps.scale).astype(int) - first
        keep = (rows >= 0) & (rows < length)
        ranges.append((start + int(keep.argmax()), rows[keep]))
    (top, rows), (left, columns) = ranges
    return Region.of(mask[np.ix_(rows, columns)], (top, left))
