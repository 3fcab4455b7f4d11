"""What is done to the shape of an object: holes, parts, borders.

Each takes the box of an object and returns its shape after that, (n, h, w) bool, which
may reach into what is not free.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segnext.geometry.frame import BoolArray
from napari_segnext.geometry.resample import FloatArray
from napari_segnext.geometry.shapes import pieces
from napari_segnext.repair.box import ObjectBox
from napari_segnext.repair.distance import Depth, distance_to
from napari_segnext.repair.progress import Tell, part_of, silent

# A part is a speck that is smaller than this share of the largest.
_SPECK = 0.05
# Pixels over which a border is smoothed.
_SMOOTH = 1.5
# Around an object, for its border to be smoothed there.
SMOOTH_MARGIN = 5


def filled(box: ObjectBox, tell: Tell = silent) -> BoolArray:
    """Return an object without holes, as they are seen in slices."""
    shape = box.mask.copy()
    pages = box.along(shape)
    for at, page in enumerate(pages):
        tell(at / len(pages))
        page[...] = ndimage.binary_fill_holes(page)
    return shape


def without_specks(box: ObjectBox) -> BoolArray:
    """Return an object without parts that are small beside its largest."""
    parts, sizes = _parts(box.mask)
    kept = sizes >= _SPECK * sizes.max()
    return _chosen(parts, kept)


def one_part(box: ObjectBox, marks: BoolArray) -> BoolArray:
    """Return the parts of an object that are marked, or the largest if none is."""
    parts, sizes = _parts(box.mask)
    marked = np.unique(parts[marks & box.mask])
    kept = np.zeros(len(sizes), bool)
    kept[marked if len(marked) else sizes.argmax()] = True
    return _chosen(parts, kept)


def smoothed(box: ObjectBox) -> BoolArray:
    """Return an object with a smoother border, and as large as it was."""
    sigma = [_SMOOTH / step for step in box.steps]
    soft = ndimage.gaussian_filter(box.mask.astype(np.float32), sigma, mode="nearest")
    last = soft.size - np.count_nonzero(box.mask)
    shape: BoolArray = soft >= np.partition(soft.ravel(), last)[last]
    return shape


def grown(box: ObjectBox, by: int, tell: Tell = silent) -> BoolArray:
    """Return an object with its border moved.

    Where the model has said how probable each pixel is, as many come or go as by
    distance, the most probable first or last.

    Parameters
    ----------
    by
        How far, in pixels; negative inwards. The box has a margin of twice as many.
    """
    others, reach = box.mask if by > 0 else ~box.mask, 2 * abs(by) + 1
    # The border runs between voxels.
    away = distance_to(others, box.steps, reach, part_of(tell, 0, 0.8)) - 0.5
    shape = box.mask | (box.free & (away < by)) if by > 0 else box.mask & (away > -by)
    depth = Depth(box.mask, box.steps, 4 * reach)
    arrays = shape, box.mask, box.free, away
    for at, (page, mask, free, far) in enumerate(
        zip(*map(box.along, arrays), strict=True)
    ):
        tell(0.8 + 0.2 * at / shape.shape[box.axis])
        probability = box.said(at)
        if probability is None or not mask.any():
            continue
        # What is in stays in where it grows, and where it shrinks nothing else comes.
        near = free & ~mask & (far < 2 * by) if by > 0 else mask
        count = int(np.count_nonzero(page & ~mask if by > 0 else page))
        places = np.insert(np.argwhere(near), box.axis, at, 1)
        deep = -far[near] if by > 0 else far[near]
        page[near] = _likeliest(probability[near], deep, count, places, depth)
    return shape


def _likeliest(
    likely: FloatArray,
    deep: FloatArray,
    count: int,
    places: NDArray[np.intp],
    depth: Depth,
) -> BoolArray:
    """Return which are the likeliest, and of those as likely the deepest: (N,).

    Parameters
    ----------
    deep
        How far inside; infinite where that is not known yet.
    places
        (N, 3), where they are.
    """
    if not count:
        return np.zeros(len(likely), bool)
    least = np.partition(likely, len(likely) - count)[len(likely) - count]
    chosen: BoolArray = likely > least
    tied = np.flatnonzero(likely == least)
    left_out = len(tied) - count + np.count_nonzero(chosen)
    inside = deep[tied]
    if np.count_nonzero(np.isfinite(inside)) < left_out:
        unknown = np.isinf(inside)
        inside[unknown] = depth.at(places[tied[unknown]]) - 0.5
    order = np.argsort(inside, kind="stable")
    chosen[tied[order[left_out:]]] = True
    return chosen


def _parts(mask: BoolArray) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return the parts of a mask, numbered from 1, and the size of each; of 0: none."""
    parts, _ = pieces(mask)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return parts, sizes


def _chosen(parts: NDArray[np.int32], kept: BoolArray) -> BoolArray:
    shape: BoolArray = kept[parts]
    return shape & (parts > 0)
