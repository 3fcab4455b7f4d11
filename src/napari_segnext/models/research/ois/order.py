"""Order: how far each part of an image is from a prompt, on a scale that is given.

In OIS (Wang et al., "Order-Aware Interactive Segmentation", ICLR 2025) the scale is
monocular depth. In a slice of a volume depth means nothing, so intensity, or the
geodesic distance from the prompt over the slice, can take its place.

All maps are of shape (B, 1, h, w) on the side of the input and (B, N, G, G) towards
the attention, of which N are the prompts and G x G the image features.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

OrderSource: TypeAlias = Literal["depth", "intensity", "geodesic"]

# The scale is kept so much finer than the features, to be read at a prompt.
FINER = 4
# Geodesic length of a feature cell in which nothing changes; intensity is 0 to 1. From
# 0.02 to 0.2 it hardly matters: `benchmarks/order_sources.py`.
_FLAT = 0.1


def normalised_depth(depth: Tensor, grid: int) -> Tensor:
    """Bring (B, 1, S, S) depth to 0..1 per image, FINER times the grid."""
    low = depth.amin((2, 3), keepdim=True)
    high = depth.amax((2, 3), keepdim=True)
    scaled = (depth - low) / (high - low).clamp(min=1e-6)
    return F.adaptive_avg_pool2d(scaled, FINER * grid)


def denoised_intensity(images: Tensor, grid: int) -> Tensor:
    """Average (B, 3, S, S) windowed images, then take medians of 3 x 3 pixels.

    Intensities stay as the window made them, so that they mean the same in all tiles.
    """
    grey = F.adaptive_avg_pool2d(images.mean(1, keepdim=True), FINER * grid)
    around = F.unfold(F.pad(grey, (1, 1, 1, 1), mode="replicate"), 3)
    return around.median(1).values.view_as(grey)


def order_maps(scale: Tensor, points: Tensor, signs: Tensor, grid: int) -> Tensor:
    """Return the order map of each prompt, equations 1 and 2.

    Parameters
    ----------
    scale
        (B, 1, h, w) depth or intensity, 0 to 1.
    points
        (B, N, 2) prompts (y, x) in units of the image, 0 to 1.
    signs
        (B, N): 1 positive, -1 negative, 0 no prompt.
    grid
        Side G of the image features.

    Returns
    -------
    (B, N, G, G), 0 to 1
        How far the scale is from its mean over the positive prompts, in the rows of
        those; from its value at the prompt, in the row of a negative one; zero
        where there is no prompt.
    """
    y, x = _cells(points, scale.shape[2])
    values = scale[torch.arange(len(scale), device=scale.device)[:, None], 0, y, x]
    positive = signs > 0
    count = positive.sum(1, keepdim=True).clamp(min=1)
    mean = (values * positive).sum(1, keepdim=True) / count
    reference = torch.where(positive, mean, values)[..., None, None]
    maps = (F.adaptive_avg_pool2d(scale, grid) - reference).abs()
    return maps * (signs != 0)[..., None, None]


@torch.no_grad()
def geodesic_maps(scale: Tensor, points: Tensor, signs: Tensor, grid: int) -> Tensor:
    """Return geodesic distances from the prompts as order maps.

    Parameters and shape are those of `order_maps`. The distance is that of the
    cheapest path over cells and their eight neighbours; entering a cell costs what
    the intensity changes across it. All positive prompts are one source.

    Returns
    -------
    (B, N, G, G), 0 to 1
        Distances as shares of the largest in their map.
    """
    y, x = _cells(points, grid)
    cells = F.one_hot(y * grid + x, grid * grid).bool()
    positive, negative = ((signs == sign)[..., None] for sign in (1, -1))
    own = (signs < 0).any(0)
    together = (cells & positive).any(1, keepdim=True)
    source = torch.cat([together, (cells & negative)[:, own]], 1)
    source = source.reshape(len(signs), -1, grid, grid)
    # Negative distance, because there is pooling for maxima alone.
    nearness = torch.where(source, 0.0, -torch.inf)
    cost = _crossing(scale, grid)
    while True:
        nearer = torch.maximum(nearness, F.max_pool2d(nearness, 3, 1, 1) - cost)
        if torch.equal(nearer, nearness):
            break
        nearness = nearer
    share = nearness / nearness.amin((2, 3), keepdim=True)
    maps = share.new_zeros(*signs.shape, grid, grid)
    maps[:, own] = share[:, 1:]
    maps = torch.where(negative[..., None], maps, 0.0)
    return torch.where(positive[..., None], share[:, :1], maps)


def _crossing(scale: Tensor, grid: int) -> Tensor:
    """Return how much the scale changes across each cell, (B, 1, G, G)."""
    down = F.pad(scale.diff(dim=2).abs(), (0, 0, 0, 1))
    right = F.pad(scale.diff(dim=3).abs(), (0, 1))
    change = F.adaptive_avg_pool2d(torch.maximum(down, right), grid)
    return change * (scale.shape[2] / grid) + _FLAT


def _cells(points: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Return row and column, (B, N) each, of points in a grid with this side."""
    cells = (points * side).long().clamp(0, side - 1)
    return cells[..., 0], cells[..., 1]
