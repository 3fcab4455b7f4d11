"""Splitting an object in two, along a line or between two marks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy import ndimage
from skimage.draw import line
from skimage.segmentation import watershed

from napari_segnext.geometry.frame import BoolArray, Point
from napari_segnext.geometry.shapes import signed_distance
from napari_segnext.repair.box import ObjectBox

# Of what touches a line, a corner included.
_AROUND = np.ones((3, 3), bool)


def drawn(path: Sequence[Point], shape: tuple[int, int]) -> BoolArray:
    """Return the pixels of a path of (y, x), (H, W); those outside are left out."""
    pixels = np.zeros(shape, bool)
    corners = np.round(np.asarray(path, float)).astype(int)
    for start, end in pairwise([*corners, corners[-1]]):
        rows, columns = line(*start, *end)
        inside = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
        pixels[rows[inside], columns[inside]] = True
    return pixels


def sides(section: BoolArray, across: BoolArray) -> list[BoolArray]:
    """Return the two sides of a section that a line divides; none if it does not.

    The larger part that the line touches is one side, all others are the other.

    Parameters
    ----------
    section, across
        (H, W), of the object and of the line.
    """
    parts, _ = ndimage.label(section & ~across)
    beside = ndimage.binary_dilation(across & section, _AROUND)
    touched = np.unique(parts[beside & (parts > 0)])
    if len(touched) < 2:
        return []
    largest = touched[np.bincount(parts.ravel())[touched].argmax()]
    return [parts == largest, np.isin(parts, touched[touched != largest])]


def half(box: ObjectBox, first: BoolArray, second: BoolArray) -> BoolArray:
    """Return the half of an object that belongs to the second of two marks.

    The watershed runs where slices show it narrow, and where the model is less sure of
    it; how far apart slices lie does not count, as that is often not known. Parts that
    neither mark reaches stay with the first.

    Parameters
    ----------
    first, second
        (n, h, w) marks.
    """
    height = np.zeros(box.mask.shape)
    for page, mask in zip(box.along(height), box.along(box.mask), strict=True):
        page[...] = -signed_distance(mask) if mask.any() else 0
    height *= np.nan_to_num(box.probability, nan=1.0)
    marks = np.zeros(box.mask.shape, np.int32)
    marks[second], marks[first] = 2, 1
    # A mark near the border does not lift the water over what is between the two.
    height[marks > 0] = height.min()
    found: BoolArray = watershed(height, marks, mask=box.mask) == 2
    return found
