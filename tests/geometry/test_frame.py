from __future__ import annotations

import numpy as np
import pytest
from tests.canvas import POSITIVE, PREVIOUS, drawn, square

from napari_segnext.geometry.frame import Frame
from napari_segnext.prompts import Prompts


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
