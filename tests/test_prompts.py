from __future__ import annotations

import subprocess
import sys
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from napari_segnext.prompts import (
    Frame,
    Phrase,
    Prompts,
    PromptStyle,
    Region,
    extent,
)

SQUARE = Frame(0, 0, 64, 64, 64)
STYLE = PromptStyle(radius=2)
PREVIOUS, POSITIVE, NEGATIVE = 0, 1, 2
SIGNS = pytest.mark.parametrize("positive", [True, False])


def drawn(prompts: Prompts, frame: Frame = SQUARE, region: str = "previous", **kwargs):
    return prompts.to_dense(frame, PromptStyle(2, region), **kwargs)


def bounds(channel: np.ndarray) -> tuple[int, int, int, int]:
    """First and last row, first and last column of what is set."""
    rows, columns = np.nonzero(channel)
    return rows.min(), rows.max(), columns.min(), columns.max()


def square(value: float = 1.0) -> np.ndarray:
    """An image-sized map with a square, rows 10 to 29, columns 20 to 39."""
    image = np.zeros((64, 64), np.float32)
    image[10:30, 20:40] = value
    return image


def corners(first, last):
    """The four corners of a box, in order."""
    return [first, (first[0], last[1]), last, (last[0], first[1])]


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
        (lambda p: p.scribble(np.zeros((0, 2))), "scribble needs at least 1"),
        (lambda p: p.scribble([(0, 0)], width=0), "width must be positive"),
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
        (Prompts().scribble(np.ones((80, 8), bool)), r"scribble point \(79, 7\)"),
        (Prompts().mask(np.ones((8, 80))), r"mask point \(7, 79\)"),
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
    prompts.check_inside((1, 1))
    assert [list(extent(p)) for p in prompts] == [[], []]
    assert not drawn(prompts).any()


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


# Frames


def test_a_padded_frame_keeps_the_aspect_ratio():
    frame = Frame(0, 0, 100, 50, 64, "pad")
    assert frame.content == (64, 32)
    image = np.ones((100, 50, 3), np.uint8)
    cropped = frame.crop(image)
    assert cropped.shape == (64, 64, 3)
    assert (cropped[:, :32] == 1).all()
    assert not cropped[:, 32:].any()
    assert frame.restore(cropped[..., 0]).shape == (100, 50)


@pytest.mark.parametrize("resize", ["square", "pad"])
@pytest.mark.parametrize("shape", [(40, 90), (64, 64), (300, 200)])
def test_a_pixel_and_a_click_on_it_meet_in_the_model(shape, resize):
    frame = Frame(7, 5, *shape, 128, resize)
    scale = np.array(frame.content) / shape
    for y, x in [(0.25, 0.75), (0.5, 0.5), (0.9, 0.1)]:
        at = (7 + int(y * shape[0]), 5 + int(x * shape[1]))
        image = np.zeros((320, 320), np.float32)
        # A patch as large as some model pixels, so that no shrinking skips it.
        image[at[0] - 3 : at[0] + 4, at[1] - 3 : at[1] + 4] = 1
        seen = frame.crop(image)
        centre = np.argwhere(seen > 0.5).mean(0)
        click = frame.to_model([at])[0].astype(int)
        assert np.abs(centre - click).max() <= max(1, scale.max())


def test_a_padded_frame_puts_every_pixel_centre_where_the_click_goes():
    frame = Frame(0, 0, 30, 60, 120, "pad")
    at = frame.to_model([(0, 0), (29, 59)])
    np.testing.assert_allclose(at, [(1, 1), (59, 119)])


def test_restoring_undoes_enlarging():
    smooth = np.add.outer(np.arange(40.0), np.arange(50.0))
    frame = Frame(0, 0, 40, 50, 200)
    inner = frame.restore(frame.crop(smooth))[2:-2, 2:-2]
    np.testing.assert_allclose(inner, smooth[2:-2, 2:-2], atol=0.05)


def test_a_frame_sees_its_own_part_of_image_and_prompts():
    frame = Frame(20, 30, 32, 32, 32)
    prompts = Prompts().click(25, 38).mask(square())
    dense = drawn(prompts, frame, previous=square(0.5))
    assert np.argwhere(dense[POSITIVE] == 1).mean(0).tolist() == [5, 8]
    np.testing.assert_array_equal(dense[PREVIOUS], square()[20:52, 30:62])


@pytest.mark.parametrize("corner", [(0, 0), (0, 42), (44, 0), (44, 42)])
def test_prompts_outside_the_frame_leave_it_empty(corner):
    frame = Frame(*corner, 20, 20, 32)
    inside = np.zeros((64, 64), bool)
    inside[30:34, 28:34] = True
    prompts = Prompts().click(32, 31).mask(inside).box((30, 28), (34, 34))
    prompts = prompts.scribble([(31, 29), (32, 33)]).scribble(inside)
    for region in ("previous", "positive", "outline"):
        assert not drawn(prompts, frame, region).any()
        assert drawn(prompts, region=region).any()


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
