"""Slices between those that are decided."""

import numpy as np
from scipy import ndimage

from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent
from napari_segnext.geometry.shapes import guide
from napari_segnext.repair.between import interpolated
from napari_segnext.session import ArrayLabels

SHAPE = (9, 50, 60)


def test_a_cone_that_moves_is_found_from_its_ends():
    labels = np.zeros(SHAPE, np.uint8)
    rows, columns = np.indices(SHAPE[1:])
    for at in range(9):
        disk = np.hypot(rows - 20 - at, columns - 20 - 2 * at) < 12 - at / 2
        labels[at][disk] = 1
    known = np.zeros_like(labels)
    known[[0, 8]] = labels[[0, 8]]
    planes = [Plane(0, 0), Plane(0, 8)]
    found = dict(interpolated(ArrayLabels(known), 1, planes, Extent(0, 0, *SHAPE[1:])))
    assert [*found] == [Plane(0, at) for at in range(1, 8)]
    for plane, kept in found.items():
        mask, right = kept.patch.mask(), labels[plane.index] == 1
        assert np.count_nonzero(mask & right) / np.count_nonzero(mask | right) > 0.85


def test_nothing_is_expected_beside_a_slice_without_the_object():
    labels = np.zeros(SHAPE, np.uint8)
    labels[[0, 6], 10:20, 10:20] = 1
    planes = [Plane(0, at) for at in (0, 3, 6, 7)]
    extent = Extent(10, 10, 20, 20)
    assert not [*interpolated(ArrayLabels(labels), 1, planes, extent)]


def test_each_slice_is_that_of_its_place_alone():
    rng = np.random.default_rng(0)
    soft = ndimage.gaussian_filter(rng.normal(size=SHAPE), (0, 4, 4))
    labels = (soft > np.quantile(soft, 0.7)).astype(np.uint8)
    planes, whole = [Plane(0, 1), Plane(0, 4), Plane(0, 8)], Extent(0, 0, *SHAPE[1:])
    found = dict(interpolated(ArrayLabels(labels), 1, planes, whole))
    assert [plane.index for plane in found] == [2, 3, 5, 6, 7]
    for plane, kept in found.items():
        low, high = (1, 4) if plane.index < 4 else (4, 8)
        weight = (plane.index - low) / (high - low)
        expected = guide(labels[low] == 1, labels[high] == 1, weight)
        np.testing.assert_array_equal(kept.patch.mask(), expected > 0.5)
