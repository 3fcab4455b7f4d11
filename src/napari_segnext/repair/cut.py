"""Splitting an object in two, along a line or between two marks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.draw import line
from skimage.segmentation import watershed

from napari_segnext.geometry.frame import BoolArray, Point
from napari_segnext.geometry.resample import FloatArray
from napari_segnext.geometry.shapes import around, depth
from napari_segnext.repair.box import ObjectBox
from napari_segnext.repair.progress import Tell, part_of, silent

# What lies on which side, 0 for neither.
Marks: TypeAlias = NDArray[np.uint8]

# Of what touches a line, a corner included.
_AROUND = np.ones((3, 3), bool)
# Voxels from which on some are taken together first.
_MANY = 1 << 21


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


def half(
    box: ObjectBox, first: BoolArray, second: BoolArray, tell: Tell = silent
) -> BoolArray:
    """Return the half of an object that belongs to the second of two marks.

    The watershed runs where slices show it narrow, and where the model is less sure of
    it; how far apart slices lie does not count, as that is often not known. Parts that
    neither mark reaches stay with the first.

    Parameters
    ----------
    first, second
        (n, h, w) marks.
    """
    height = _height(box, part_of(tell, 0, 0.5))
    marks = np.zeros(box.mask.shape, np.uint8)
    marks[second], marks[first] = 2, 1
    # A mark near the border does not lift the water over what is between the two.
    height[marks > 0] = height.min()
    its: BoolArray = _flooded(height, marks, box.mask) == 2
    return its


def _height(box: ObjectBox, tell: Tell) -> FloatArray:
    """Return how high the object lies for a watershed: (n, h, w), low in its middle."""
    height = np.zeros(box.mask.shape, np.float32)
    pages = zip(box.along(height), box.along(box.mask), strict=True)
    for at, (page, mask) in enumerate(pages):
        tell(at / box.mask.shape[box.axis])
        if not mask.any():
            continue
        part = around(mask, 1)
        page[part] = -depth(mask[part])
        probability = box.said(at)
        if probability is not None:
            page *= probability
    return height


def _flooded(height: FloatArray, marks: Marks, mask: BoolArray) -> Marks:
    """Return the mark, 1 or 2, from which water comes to each voxel of a mask; or 0.

    Where there are many, they are taken together by twos along each axis first, and
    looked at one by one only near the place where the waters meet.
    """
    coarse = _by_twos(marks, np.maximum)
    if mask.size <= _MANY or not {1, 2} <= {*np.unique(coarse)}:
        found: Marks = watershed(height, marks.astype(np.int32), mask=mask)
        return found.astype(np.uint8)
    low, some = _by_twos(height, np.minimum), _by_twos(mask, np.maximum)
    coarse = _flooded(low, coarse, some)
    known = _one_by_one(coarse, mask.shape)
    near = _one_by_one(_near_meeting(coarse).view(np.uint8), mask.shape) > 0
    near |= (marks > 0) & (marks != known)
    known *= mask
    # Around it one voxel more, from which the water comes.
    beside = ndimage.maximum_filter(near, 3) & mask
    for part in ndimage.find_objects(beside.view(np.int8)):
        own = np.where(near, marks, known)[part].astype(np.int32)
        found = watershed(height[part], own, mask=beside[part])
        known[part][near[part]] = found[near[part]]
    return known


def _by_twos(values: NDArray[Any], join: np.ufunc) -> NDArray[Any]:
    """Return what voxels have that are taken together by twos along each axis."""
    for axis in range(values.ndim):
        along = np.moveaxis(values, axis, 0)
        first, second = along[::2].copy(), along[1::2]
        join(first[: len(second)], second, out=first[: len(second)])
        values = np.moveaxis(first, 0, axis)
    return np.ascontiguousarray(values)


def _one_by_one(together: Marks, shape: Sequence[int]) -> Marks:
    """Return of each voxel what those have that it was taken together with."""
    for axis in range(together.ndim):
        together = np.repeat(together, 2, axis)
    return together[tuple(map(slice, shape))]


def _near_meeting(found: Marks) -> BoolArray:
    """Tell which voxels lie within four of where the two marks meet."""
    first, second = (ndimage.maximum_filter(found == mark, 9) for mark in (1, 2))
    near: BoolArray = first & second
    return near
