"""Where the local refiner looks, and how crops come back to their places."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from napari_segnext.models.research.sam_ref.window import Windows, disagreement

SIZE = 64


def boxes(*corners: tuple[int, int, int, int]) -> Tensor:
    """Draw boxes (top, left, bottom, right) into one (1, 1, S, S) mask."""
    mask = torch.zeros(1, 1, SIZE, SIZE, dtype=torch.bool)
    for top, left, bottom, right in corners:
        mask[..., top:bottom, left:right] = True
    return mask


NOTHING = boxes()


def window(new: Tensor, old: Tensor = NOTHING, prompted: Tensor = NOTHING) -> Windows:
    return disagreement(new, old, prompted)


@pytest.mark.parametrize(
    ("new", "old", "square"),
    [
        # 20 pixels grow to 28, around the middle.
        (boxes((20, 30, 40, 40)), NOTHING, (16, 21, 28)),
        (NOTHING, boxes((20, 30, 40, 40)), (16, 21, 28)),
        # What both have is no disagreement.
        (boxes((0, 0, 60, 8), (20, 30, 40, 40)), boxes((0, 0, 60, 8)), (16, 21, 28)),
        # The larger one of two regions.
        (boxes((0, 0, 4, 4), (20, 30, 40, 40)), NOTHING, (16, 21, 28)),
        # Pixels that touch at a corner are one region.
        (boxes((20, 30, 30, 40), (30, 40, 40, 50)), NOTHING, (16, 26, 28)),
        # A single pixel is shown with what is around it.
        (boxes((32, 32, 33, 33)), NOTHING, (28, 28, 8)),
        # A window stays in the image.
        (boxes((0, 44, 20, 64)), NOTHING, (0, 36, 28)),
        (boxes((0, 0, 64, 60)), NOTHING, (0, 0, 64)),
    ],
)
def test_a_window_surrounds_the_largest_disagreement(
    new: Tensor, old: Tensor, square: tuple[int, int, int]
) -> None:
    found = window(new, old)
    assert found.found.tolist() == [True]
    assert found.squares.tolist() == [list(square)]


def test_what_a_prompt_touches_comes_before_what_is_larger() -> None:
    new, click = boxes((0, 0, 10, 10), (20, 30, 40, 40)), boxes((4, 4, 6, 6))
    assert window(new, prompted=click).squares.tolist() == [[0, 0, 14]]
    elsewhere = boxes((60, 60, 62, 62))
    assert window(new, prompted=elsewhere).squares.tolist() == [[16, 21, 28]]


def test_each_image_has_its_own_window_or_none() -> None:
    new = torch.cat([boxes((20, 30, 40, 40)), NOTHING, boxes((0, 0, 10, 10))])
    old = torch.cat([NOTHING] * 3)
    found = disagreement(new, old, old)
    assert found.found.tolist() == [True, False, True]
    assert found.inside.sum((1, 2, 3)).tolist() == [28 * 28, 0, 14 * 14]
    assert found.inside[2, 0, :14, :14].all()


def test_a_crop_shows_the_pixels_of_its_window() -> None:
    found = window(boxes((20, 30, 40, 40)))
    image = torch.rand(1, 3, SIZE, SIZE)
    crop = found.crop(image, 28)
    torch.testing.assert_close(crop, image[:, :, 16:44, 21:49], atol=1e-5, rtol=0)


@pytest.mark.parametrize("stride", [1, 4])
def test_coarser_maps_are_cropped_at_the_same_place(stride: int) -> None:
    found = window(boxes((20, 30, 40, 40)))
    # The value of a pixel is where its centre lies.
    centres = (torch.arange(SIZE // stride) + 0.5) * stride
    rows = centres[:, None].expand(SIZE // stride, SIZE // stride)
    crop = found.crop(torch.stack([rows, rows.T])[None], 14)
    torch.testing.assert_close(crop[0, 0, :, 0], 16 + 2 * (torch.arange(14) + 0.5))
    torch.testing.assert_close(crop[0, 1, 0], 21 + 2 * (torch.arange(14) + 0.5))


def test_pasting_undoes_cropping() -> None:
    found = disagreement(
        torch.cat([boxes((20, 30, 40, 40)), boxes((0, 0, 10, 10))]),
        torch.cat([NOTHING] * 2),
        torch.cat([NOTHING] * 2),
    )
    image = torch.linspace(0, 1, SIZE).expand(2, 1, SIZE, SIZE).contiguous()
    pasted = found.paste(found.crop(image, 56))
    # Half a pixel of a crop at the border has no neighbour to go between.
    torch.testing.assert_close(
        pasted[found.inside], image[found.inside], atol=0.5 / SIZE, rtol=0
    )
