"""Outlines of objects: who fills them has the pixels again."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from tests.outlines import filled

from napari_segnext.geometry.outlines import Corners, Polygon

RING = np.pad(np.zeros((3, 3), int), 1, constant_values=1)


def outlines(pixels: np.ndarray) -> dict[int, list[Polygon]]:
    return dict(Corners.of(np.pad(pixels, 1), top=0).outlines())


def rings(polygons: list[Polygon]) -> list[np.ndarray]:
    return [ring[:, ::-1] for polygon in polygons for ring in polygon]


def test_a_pixel_is_the_square_between_its_corners():
    pixels = np.zeros((3, 4), int)
    pixels[1, 2] = 9
    (polygon,) = outlines(pixels)[9]
    assert sorted(map(tuple, polygon[0].tolist())) == [(1, 2), (1, 3), (2, 2), (2, 3)]
    assert outlines(np.zeros((3, 4), int)) == {}


def test_holes_belong_to_the_piece_around_them():
    pixels = np.zeros((7, 15), int)
    pixels[1:6, 1:6] = pixels[1:6, 8:13] = RING
    pixels[3, 3] = 1
    found = outlines(pixels)[1]
    # Two frames, each with its hole, and a pixel within the first one.
    assert sorted(map(len, found)) == [1, 2, 2]
    for polygon in found:
        columns = [ring[:, 1] for ring in polygon]
        assert columns[0].min() <= columns[-1].min()
        assert columns[-1].max() <= columns[0].max()


def test_pieces_that_touch_in_a_point_are_two_and_a_hole_that_does_is_one():
    diagonal = np.eye(2, dtype=int)
    assert len(outlines(diagonal)[1]) == 2
    closed = np.pad(diagonal, 1, constant_values=1)
    (polygon,) = outlines(closed)[1]
    assert len(polygon) == 3
    assert all(len(np.unique(ring, axis=0)) == len(ring) for ring in polygon)


def noise(seed: int) -> np.ndarray:
    """Return labels of single pixels, holes and frames within frames."""
    random = np.random.default_rng(seed)
    shape, most = random.integers(1, 16, 2), int(random.integers(2, 5))
    return random.integers(0, most, shape) * random.integers(1, 3)


@pytest.mark.parametrize("seed", range(60))
def test_filling_gives_back_every_object_of_noise(seed):
    pixels = noise(seed)
    found = outlines(pixels)
    assert set(found) == set(np.unique(pixels)) - {0}
    for value, polygons in found.items():
        mask = pixels == value
        np.testing.assert_array_equal(filled(rings(polygons), mask.shape), mask)
        assert len(polygons) == ndimage.label(mask)[1]


@pytest.mark.parametrize("seed", range(60))
def test_polygons_are_valid_as_the_open_geospatial_consortium_defines_it(seed):
    shapely = pytest.importorskip("shapely")
    for value, polygons in outlines(pixels := noise(seed)).items():
        every = shapely.MultiPolygon([(outer, holes) for outer, *holes in polygons])
        assert every.is_valid, shapely.is_valid_reason(every)
        assert every.area == np.count_nonzero(pixels == value)
