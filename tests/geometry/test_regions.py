from __future__ import annotations

import numpy as np
import pytest

from napari_segnext.geometry.frame import Frame
from napari_segnext.geometry.regions import Extent, Patch
from napari_segnext.geometry.resample import resize, resize_part, resized_part

PLANE = (40, 60)


def patch(top: int, left: int, height: int, width: int, seed: int = 0) -> Patch:
    values = np.random.default_rng(seed).random((height, width), np.float32)
    return Patch(PLANE, (top, left), values)


def test_extent_of_a_mask_holds_just_what_is_set() -> None:
    mask = np.zeros(PLANE, bool)
    mask[3, 5] = mask[10, 20] = True
    assert Extent.of(mask, (100, 200)) == (103, 205, 111, 221)
    assert Extent.of(np.zeros(PLANE, bool)).empty


@pytest.mark.parametrize(
    ("one", "other", "common", "joined"),
    [
        ((0, 0, 5, 5), (3, 4, 9, 9), (3, 4, 5, 5), (0, 0, 9, 9)),
        ((0, 0, 5, 5), (7, 7, 7, 7), (7, 7, 7, 7), (0, 0, 5, 5)),
        ((0, 0, 2, 2), (5, 5, 9, 9), (5, 5, 5, 5), (0, 0, 9, 9)),
    ],
)
def test_extents_are_joined_and_cut(one, other, common, joined) -> None:
    assert Extent(*one).common(Extent(*other)) == common
    assert Extent(*one).joined(Extent(*other)) == joined
    assert Extent(*joined).holds(Extent(*one))


def test_an_extent_is_widened_to_whole_cells() -> None:
    assert Extent(-1, 16, 17, 32).in_cells(16) == (-16, 16, 32, 32)


def test_a_map_comes_back_from_its_patch() -> None:
    whole = patch(5, 7, 11, 13).expand()
    assert whole.shape == PLANE
    kept = Patch.of(whole)
    assert kept.offset == (5, 7)
    assert kept.values.shape == (11, 13)
    np.testing.assert_array_equal(kept.expand(), whole)
    part = Extent(0, 10, 30, 60)
    np.testing.assert_array_equal(kept.read(part), whole[part.slices])


@pytest.mark.parametrize(
    ("extent", "by"),
    [
        ((0, 0, 40, 60), (35, 50, 4, 4)),
        ((10, 10, 20, 20), (12, 12, 5, 5)),
        ((10, 10, 20, 20), (0, 0, 0, 0)),
        ((0, 0, 3, 3), (0, 0, 0, 0)),
        ((30, 40, 40, 60), (35, 50, 4, 4)),
    ],
)
def test_an_extent_is_replaced_and_the_rest_stays(extent, by) -> None:
    old, new = patch(5, 7, 11, 13), patch(*by, seed=1)
    expected = old.expand().copy()
    expected[Extent(*extent).slices] = new.expand()[Extent(*extent).slices]
    found = old.replaced(Extent(*extent), new)
    np.testing.assert_array_equal(found.expand(), expected)


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("target", [(40, 60), (8, 12), (64, 64), (7, 90)])
def test_a_part_is_resized_as_the_whole_is(target, antialias) -> None:
    given = patch(5, 7, 11, 13)
    np.testing.assert_allclose(
        resize_part(given.values, given.offset, PLANE, target, antialias),
        resize(given.expand(), target, antialias),
        atol=1e-6,
    )


def test_a_part_of_what_is_resized_is_that_of_the_whole() -> None:
    image = patch(0, 0, *PLANE).values
    rows, columns = slice(30, 70), slice(0, 200)
    np.testing.assert_allclose(
        resized_part(image, (300, 400), rows, columns),
        resize(image, (300, 400))[rows, columns],
        atol=1e-6,
    )


@pytest.mark.parametrize("resize_rule", ["square", "pad"])
@pytest.mark.parametrize("place", [(0, 0, 40, 60), (6, 10, 20, 30), (20, 30, 10, 10)])
def test_a_frame_sees_a_part_as_it_sees_the_whole(place, resize_rule) -> None:
    frame = Frame(*place, 32, resize_rule)
    given = patch(5, 7, 11, 13)
    np.testing.assert_allclose(
        frame.crop_part(given.values, given.offset),
        frame.crop(given.expand()),
        atol=1e-6,
    )
