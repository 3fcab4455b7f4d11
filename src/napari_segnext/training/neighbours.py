"""An object in neighbouring planes: what belongs to it, and how it differs."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_segnext.geometry.frame import BoolArray
from napari_segnext.propagation.shapes import signed_distance, touching
from napari_segnext.training.generated.noise import smooth_noise

# Model pixels within which a part that nothing overlaps is still the object's.
_REACH = 6
# How far an object moves, how far its border bends, and how much it grows from plane
# to plane: standard deviations, as shares of its radius.
_MOVED, _BENT, _GROWN = 0.25, 0.2, 0.15
# Chance that a neighbour is split, and the width of the split in radii.
_SPLIT, _SPLIT_WIDTH = 0.1, 0.3
_CONNECTED = np.ones((3, 3), bool)


def followed(
    neighbour: BoolArray, mask: BoolArray
) -> tuple[BoolArray, BoolArray] | None:
    """Return the largest piece of an object in a neighbouring plane, and its goal here.

    Parameters
    ----------
    neighbour, mask
        (S, S): all of the object in the neighbouring plane, not empty, and here.

    Returns
    -------
    The piece and the parts of the mask that go on from it, none if the object has
    ended; or None if no part is near although the object is there.
    """
    labels, count = ndimage.label(neighbour, _CONNECTED)
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    piece = labels == 1 + int(areas[1:].argmax())
    goal = touching(mask, piece)
    if mask.any() and not goal.any():
        near = ndimage.binary_dilation(piece, _CONNECTED, iterations=_REACH)
        goal = touching(mask, near)
        if not goal.any():
            return None
    return piece, goal


def deformed(mask: BoolArray, rng: np.random.Generator) -> BoolArray:
    """Draw what a neighbouring plane might show of an object.

    It is moved, bent, grown or shrunk, and now and then split.

    Parameters
    ----------
    mask
        (S, S), not empty.

    Returns
    -------
    (S, S) bool, not empty
    """
    radius = float(np.sqrt(np.count_nonzero(mask) / np.pi))
    feature = max(4.0, 1.5 * radius)
    bend = [smooth_noise(rng, mask.shape, (feature, feature)) for _ in mask.shape]
    move = rng.normal(0, _MOVED, 2) + _BENT * np.stack(bend, -1)
    place = np.moveaxis(np.indices(mask.shape), 0, -1) + radius * move
    distance = ndimage.map_coordinates(
        signed_distance(mask), np.moveaxis(place, -1, 0), order=1, mode="nearest"
    )
    distance += radius * rng.normal(0, _GROWN)
    if rng.random() < _SPLIT:
        angle = rng.uniform(0, np.pi)
        centre = ndimage.center_of_mass(distance > 0) if (distance > 0).any() else 0
        across = (np.moveaxis(np.indices(mask.shape), 0, -1) - centre) @ (
            np.cos(angle),
            np.sin(angle),
        )
        distance = np.minimum(distance, np.abs(across) - _SPLIT_WIDTH * radius / 2)
    found = np.asarray(distance > 0, bool)
    return found if found.any() else mask
