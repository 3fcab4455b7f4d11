"""ROIs of ImageJ, read back by a library that is not ours."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import roifile
from tests.outlines import filled

from napari_segnext.files import Geometry, check_writable, write_labels
from napari_segnext.files.categories import Category, Named

LABELS = np.random.default_rng(3).integers(0, 4, (3, 9, 7)).astype(np.uint16)
LABELS[1] = 0
LABELS[2] = 3
LEGEND = {1: Named("left", Category(7, "cell")), 2: Named("a/b"), 3: Named("left")}


def rois(tmp_path, labels=LABELS, axes=("z", "y", "x"), legend=None):
    path = tmp_path / "scan_rois.zip"
    with warnings.catch_warnings():
        # As of two entries of one name.
        warnings.simplefilter("error")
        write_labels(path, labels, Geometry.plain(labels.shape, axes), legend)
    found = roifile.roiread(path)
    return found if isinstance(found, list) else [found]


def mask(roi, shape) -> np.ndarray:
    return filled(roi.coordinates(multi=True), shape)


def test_filling_gives_back_every_object_in_every_plane(tmp_path):
    again = np.zeros_like(LABELS)
    for roi in rois(tmp_path):
        value = int(roi.name.removeprefix("Object ").partition("_")[0])
        again[roi.position - 1][mask(roi, LABELS.shape[1:])] = value
    np.testing.assert_array_equal(again, LABELS)


def test_one_piece_is_a_traced_outline_and_others_are_composites(tmp_path):
    labels = np.zeros((20, 30), np.uint8)
    labels[2:5, 3:9], labels[8:18, 8:18], labels[10, 10] = 1, 2, 0
    one, other = rois(tmp_path, labels, ("y", "x"))
    assert one.roitype == roifile.ROI_TYPE.TRACED and not one.composite
    assert (one.left, one.top, one.right, one.bottom) == (3, 2, 9, 5)
    assert sorted(one.coordinates().tolist()) == [[3, 2], [3, 5], [9, 2], [9, 5]]
    assert other.composite
    np.testing.assert_array_equal(mask(other, labels.shape), labels == 2)
    assert one.position == one.z_position == one.t_position == 0


def test_names_differ_and_the_group_is_the_class(tmp_path):
    found = rois(tmp_path, legend=LEGEND)
    names = {roi.name: roi.group for roi in found}
    assert names == {
        "left_z0000": 7,
        "a_b_z0000": 0,
        "left_z0000-2": 0,
        "left_z0002": 0,
    }


def test_planes_of_a_stack_in_time_have_both_places(tmp_path):
    found = rois(tmp_path, LABELS[None], ("t", "z", "y", "x"))
    places = {(roi.position, roi.t_position, roi.z_position) for roi in found}
    assert places == {(0, 1, 1), (0, 1, 3)}


def test_coordinates_beyond_half_of_the_formats_range_come_back(tmp_path):
    labels = np.zeros((3, 50_000), np.uint8)
    labels[1, 40_000:49_000], labels[0, 7] = 1, 2
    for roi in rois(tmp_path, labels, ("y", "x")):
        value = int(roi.name[-1])
        np.testing.assert_array_equal(mask(roi, labels.shape), labels == value)


def test_a_larger_image_is_refused_before_anything_is_written(tmp_path):
    geometry = Geometry.plain((9, 70_000), ("y", "x"))
    with pytest.raises(ValueError, match=r"up to 60,000 pixels.*\.geojson"):
        check_writable(tmp_path / "a.zip", geometry)
    check_writable(tmp_path / "a.geojson", geometry)
