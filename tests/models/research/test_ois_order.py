"""Order maps against values worked out by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from napari_segnext.models.research.ois.order import (
    FINER,
    denoised_intensity,
    geodesic_maps,
    normalised_depth,
    order_maps,
)


def rows(*values: list[float]) -> Tensor:
    return torch.tensor([[values]])


def at(*points: tuple[int, int], side: int) -> Tensor:
    """Return cells of a grid as points of the image, 0 to 1."""
    return (torch.tensor([points]) + 0.5) / side


# Depths of 0.1, 0.2, 0.6 and 0.9 in the quarters of an image.
QUARTERS = rows([0.1, 0.2], [0.6, 0.9]).repeat_interleave(2, 2).repeat_interleave(2, 3)


def test_positive_prompts_share_the_map_of_their_mean_depth() -> None:
    points = at((0, 0), (3, 3), (0, 3), side=4)
    maps = order_maps(QUARTERS, points, torch.tensor([[1, 1, -1]]), grid=2)
    expected = torch.tensor([[0.4, 0.3], [0.1, 0.4]])  # |depth - (0.1 + 0.9) / 2|
    torch.testing.assert_close(maps[0, 0], expected)
    torch.testing.assert_close(maps[0, 1], expected)
    torch.testing.assert_close(maps[0, 2], torch.tensor([[0.1, 0.0], [0.4, 0.7]]))


def test_each_negative_prompt_has_a_map_of_its_own() -> None:
    points = at((0, 0), (3, 0), (3, 3), side=4)
    maps = order_maps(QUARTERS, points, torch.tensor([[-1, -1, 1]]), grid=2)
    torch.testing.assert_close(maps[0, 0], torch.tensor([[0.0, 0.1], [0.5, 0.8]]))
    torch.testing.assert_close(maps[0, 1], torch.tensor([[0.5, 0.4], [0.0, 0.3]]))
    torch.testing.assert_close(maps[0, 2], torch.tensor([[0.8, 0.7], [0.3, 0.0]]))


@pytest.mark.parametrize("maps", [order_maps, geodesic_maps])
def test_a_row_without_a_prompt_has_no_order(maps) -> None:
    points = at((0, 0), (1, 1), side=4)
    found = maps(QUARTERS, points, torch.tensor([[1, 0]]), grid=2)
    assert (found[0, 1] == 0).all()
    alone = maps(QUARTERS, points[:, :1], torch.tensor([[1]]), grid=2)
    torch.testing.assert_close(found[:, :1], alone)


def test_the_depth_at_a_prompt_is_read_more_finely_than_the_features() -> None:
    scale = rows([0.0, 1.0, 0.0, 0.0]).expand(1, 1, 4, 4)
    maps = order_maps(scale, at((0, 1), side=4), torch.tensor([[1]]), grid=2)
    torch.testing.assert_close(maps[0, 0], torch.tensor([[0.5, 1.0], [0.5, 1.0]]))


def test_a_point_on_the_far_edge_belongs_to_the_last_cell() -> None:
    maps = order_maps(QUARTERS, torch.ones(1, 1, 2), torch.tensor([[1]]), grid=2)
    assert maps[0, 0, 1, 1] == 0


def test_depth_is_brought_to_the_unit_interval_per_image() -> None:
    depth = torch.stack([torch.arange(64.0), 5 + 10 * torch.arange(64.0)])
    found = normalised_depth(depth.view(2, 1, 8, 8), grid=2)
    assert found.shape == (2, 1, 2 * FINER, 2 * FINER)
    torch.testing.assert_close(found[0], found[1])
    assert found.min() == 0
    assert found.max() == 1
    assert (normalised_depth(torch.full((1, 1, 8, 8), 3.0), grid=2) == 0).all()


def test_intensity_loses_single_pixels_but_keeps_edges() -> None:
    image = torch.zeros(1, 3, 32, 32)
    image[..., 16:] = 1
    clean = denoised_intensity(image, grid=8)
    assert clean.shape == (1, 1, 32, 32)
    assert torch.equal(clean, image[:, :1])
    image[..., 5, 5] = 1
    image[..., 20, 25] = 0
    assert torch.equal(denoised_intensity(image, grid=8), clean)


# A bright wall between two dark rooms, open at the bottom.
WALL = torch.zeros(1, 1, 20, 20)
WALL[..., :16, 8:12] = 1


def test_geodesic_distance_goes_around_a_wall() -> None:
    point = at((0, 0), side=5)
    distance = geodesic_maps(WALL, point, torch.tensor([[1]]), grid=5)[0, 0]
    assert distance[0, 0] == 0
    assert distance.max() == 1
    # Down the open side and up again: dearer than the way there, cheaper than the wall.
    assert distance[4, 1] < distance[4, 3] < distance[0, 3] < distance[0, 2]
    straight = (WALL == 0) * 0.0
    open_ = geodesic_maps(straight, point, torch.tensor([[1]]), grid=5)[0, 0]
    steps = torch.arange(5).float() / 4
    torch.testing.assert_close(open_, torch.maximum(steps[:, None], steps))


def test_positive_prompts_are_one_source_of_geodesic_distance() -> None:
    points = at((0, 0), (0, 4), (4, 2), side=5)
    both = geodesic_maps(WALL, points, torch.tensor([[1, 1, -1]]), grid=5)[0]
    assert torch.equal(both[0], both[1])
    assert both[0, 0, 0] == both[0, 0, 4] == 0
    assert both[2, 4, 2] == 0
    assert both[2, 0, 0] > 0
