"""Mitochondria of a labelled volume in three dimensions, from those of a few planes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import h_maxima
from skimage.segmentation import watershed

from napari_segnext.geometry.frame import BoolArray

# Grey value below which stained organelles lie after smoothing by so many voxels, and
# the radius of what is thin enough to be membrane.
_DARK, _SMOOTH, _THIN = 101, 1.2, 4.0
# Organelles that touch are parted where the shape is narrower by so many voxels.
_NARROW = 1.5
# Voxels of an object, at least; voxels of it in planes that are labelled, at least, and
# the share of them that is a mitochondrion there.
_SMALLEST, _KNOWN, _AGREED = 3000, 50, 0.5


def dark_organelles(
    image: NDArray[np.uint8], known: BoolArray, mitochondria: BoolArray
) -> NDArray[np.uint16]:
    """Find the dark mitochondria of a FIB-SEM volume.

    What is dark and not thin is parted where it is narrow (a watershed on the distance
    to its border), and kept if most of it is a mitochondrion in the planes in which
    these are labelled. Made for FIB-25 at 10 nm, and looked at there: outlines are
    right to a pixel or two, pale mitochondria are left out.

    Parameters
    ----------
    image
        (Z, Y, X).
    known
        The same shape: the planes in which mitochondria are labelled.
    mitochondria
        The same shape: where they lie, in those planes.

    Returns
    -------
    (Z, Y, X) instances, 0 is background
    """
    dark = ndimage.gaussian_filter(image.astype(np.float32), _SMOOTH) < _DARK
    core = ndimage.distance_transform_edt(dark) > _THIN
    thick = ndimage.distance_transform_edt(~core) < _THIN
    thick = ndimage.binary_fill_holes(ndimage.binary_closing(thick, iterations=2))
    depth = ndimage.gaussian_filter(ndimage.distance_transform_edt(thick), 1.0)
    peaks, _ = ndimage.label(h_maxima(depth, _NARROW, np.ones((3, 3, 3))))
    parts = watershed(-depth, peaks, mask=thick)
    size = np.bincount(parts.ravel())
    looked = np.bincount(parts[known], minlength=len(size))
    right = np.bincount(parts[mitochondria], minlength=len(size))
    kept = (size >= _SMALLEST) & (looked > _KNOWN) & (right >= _AGREED * looked)
    kept[0] = False
    numbers = (np.cumsum(kept) * kept).astype(np.uint16)
    return np.asarray(numbers[parts])


def planes_of(
    volume: NDArray[np.uint8], pictures: list[tuple[NDArray[Any], NDArray[Any]]]
) -> tuple[BoolArray, BoolArray]:
    """Find pictures again among the planes of a volume.

    Parameters
    ----------
    pictures
        Images (H, W) and their label maps; those that are no plane of the volume
        are left out.

    Returns
    -------
    As `dark_organelles` takes them: the planes that were found, and what is labelled in
    them.
    """
    known, labelled = np.zeros(volume.shape, bool), np.zeros(volume.shape, bool)
    places = {
        np.moveaxis(volume, axis, 0)[index].tobytes(): (axis, index)
        for axis in range(3)
        for index in range(volume.shape[axis])
    }
    for image, labels in pictures:
        if (at := places.get(image.tobytes())) is not None:
            axis, index = at
            np.moveaxis(known, axis, 0)[index] = True
            np.moveaxis(labelled, axis, 0)[index] |= labels > 0
    return known, labelled
