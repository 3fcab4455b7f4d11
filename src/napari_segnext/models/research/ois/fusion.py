"""Fuse prompts, dense and sparse, with image features.

Wang et al., "Order-Aware Interactive Segmentation", ICLR 2025, section 3.4. There is no
self-attention over the image: clicks are a few tokens, which look at the image
features and hand back what they found.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from napari_segnext.models.prompt_batch import PromptBatch
from napari_segnext.models.research.ois.attention import Block, object_mask
from napari_segnext.models.research.ois.order import (
    OrderSource,
    geodesic_maps,
    order_maps,
)

# Features that are the same everywhere have none.
_LEAST_SPREAD = 1e-6


@dataclass(frozen=True, slots=True)
class FusionOptions:
    """How prompts are fused; what a configuration's ``arch`` may change.

    Attributes
    ----------
    channels
        Width C of prompts and of the features while they meet.
    blocks, heads
        Number of blocks, and heads of every attention in them.
    clicks
        Most clicks that become tokens, half of them of each sign, the newest; the
        others are in the dense map alone.
    order
        What order is made of; None for plain attention in its place.
    objects, sparse, dense
        Whether attention is masked by the previous prediction, whether clicks
        become tokens, and whether they are drawn into a dense map.
    """

    channels: int = 128
    blocks: int = 3
    heads: int = 8
    clicks: int = 48
    order: OrderSource | None = "depth"
    objects: bool = True
    sparse: bool = True
    dense: bool = True

    def __post_init__(self) -> None:
        if self.order not in ("depth", "intensity", "geodesic", None):
            raise ValueError(
                f"order is depth, intensity, geodesic or None, not {self.order!r}"
            )
        if not (self.sparse or self.dense):
            raise ValueError("prompts must be sparse, dense or both")


class Positions(nn.Module):
    """Random Fourier features of positions, as SAM encodes them."""

    frequencies: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", torch.randn(2, width // 2))

    def forward(self, points: Tensor) -> Tensor:
        """Map (..., 2) points, 0 to 1, to (..., width)."""
        angles = 2 * math.pi * (2 * points - 1) @ self.frequencies
        return torch.cat([angles.sin(), angles.cos()], -1)

    def grid(self, side: int) -> Tensor:
        """Encode the centres of side x side cells, row by row: (side^2, width)."""
        centres = (torch.arange(side, device=self.frequencies.device) + 0.5) / side
        return self(torch.cartesian_prod(centres, centres))  # type: ignore[no-any-return]


class PromptFusion(nn.Module):
    """Image features and prompts in, features that know the prompts out.

    Parameters
    ----------
    width
        Channels of the image features.
    stride
        Model pixels per cell of the features.
    options
        See `FusionOptions`.
    """

    def __init__(self, width: int, stride: int, options: FusionOptions) -> None:
        super().__init__()
        channels = options.channels
        self.options = options
        self.enter = nn.Conv2d(width, channels, 1)
        self.leave = nn.Conv2d(channels, width, 1)
        if options.dense:
            self.dense = nn.Conv2d(2, channels, stride, stride)
            # A click covers few pixels of a cell: it is heard from the first step.
            nn.init.normal_(self.dense.weight, std=1 / stride)
        if options.sparse:
            self.positions = Positions(channels)
            self.kinds = nn.Embedding(3, channels)
            self.blocks = nn.ModuleList(
                Block(channels, options.heads) for _ in range(options.blocks)
            )

    def forward(
        self, features: Tensor, prompts: PromptBatch, scale: Tensor | None
    ) -> Tensor:
        """Fuse.

        Parameters
        ----------
        features
            (B, width, G, G).
        prompts
            Of the same B images; channel 0 of the dense map is the previous mask.
        scale
            (B, 1, h, w) that order is read from, if it is.

        Returns
        -------
        (B, width, G, G)
        """
        # Features of an encoder may have any scale, prompts have that of one.
        spread = features.std((1, 2, 3), keepdim=True) + _LEAST_SPREAD
        fused = self.enter(features / spread)
        if self.options.dense:
            fused = fused + self.dense(prompts.dense[:, 1:])
        if self.options.sparse:
            fused = self._attend(fused, prompts, scale)
        return features + spread * self.leave(fused)  # type: ignore[no-any-return]

    def _attend(
        self, features: Tensor, prompts: PromptBatch, scale: Tensor | None
    ) -> Tensor:
        size, grid = prompts.dense.shape[3], features.shape[3]
        points, signs = _with_drawn(prompts)
        signs = _newest(signs, self.options.clicks // 2)
        # One row that is no click is always there: a cell without anything to do
        # with the clicks has something to attend to.
        points = nn.functional.pad(points / size, (0, 0, 1, 0))
        signs = nn.functional.pad(signs, (1, 0))
        present = (signs != 0)[..., None]
        absent = signs == 0
        absent[:, 0] = False
        tokens = self.kinds(signs.long() % 3) + self.positions(points) * present
        order = objects = None
        if scale is not None:
            maps = geodesic_maps if self.options.order == "geodesic" else order_maps
            order = maps(scale, points, signs, grid).flatten(2)
        if self.options.objects:
            objects = object_mask(prompts.dense[:, :1], signs, grid)
        image = features.flatten(2).transpose(1, 2) + self.positions.grid(grid)
        for block in self.blocks:
            tokens, image = block(tokens, image, order, objects, absent)
        return image.transpose(1, 2).reshape(features.shape)


def _newest(signs: Tensor, most: int) -> Tensor:
    """Keep the last `most` rows of each sign, and set the others to 0."""
    for sign in (1, -1):
        newer = (signs == sign).flip(1).cumsum(1).flip(1)
        signs = torch.where((signs == sign) & (newer > most), 0, signs)
    return signs


def _with_drawn(prompts: PromptBatch) -> tuple[Tensor, Tensor]:
    """Return points and signs, with a point for what is drawn but never clicked.

    Without a positive click a positive scribble, else the previous mask, gets one;
    without a negative click a negative scribble does.
    """
    previous, positive, negative = (prompts.dense >= 0.5).unbind(1)
    scribbled = positive.any(2).any(1)[:, None, None]
    drawn = torch.stack([torch.where(scribbled, positive, previous), negative], 1)
    clicked = torch.stack([(prompts.signs == s).any(1) for s in (1, -1)], 1)
    wanted = ~clicked & drawn.any(3).any(2)
    if not wanted.any():
        return prompts.points, prompts.signs
    signs = torch.where(wanted, prompts.signs.new_tensor([1, -1]), 0)
    return (
        torch.cat([prompts.points, _middle(drawn)], 1),
        torch.cat([prompts.signs, signs.to(prompts.signs.dtype)], 1),
    )


def _middle(masks: Tensor) -> Tensor:
    """Return the pixel of each mask nearest its centroid: (B, K, S, S) -> (B, K, 2)."""
    side = masks.shape[3]
    at = torch.arange(side, device=masks.device) + 0.5
    count = masks.sum((2, 3)).clamp(min=1)
    y = (masks.sum(3) * at).sum(2) / count
    x = (masks.sum(2) * at).sum(2) / count
    squared = (at[:, None] - y[..., None, None]) ** 2 + (at - x[..., None, None]) ** 2
    nearest = squared.masked_fill(~masks, math.inf).flatten(2).argmin(2)
    return torch.stack([at[nearest // side], at[nearest % side]], 2)
