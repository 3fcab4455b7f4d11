"""What is done to the shape of an object: holes, parts, borders.

Each takes the box of an object and returns its shape after that, (n, h, w) bool, which
may reach into what is not free.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segnext.geometry.frame import BoolArray
from napari_segnext.geometry.shapes import pieces, signed_distance
from napari_segnext.repair.box import ObjectBox

# A part is a speck that is smaller than this share of the largest.
_SPECK = 0.05
# Pixels over which a border is smoothed.
_SMOOTH = 1.5
# Around an object, for its border to be smoothed there.
SMOOTH_MARGIN = 5


def filled(box: ObjectBox) -> BoolArray:
    """Return an object without holes, as they are seen in slices."""
    shape = box.mask.copy()
    for page in box.along(shape):
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


def grown(box: ObjectBox, by: int) -> BoolArray:
    """Return an object whose border has moved outwards, or inwards.

    Where the model has said how probable each pixel is, as many come or go as by
    distance, the most probable first or last.

    Parameters
    ----------
    by
        How far, in pixels; negative inwards. The box has a margin of twice as many.
    """
    distance = signed_distance(box.mask, box.steps)
    open_ = box.mask | box.free
    shape = open_ & (distance > -by)
    arrays = (shape, box.mask, open_, distance, box.probability)
    for page, mask, free, away, probability in zip(
        *map(box.along, arrays), strict=True
    ):
        if np.isnan(probability).all() or not mask.any():
            continue
        near = mask | (free & (away > -2 * by))
        # What is in stays in where it grows.
        likely = np.where(mask & (by > 0), 2, probability)
        order = np.lexsort((away[near], likely[near]))
        chosen = np.zeros(len(order), bool)
        chosen[order[len(order) - np.count_nonzero(page) :]] = True
        page[near], page[~near] = chosen, False
    return shape


def _parts(mask: BoolArray) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return the parts of a mask, numbered from 1, and the size of each; of 0: none."""
    parts, _ = pieces(mask)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return parts, sizes


def _chosen(parts: NDArray[np.int32], kept: BoolArray) -> BoolArray:
    shape: BoolArray = kept[parts]
    return shape & (parts > 0)
