from __future__ import annotations

import numpy as np
import pytest
from tests.canvas import (
    NEGATIVE,
    POSITIVE,
    PREVIOUS,
    SIGNS,
    SQUARE,
    bounds,
    corners,
    drawn,
    square,
)

from napari_segnext.geometry.frame import Frame
from napari_segnext.prompts import Prompts, PromptStyle

# Clicks


@SIGNS
def test_a_click_is_a_disk_in_the_channel_of_its_sign(positive):
    dense = Prompts().click(30, 40, positive=positive).to_dense(SQUARE, PromptStyle())
    rows, columns = np.mgrid[:64, :64]
    disk = (rows - 30) ** 2 + (columns - 40) ** 2 <= 25
    assert disk.sum() == 81
    own, other = (1, 2) if positive else (2, 1)
    np.testing.assert_array_equal(dense[own], disk)
    assert not dense[other].any()
    assert not dense[PREVIOUS].any()


@pytest.mark.parametrize("at", [(0, 0), (0, 63), (63, 0), (63, 63)])
def test_a_disk_is_cut_at_the_corners(at):
    dense = Prompts().click(*at).to_dense(SQUARE, PromptStyle())
    rows, columns = np.mgrid[:64, :64]
    disk = (rows - at[0]) ** 2 + (columns - at[1]) ** 2 <= 25
    np.testing.assert_array_equal(dense[POSITIVE], disk)


def test_radius_zero_is_one_pixel():
    dense = Prompts().click(30, 40).to_dense(SQUARE, PromptStyle(radius=0))
    assert np.argwhere(dense[POSITIVE]).tolist() == [[30, 40]]


def test_disks_of_several_clicks_are_joined():
    prompts = Prompts().click(30, 30).click(30, 32).click(50, 50)
    each = [drawn(Prompts().add(p))[POSITIVE] for p in prompts]
    np.testing.assert_array_equal(drawn(prompts)[POSITIVE], np.maximum.reduce(each))


@pytest.mark.parametrize("height", [1, 17, 300, 448, 610, 897, 1003, 3000])
def test_rows_are_rounded_as_the_reference_rounds_them(height):
    import torch

    rows = np.arange(height)
    ours = Frame(0, 0, height, height, 448).to_model(np.stack([rows, rows], 1))
    wanted = [int(y * (448 / height) + 0.5) for y in torch.arange(height)]
    assert ours[:, 0].astype(int).tolist() == wanted


# Previous mask


def test_the_previous_probability_is_brought_to_model_size():
    previous = np.random.default_rng(0).random((64, 64), np.float32)
    frame = Frame(0, 0, 64, 64, 32)
    dense = drawn(Prompts().click(3, 3), frame, previous=previous)
    wanted = previous.reshape(32, 2, 32, 2).mean((1, 3))
    np.testing.assert_allclose(dense[PREVIOUS], wanted, atol=1e-6)


def test_drawing_leaves_the_previous_probability_alone():
    previous = square(0.7)
    drawn(Prompts().mask(square(), positive=False).click(20, 30), previous=previous)
    np.testing.assert_array_equal(previous, square(0.7))


def test_a_positive_mask_is_a_maximum_and_a_negative_one_zero():
    half = np.zeros((64, 64), bool)
    half[:20] = True
    previous = square(0.7)
    more = drawn(Prompts().mask(half), previous=previous)[PREVIOUS]
    np.testing.assert_array_equal(more, np.maximum(previous, half))
    less = drawn(Prompts().mask(half, positive=False), previous=previous)[PREVIOUS]
    np.testing.assert_array_equal(less, np.where(half, 0, previous))


def test_the_order_of_regions_decides():
    mask = square()
    first = Prompts().mask(mask).mask(mask, positive=False)
    last = Prompts().mask(mask, positive=False).mask(mask)
    assert not drawn(first).any()
    np.testing.assert_array_equal(drawn(last)[PREVIOUS], mask)


@pytest.mark.parametrize(
    ("prompts", "value"),
    [
        (Prompts().mask(square()), 1),
        (Prompts().box((10, 20), (29, 39)), 0.5),
        (Prompts().polygon([(10, 20), (10, 39), (29, 39), (29, 20)]), 1),
    ],
)
def test_a_region_that_was_answered_is_not_drawn_again(prompts, value):
    corrected = square(0.2)
    prompts = prompts.click(15, 25, positive=False)
    again = drawn(prompts, previous=corrected, answered=1)
    np.testing.assert_array_equal(again[PREVIOUS], corrected)
    fresh = drawn(prompts, previous=corrected)
    np.testing.assert_array_equal(fresh[PREVIOUS], square(value))
    np.testing.assert_array_equal(again[NEGATIVE], fresh[NEGATIVE])


def test_a_region_after_the_answered_ones_is_drawn():
    prompts = Prompts().click(3, 3).box((10, 20), (29, 39))
    dense = drawn(prompts, previous=np.zeros((64, 64), np.float32), answered=1)
    np.testing.assert_array_equal(dense[PREVIOUS], square(0.5))


# Boxes and polygons


@pytest.mark.parametrize("size", [64, 128, 448])
@pytest.mark.parametrize(
    "prompts",
    [
        Prompts().box((10, 20), (29, 39)),
        Prompts().box((29, 20), (10, 39)),
        Prompts().polygon([(10, 20), (10, 39), (29, 39), (29, 20)]),
    ],
)
def test_both_corners_of_a_box_lie_inside(prompts, size):
    frame = Frame(0, 0, 64, 64, size)
    channel = drawn(prompts, frame)[PREVIOUS]
    first, last = frame.to_model([(10, 20), (29, 39)]).astype(int).tolist()
    assert bounds(channel) == (first[0], last[0], first[1], last[1])
    assert np.count_nonzero(channel) == (last[0] - first[0] + 1) * (
        last[1] - first[1] + 1
    )


def test_a_polygon_is_filled_between_its_vertices():
    triangle = drawn(Prompts().polygon([(0, 0), (40, 0), (0, 40)]))[PREVIOUS]
    rows, columns = np.mgrid[:64, :64]
    np.testing.assert_array_equal(triangle, rows + columns <= 40)


@pytest.mark.parametrize(
    "prompts",
    [
        Prompts().box((10, 20), (10, 30)),
        Prompts().polygon([(10, 20), (10, 30), (10, 25)]),
    ],
)
def test_a_region_thinner_than_a_pixel_is_still_drawn(prompts):
    channel = drawn(prompts)[PREVIOUS]
    assert np.argwhere(channel).tolist() == [[10, x] for x in range(20, 31)]


@SIGNS
@pytest.mark.parametrize(
    ("prompts", "value"),
    [
        (Prompts().box, 0.5),
        (lambda a, b, positive: Prompts().polygon(corners(a, b), positive), 1),
    ],
    ids=["box", "polygon"],
)
def test_regions_are_drawn_into_the_previous_mask(prompts, value, positive):
    prompts = prompts((10, 20), (29, 39), positive)
    dense = drawn(prompts, previous=square(0.3))
    wanted = square(value) if positive else square(0)
    np.testing.assert_allclose(dense[PREVIOUS], wanted)
    assert not dense[1:].any()


@SIGNS
def test_regions_are_drawn_into_the_channel_of_their_sign(positive):
    prompts = Prompts().box((10, 20), (29, 39), positive)
    dense = drawn(prompts, region="positive", previous=square(0.3), answered=1)
    own, other = (1, 2) if positive else (2, 1)
    np.testing.assert_array_equal(dense[own], square())
    np.testing.assert_array_equal(dense[PREVIOUS], square(0.3))
    assert not dense[other].any()


@SIGNS
def test_regions_are_drawn_as_outlines(positive):
    prompts = Prompts().box((10, 20), (29, 39), positive)
    dense = drawn(prompts, region="outline")
    own, other = (1, 2) if positive else (2, 1)
    assert bounds(dense[own]) == (8, 31, 18, 41)
    # The inside is left free up to the disk's radius.
    inside = dense[own][13:27, 23:37]
    assert not inside.any()
    assert dense[own][10, 20:40].all()
    assert dense[own][10:30, 20].all()
    assert not dense[PREVIOUS].any()
    assert not dense[other].any()


# Scribbles


@SIGNS
def test_a_path_is_as_wide_as_asked(positive):
    prompts = Prompts().scribble([(30, 10), (30, 50)], width=11, positive=positive)
    dense = drawn(prompts)
    own, other = (1, 2) if positive else (2, 1)
    assert dense[own][:, 30].sum() == 11
    assert bounds(dense[own]) == (25, 35, 5, 55)
    assert not dense[other].any()
    assert not dense[PREVIOUS].any()


def test_a_path_is_never_thinner_than_a_click():
    thin = drawn(Prompts().scribble([(30, 10), (30, 50)], width=1))[POSITIVE]
    assert thin[:, 30].sum() == 5


def test_a_path_of_one_point_is_a_click():
    path, click = Prompts().scribble([(30, 10)], width=1), Prompts().click(30, 10)
    np.testing.assert_array_equal(drawn(path), drawn(click))


@SIGNS
def test_painted_pixels_are_drawn_as_they_are(positive):
    prompts = Prompts().scribble(square() > 0, positive=positive)
    dense = drawn(prompts)
    own, other = (1, 2) if positive else (2, 1)
    np.testing.assert_array_equal(dense[own], square())
    assert not dense[other].any()


def test_a_thin_painted_stroke_survives_shrinking():
    painted = np.zeros((1024, 1024), bool)
    painted[500, 100:900] = True
    channel = drawn(Prompts().scribble(painted), Frame(0, 0, 1024, 1024, 64))[POSITIVE]
    assert bounds(channel) == (31, 31, 6, 56)
    assert channel.sum() == 51


def test_painted_pixels_of_an_answered_scribble_are_drawn_again():
    prompts = Prompts().scribble(square() > 0)
    dense = drawn(prompts, previous=square(0), answered=1)
    np.testing.assert_array_equal(dense[POSITIVE], square())
