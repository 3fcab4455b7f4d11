from __future__ import annotations

import subprocess
import sys
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from tests.canvas import SQUARE, STYLE, drawn, square

from napari_segnext.geometry.frame import Frame, Region
from napari_segnext.geometry.plane import Plane
from napari_segnext.prompts import (
    Box,
    Click,
    Mask,
    Phrase,
    Polygon,
    Prompts,
    Scribble,
    extent,
)

# Making prompts


def test_every_addition_returns_a_new_value():
    first = Prompts()
    second = first.click(1, 2).box((0, 0), (3, 3)).polygon([(0, 0), (5, 0), (0, 5)])
    third = second.scribble([(1, 1), (4, 4)]).mask(square() > 0, positive=False)
    assert [len(p) for p in (first, second, third)] == [0, 3, 5]
    assert [type(p).__name__ for p in third] == [
        "Click",
        "Box",
        "Polygon",
        "Scribble",
        "Mask",
    ]
    with pytest.raises(FrozenInstanceError):
        third.items = ()


def test_a_mask_prompt_does_not_follow_the_array_it_came_from():
    mask = square() > 0
    prompts = Prompts().mask(mask)
    before = drawn(prompts)
    mask[:] = False
    np.testing.assert_array_equal(drawn(prompts), before)
    with pytest.raises(ValueError, match="read-only"):
        prompts.items[0].region.pixels[:] = False


def test_equal_prompts_are_equal_and_hash_alike():
    def make(width: int) -> Prompts:
        return Prompts().mask(square()[:, : 64 + width]).click(3, 4, positive=False)

    assert make(0) == make(0)
    assert hash(make(0)) == hash(make(0))
    assert make(0) != make(0).click(3, 4)
    assert make(0) != Prompts().mask(square().T).click(3, 4, positive=False)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p.click(np.nan, 0), "finite"),
        (lambda p: p.polygon([(0, 0), (1, 1)]), "polygon needs at least 3"),
        (lambda p: p.scribble(np.zeros((0, 2))), "scribble needs at least one"),
        (lambda p: p.scribble([(0, 0)], width=0), "width is positive, not 0"),
        (lambda p: p.scribble(np.zeros((4, 3))), r"shape \(4, 3\)"),
        (lambda p: p.mask(np.zeros((2, 4, 4))), r"2-D, not of shape \(2, 4, 4\)"),
    ],
)
def test_what_is_no_prompt_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make(Prompts())


@pytest.mark.parametrize(
    ("prompts", "named"),
    [
        (Prompts().click(1, 1).click(64, 3), r"click point \(64, 3\)"),
        (Prompts().click(-1, 3), r"click point \(-1, 3\)"),
        (Prompts().box((0, 0), (10, 70.5)), r"box point \(10, 70.5\)"),
        (Prompts().polygon([(0, 0), (5, 5), (9, -2)]), r"polygon point \(9, -2\)"),
        (Prompts().scribble([(0, 0), (99, 5)]), r"scribble point \(99, 5\)"),
        (Prompts().scribble(np.ones((80, 8), bool)), "scribble of shape 80 x 8"),
        (Prompts().mask(np.ones((8, 80))), "mask of shape 8 x 80"),
        (Prompts().mask(np.ones((32, 32))), "mask of shape 32 x 32"),
        (Prompts((Mask(Region.of(np.ones((8, 80)))),)), r"mask point \(7, 79\)"),
    ],
)
def test_a_point_outside_the_image_is_named_with_the_shape(prompts, named):
    with pytest.raises(ValueError, match=named + ".*64 x 64"):
        prompts.check_inside((64, 64))


@pytest.mark.parametrize(
    "at", [(0, 0), (63, 63), (-0.5, -0.5), (63.5, 63.5), (0, 63.4)]
)
def test_the_whole_area_of_border_pixels_is_inside(at):
    Prompts().click(*at).check_inside((64, 64))


def test_an_empty_mask_has_no_extent_and_draws_nothing():
    prompts = Prompts().mask(np.zeros((64, 64))).scribble(np.zeros((64, 64), bool))
    prompts.check_inside((64, 64))
    assert [list(extent(p)) for p in prompts] == [[], []]
    assert not drawn(prompts).any()


# Every form at once


def test_a_model_gets_points_signs_boxes_and_text():
    prompts = (
        Prompts()
        .click(10, 20)
        .box((30, 40), (5, 6))
        .click(0, 63, positive=False)
        .box((1, 1), (2, 2), positive=False)
    )
    given = prompts.text("a nucleus").to_model(Frame(0, 0, 64, 64, 128), STYLE)
    np.testing.assert_allclose(given.points, [(20.5, 40.5), (0.5, 126.5)])
    assert given.signs.tolist() == [True, False]
    np.testing.assert_allclose(given.boxes, [(10.5, 12.5, 60.5, 80.5)])
    assert given.text == "a nucleus"
    assert given.dense.shape == (3, 128, 128)
    assert given.dense.dtype == np.float32


def test_there_is_one_phrase_at_most_and_it_keeps_its_place():
    prompts = Prompts().click(1, 2).text("a  cell ").click(3, 4)
    assert prompts.phrase == "a cell"
    assert [type(p).__name__ for p in prompts] == ["Click", "Phrase", "Click"]
    renamed = prompts.text("a nucleus")
    assert renamed.items[1] == Phrase("a nucleus")
    assert len(renamed) == 3
    assert renamed.text(" ") == Prompts().click(1, 2).click(3, 4)
    assert Prompts().text("").phrase is None
    with pytest.raises(ValueError, match="one phrase at most"):
        Prompts((Phrase("a"), Phrase("b")))


def test_a_phrase_is_drawn_nowhere_and_lies_inside_every_image():
    prompts = Prompts().text("a cell")
    assert not drawn(prompts).any()
    assert list(extent(prompts.items[0])) == []
    prompts.check_inside((1, 1))


def test_without_clicks_and_boxes_the_lists_are_empty():
    given = Prompts().mask(square()).to_model(SQUARE, STYLE)
    assert given.points.shape == (0, 2)
    assert given.signs.shape == (0,)
    assert given.boxes.shape == (0, 4)
    assert given.text is None


@pytest.mark.parametrize(
    "make",
    [
        lambda: Click((np.nan, 1.0)),
        lambda: Click((1.0, 2.0, 3.0)),
        lambda: Click(("a", "b")),
        lambda: Click((1.0, 2.0), positive=2),
        lambda: Box((0.0, np.inf), (1.0, 1.0)),
        lambda: Polygon(((1.0, 1.0), (2.0, 2.0))),
        lambda: Scribble(),
        lambda: Scribble(((1.0, 2.0),), width=np.nan),
        lambda: Scribble(((1.0, 2.0),), width=0),
        lambda: Phrase("  "),
        lambda: Mask(Region.of([[np.nan]])),
        lambda: Plane(0, 1.5),
        lambda: Plane("z", 1),
        lambda: Prompts(((1.0, 2.0),)),
    ],
)
def test_what_cannot_be_written_and_read_back_cannot_be_made(make):
    with pytest.raises(ValueError):
        make()


def test_numbers_of_numpy_become_pythons_own():
    at = np.float32(1.5), np.int64(2)
    assert Prompts().click(*at, np.bool_(False)).items == (Click((1.5, 2.0), False),)
    plane = Plane(np.int64(0), np.argmax([0, 3]), (np.uint8(4),))
    assert plane == Plane(0, 1, (4,))
    numbers = (*Click(at, 1).at, plane.axis, plane.index, *plane.fixed)
    assert {type(n) for n in numbers} == {float, int}
    assert Click(at, 1).positive is True


def test_a_region_is_put_back_where_it_was():
    region = Region.of(square())
    assert region.offset == (10, 20)
    assert region.pixels.shape == (20, 20)
    np.testing.assert_array_equal(region.paste((64, 64)), square() > 0)
    np.testing.assert_array_equal(region.paste((15, 25)), (square() > 0)[:15, :25])
    assert not region.paste((5, 5)).any()


def test_prompts_need_neither_torch_nor_qt():
    check = (
        "import sys, napari_segnext.prompts as _;"
        "print([m for m in ('torch', 'qtpy', 'napari') if m in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"
