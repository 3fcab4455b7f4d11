from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.doubles import TILED, WHOLE

from napari_segnext.predicting.tiles import Tile, TilePyramid

SHAPES = [
    (1024, 1024),
    (240, 240),
    (64, 64),
    (20, 30),
    (1, 500),
    (700, 90),
    (999, 1001),
]


def test_a_model_without_tiling_sees_the_whole_slice_in_one_tile() -> None:
    pyramid = TilePyramid((300, 420), WHOLE)
    assert pyramid.levels == 1
    frame = pyramid.frame(Tile(0, 0, 0))
    assert (frame.top, frame.left, frame.height, frame.width) == (0, 0, 300, 420)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_level_covers_the_slice_without_leaving_it(
    shape: tuple[int, int],
) -> None:
    pyramid = TilePyramid(shape, TILED)
    for level in range(pyramid.levels):
        covered = np.zeros(shape, int)
        for tile in pyramid.tiles(level):
            f = pyramid.frame(tile)
            assert f.top >= 0
            assert f.left >= 0
            assert f.top + f.height <= shape[0]
            assert f.left + f.width <= shape[1]
            covered[f.top : f.top + f.height, f.left : f.left + f.width] += 1
        assert covered.min() >= 1


@pytest.mark.parametrize("shape", SHAPES)
def test_levels_go_on_until_the_finest_scale_is_reached(
    shape: tuple[int, int],
) -> None:
    pyramid = TilePyramid(shape, TILED)
    assert TILED.tiling is not None
    finest = TILED.tiling.finest
    assert pyramid.scale(pyramid.levels - 1) >= finest * 0.999
    assert pyramid.levels == 1 or pyramid.scale(pyramid.levels - 2) < finest


def test_a_small_object_gets_a_finer_tile_than_a_large_one() -> None:
    pyramid = TilePyramid((512, 512), TILED)
    assert pyramid.levels == 4
    small = pyramid.choose((200, 200, 220, 220))
    large = pyramid.choose((160, 160, 300, 300))
    whole = pyramid.choose((0, 0, 512, 512))
    assert small.level == 3
    assert large.level == 1
    assert whole == Tile(0, 0, 0)


@pytest.mark.parametrize("corner", [(0, 0), (0, 500), (500, 0), (500, 500)])
def test_an_object_at_a_corner_still_gets_the_finest_level(
    corner: tuple[int, int],
) -> None:
    pyramid = TilePyramid((512, 512), TILED)
    y, x = corner
    tile = pyramid.choose((y, x, y + 12, x + 12))
    frame = pyramid.frame(tile)
    assert tile.level == pyramid.levels - 1
    assert frame.top <= y
    assert y + 12 <= frame.top + frame.height


def test_any_object_smaller_than_the_overlap_fits_in_a_tile_of_the_finest_level() -> (
    None
):
    pyramid = TilePyramid((512, 512), TILED)
    rng = np.random.default_rng(0)
    for _ in range(200):
        y, x = rng.integers(0, 512 - 22, 2)
        assert pyramid.choose((y, x, y + 22, x + 22)).level == pyramid.levels - 1


def test_a_first_click_is_looked_at_on_the_level_of_the_configured_scale() -> None:
    assert TILED.tiling is not None
    coarse = replace(TILED, tiling=replace(TILED.tiling, first=0.25))
    assert TilePyramid((512, 512), coarse).first_level() == 1
    assert TilePyramid((40, 40), coarse).first_level() == 0


def test_nearest_tiles_come_in_order_of_distance() -> None:
    pyramid = TilePyramid((512, 512), TILED)
    chosen = pyramid.nearest((0, 0), 2, 3)
    assert chosen[0] == Tile(2, 0, 0)
    assert len(chosen) == 3


def test_a_tile_that_does_not_exist_is_refused() -> None:
    with pytest.raises(IndexError):
        TilePyramid((64, 64), TILED).frame(Tile(0, 1, 0))


def test_large_tiles_are_read_shrunk_and_lie_on_the_pixels_of_that_scale() -> None:
    pyramid = TilePyramid((30_000, 21_000), TILED)
    for level in range(pyramid.levels):
        step, side = pyramid.step(level), pyramid.scale(level)
        assert step & (step - 1) == 0
        assert step == 1 or 2 <= 1 / (step * side) < 4
        for tile in pyramid.tiles(level)[:50]:
            frame = pyramid.frame(tile)
            last = frame.top + frame.height == 30_000
            assert frame.top % step == 0 or last
    assert pyramid.step(0) > 1
    assert pyramid.step(pyramid.levels - 1) == 1


def test_tiles_of_up_to_4096_pixels_are_read_as_they_are() -> None:
    pyramid = TilePyramid((4096, 4096), TILED)
    assert {pyramid.step(level) for level in range(pyramid.levels)} == {1}


def test_a_glance_is_no_closer_than_it_has_to_be_and_tiles_serve_many_objects() -> None:
    pyramid = TilePyramid((512, 512), TILED)
    assert pyramid.coarsest((200, 200, 280, 290), 8).level == 0
    assert pyramid.coarsest((200, 200, 220, 220), 8).level == 2
    apart = 0
    for at in range(0, 480, 12):
        bounds = (at, 30, at + 12, 42)
        tile = pyramid.coarsest(bounds, 12)
        frame = pyramid.frame(tile)
        assert frame.top <= at
        assert at + 12 <= frame.top + frame.height
        # Tiles overlap by one half.
        apart += tile.row % 2 == 0
    assert apart > 25
