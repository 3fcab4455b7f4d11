"""Shapes between planes, and the clicks that stand for a shape."""

from __future__ import annotations

import numpy as np
import pytest

from napari_segnext.geometry.shapes import (
    between,
    guide,
    inner_clicks,
    overlap,
    signed_distance,
    touching,
)


def disk(y: float, x: float, radius: float, shape=(60, 80)) -> np.ndarray:
    rows, columns = np.indices(shape)
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


def test_the_border_runs_between_pixels() -> None:
    mask = np.zeros((1, 7), bool)
    mask[0, 2:5] = True
    expected = [-1.5, -0.5, 0.5, 1.5, 0.5, -0.5, -1.5]
    assert signed_distance(mask)[0].tolist() == expected


def test_the_frame_of_the_image_is_no_border() -> None:
    mask = np.zeros((5, 5), bool)
    mask[:, :3] = True
    assert signed_distance(mask)[:, 0].tolist() == [2.5] * 5
    assert (signed_distance(np.ones((5, 5), bool)) > 0).all()
    with pytest.raises(ValueError, match="empty"):
        signed_distance(np.zeros((5, 5), bool))


@pytest.mark.parametrize("weight", [0.0, 0.25, 0.5, 1.0])
def test_a_disk_between_two_has_a_size_and_a_place_between(weight: float) -> None:
    shape = next(between(disk(20, 20, 6), disk(40, 60, 14), [weight])) > 0
    expected = disk(20 + 20 * weight, 20 + 40 * weight, 6 + 8 * weight)
    assert overlap(shape, expected) > 0.9


def test_an_edge_that_stays_is_where_it_was() -> None:
    first, second = np.zeros((2, 40, 80), bool)
    first[10:30, 10:30] = second[10:30, 10:60] = True
    shape = next(between(first, second, [0.5])) > 0
    columns = np.flatnonzero(shape[20])
    assert columns[0] == 10
    assert columns[-1] in (43, 44, 45)


def test_one_part_becomes_two() -> None:
    two = disk(30, 20, 8) | disk(30, 60, 8)
    shape = next(between(disk(30, 40, 30), two, [1.0])) > 0
    assert overlap(shape, two) > 0.9


def test_crossing_lines_do_not_vanish_half_way() -> None:
    first, second = np.zeros((2, 40, 40), bool)
    first[20, 5:35] = second[5:35, 20] = True
    assert (next(between(first, second, [0.5])) > 0)[20, 20]


def test_a_guide_is_soft_at_the_border_and_the_shape_inside() -> None:
    mask = disk(30, 40, 10)
    expected = guide(mask)
    assert expected.dtype == np.float32
    assert np.array_equal(expected > 0.5, mask)
    assert expected[30, 40] > 0.98
    assert 0.5 < expected[30, 49] < 0.7
    assert expected[30, 70] == 0


@pytest.mark.parametrize("at", [(0, 0), (59, 79)])
def test_a_guide_reaches_the_corner_of_the_image(at: tuple[int, int]) -> None:
    mask = disk(*at, 12)
    assert np.array_equal(guide(mask) > 0.5, mask)


def test_clicks_lie_in_every_part_the_deepest_of_the_largest_first() -> None:
    mask = disk(30, 20, 5) | disk(30, 60, 12)
    points = inner_clicks(mask)
    assert points == [(30, 60), (30, 20)]


def test_a_long_part_gets_clicks_along_it() -> None:
    mask = np.zeros((60, 80), bool)
    mask[28:33, 5:75] = True
    columns = sorted(x for _, x in inner_clicks(mask))
    assert 3 <= len(columns) <= 6
    assert min(np.diff(columns)) > 6
    assert columns[-1] - columns[0] > 30


def test_many_parts_get_few_clicks() -> None:
    mask = np.zeros((60, 80), bool)
    mask[::4, ::4] = True
    mask[10:20, 10:20] = True
    points = inner_clicks(mask)
    assert len(points) == 6
    assert 10 <= points[0][0] < 20
    assert inner_clicks(np.zeros((5, 5), bool)) == []


def test_parts_that_touch_another_mask_are_kept_whole() -> None:
    mask = disk(30, 20, 5) | disk(30, 60, 12)
    kept = touching(mask, disk(30, 70, 4))
    assert np.array_equal(kept, disk(30, 60, 12))
    assert not touching(mask, np.zeros_like(mask)).any()
