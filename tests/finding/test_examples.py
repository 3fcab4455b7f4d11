from __future__ import annotations

import numpy as np
import pytest

from napari_segnext.finding import Example
from napari_segnext.finding.examples import sizes
from napari_segnext.finding.views import depths, view_of
from napari_segnext.geometry.frame import Frame, Region
from napari_segnext.geometry.plane import Plane
from napari_segnext.geometry.regions import Extent


def page() -> np.ndarray:
    """Return labels of a square, and of two bars that share a value."""
    labels = np.zeros((40, 60), np.int64)
    labels[4:12, 4:12] = 70_000
    labels[20:30, 10:14] = labels[20:30, 40:44] = 3
    return labels


def test_pieces_of_a_value_are_objects() -> None:
    example = Example.of_labels(Plane(), page())
    assert sorted(int(r.pixels.sum()) for r in example.objects) == [40, 40, 64]
    np.testing.assert_allclose(sizes([example]), [40**0.5, 40**0.5, 8])
    inside = example.drawn(Extent(0, 0, 40, 60))
    np.testing.assert_array_equal(inside > 0, page() > 0)
    assert len(np.unique(inside)) == 4


def test_nothing_is_excluded_but_what_is_said_to_be() -> None:
    whole = Extent(0, 0, 40, 60)
    assert not Example.of_labels(Plane(), page()).excluded(whole).any()
    complete = Example.of_labels(Plane(), page(), complete=True)
    np.testing.assert_array_equal(complete.excluded(whole), page() == 0)
    other = Region((0, 30), np.ones((5, 5), bool))
    rejected = Example(Plane(), others=(other,))
    assert rejected.excluded(whole).sum() == 25
    assert rejected.excluded(Extent(3, 32, 40, 60)).sum() == 6


def test_an_example_without_an_object_is_refused() -> None:
    with pytest.raises(ValueError, match="accept one first"):
        sizes([Example(Plane(), complete=(Extent(0, 0, 9, 9),))])


def test_depth_is_told_apart_where_objects_touch_and_has_no_edge_at_the_frame() -> None:
    labels = np.zeros((20, 20), np.int32)
    labels[:, :10], labels[:, 10:] = 1, 2
    depth = depths(labels)
    np.testing.assert_array_equal(depth[5], [*range(10, 0, -1), *range(1, 11)])


def test_unknown_pixels_count_little_and_the_ring_around_an_object_much() -> None:
    frame = Frame(0, 0, 40, 60, 60, "pad")
    pixels = np.zeros((60, 60, 3), np.float32)
    view = view_of(pixels, Example.of_labels(Plane(), page()), frame)
    targets, weights = view.targets, view.weights
    np.testing.assert_array_equal(targets[0, :40] > 0, page() > 0)
    assert not weights[40:].any()
    away, beside, inside = weights[2, 55], weights[8, 16], weights[8, 8]
    assert 0 < away < beside < inside
    complete = Example.of_labels(Plane(), page(), complete=True)
    assert view_of(pixels, complete, frame).weights[2, 55] == beside
    # Of three objects the second halves the plane.
    assert not view.beyond[:, :12].any() and view.beyond[:40, 12:].all()
