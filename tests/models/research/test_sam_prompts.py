"""How prompts become points, a box and a mask prompt, on hand-made cases."""

from __future__ import annotations

import numpy as np
import pytest

from napari_segnext.geometry.frame import Frame
from napari_segnext.models.research.sam.prompts import (
    SamPrompts,
    mask_prompt,
    sam_prompts,
)
from napari_segnext.prompts import Prompts, PromptStyle

SIZE, SIDE, RADIUS = 64, 16, 2
STYLE = PromptStyle(RADIUS, region="sparse")


def translated(prompts: Prompts, previous: np.ndarray | None = None) -> SamPrompts:
    given = prompts.to_model(Frame(0, 0, SIZE, SIZE, SIZE), STYLE, previous)
    return sam_prompts(given, RADIUS, SIDE)


def region(rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros((SIZE, SIZE), np.float32)
    mask[rows, columns] = 1
    return mask


def test_clicks_are_points_in_their_order() -> None:
    clicks = Prompts().click(10, 20).click(30, 5, positive=False).click(12, 20)
    found = translated(clicks)
    assert found.points.tolist() == [[20, 10], [5, 30], [20, 12]]
    assert found.labels.tolist() == [1, 0, 1]
    assert found.box is None
    assert found.mask is None


@pytest.mark.parametrize(
    ("prompts", "ambiguous"),
    [
        (Prompts().click(10, 20), True),
        (Prompts().click(10, 20).click(40, 20), False),
        (Prompts().click(10, 20).box((5, 5), (30, 30)), False),
        (Prompts().click(10, 20).mask(region(slice(9, 12), slice(9, 12))), False),
        (Prompts().box((5, 5), (30, 30)), False),
    ],
)
def test_only_a_single_click_alone_is_ambiguous(
    prompts: Prompts, ambiguous: bool
) -> None:
    assert translated(prompts).ambiguous == ambiguous


def test_a_box_is_a_box_whatever_its_corners_and_nothing_else() -> None:
    found = translated(Prompts().box((50, 10), (20, 40)))
    assert found.box is not None
    assert found.box.tolist() == [10, 20, 40, 50]
    assert not len(found.points)
    assert found.mask is None


def test_of_several_boxes_the_one_around_them_is_taken() -> None:
    found = translated(Prompts().box((5, 6), (20, 21)).box((30, 2), (40, 9)))
    assert found.box is not None
    assert found.box.tolist() == [2, 5, 21, 40]


@pytest.mark.parametrize("positive", [True, False])
def test_a_scribble_becomes_points_along_it(positive: bool) -> None:
    found = translated(Prompts().scribble([(30, 4), (30, 60)], positive=positive))
    x, y = found.points.T
    assert set(found.labels.tolist()) == {int(positive)}
    assert 4 <= len(x) <= 8
    assert abs(y - 30).max() <= RADIUS
    assert x.min() < 12
    assert x.max() > 52
    gaps = np.diff(np.sort(x))
    assert gaps.min() >= SIZE / 16


def test_a_click_on_a_scribble_is_not_counted_twice() -> None:
    found = translated(Prompts().click(30, 30))
    assert len(found.points) == 1
    both = translated(Prompts().scribble([(30, 4), (30, 20)]).click(30, 12))
    assert both.points[0].tolist() == [12, 30]
    apart = abs(both.points[1:] - both.points[0]).max(1)
    assert apart.min() > RADIUS


def test_each_stroke_gets_points_and_the_largest_ones_come_first() -> None:
    specks = np.zeros((SIZE, SIZE), bool)
    specks[2::6, 2::6] = True
    specks[40:50, 40:50] = True
    found = translated(Prompts().scribble(specks))
    assert len(found.points) == 32
    x, y = found.points[0]
    assert 42 <= x < 48
    assert 42 <= y < 48


@pytest.mark.parametrize("kind", ["box", "polygon"])
def test_a_negative_region_empties_the_mask_and_gets_points_well_inside(
    kind: str,
) -> None:
    prompts = Prompts().click(10, 10)
    if kind == "box":
        prompts = prompts.box((20, 20), (60, 60), positive=False)
    else:
        corners = [(20, 20), (20, 60), (60, 60), (60, 20)]
        prompts = prompts.polygon(corners, positive=False)
    found = translated(prompts, np.ones((SIZE, SIZE), np.float32))
    assert found.box is None
    inside = found.points[found.labels == 0]
    assert 2 <= len(inside) <= 8
    assert inside.min() >= 28
    assert inside.max() <= 52
    assert found.mask is not None
    assert (found.mask[6:14, 6:14] < -6).all()
    assert (found.mask[:4] > 6).all()


def test_a_polygon_alone_is_a_mask_and_the_box_around_it() -> None:
    corners = [(8, 12), (8, 44), (40, 44), (40, 12)]
    found = translated(Prompts().polygon(corners))
    assert found.box is not None
    np.testing.assert_allclose(found.box, [12, 8, 44, 40], atol=1)
    assert found.mask is not None
    assert found.mask.shape == (SIDE, SIDE)
    assert (found.mask[3:9, 4:10] > 6).all()
    assert (found.mask[12:] < -6).all()


def test_nothing_to_go_by_is_said_to_be_no_point() -> None:
    found = translated(Prompts().mask(np.zeros((SIZE, SIZE))))
    assert found.labels.tolist() == [-1]
    assert found.box is None
    assert not found.ambiguous


def test_there_is_no_mask_prompt_without_a_previous_mask() -> None:
    nothing = np.zeros((SIZE, SIZE), np.float32)
    assert mask_prompt(nothing, SIDE) is None


def test_a_probability_becomes_its_logits() -> None:
    previous = np.full((SIZE, SIZE), 0.5, np.float32)
    previous[:4, :4] = 1 / (1 + np.exp(-2.0))
    found = mask_prompt(previous, SIDE)
    assert found is not None
    np.testing.assert_allclose(found[0, 0], 2, atol=1e-5)
    np.testing.assert_allclose(found[1:], 0, atol=1e-5)


def test_the_last_logits_are_taken_but_where_the_mask_was_changed() -> None:
    rng = np.random.default_rng(0)
    last = rng.normal(0, 10, (SIDE, SIDE)).astype(np.float32)
    probability = (1 / (1 + np.exp(-last))).repeat(4, 0).repeat(4, 1)
    previous = probability.astype(np.float32)
    assert (mask_prompt(previous, SIDE, last) == last).all()
    previous[:16, :16] = 1
    previous[32:48, 32:48] = 0
    found = mask_prompt(previous, SIDE, last)
    assert found is not None
    assert (found[:4, :4] > 0).all()
    assert (found[8:12, 8:12] < 0).all()
    elsewhere = np.ones((SIDE, SIDE), bool)
    elsewhere[:4, :4] = elsewhere[8:12, 8:12] = False
    assert (found == last)[elsewhere].all()
