"""DINOv2, the image encoder of Depth Anything V2.

Oquab et al., "DINOv2: Learning Robust Visual Features without Supervision", TMLR 2024;
Yang et al., "Depth Anything V2", NeurIPS 2024. Blocks are timm's; module names are
those of the published files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from timm.layers.patch_embed import PatchEmbed
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.nn import functional as F

PATCH = 14


class DinoV2(nn.Module):
    """A plain ViT with patches of 14 pixels and a class token.

    Parameters
    ----------
    width, depth, heads
        Channels, number of blocks, heads of each.
    pretrained_grid
        Patches along a side of the images it was trained on: positions are
        interpolated from there.
    layers
        The four blocks, from 0, whose output is returned.

    Raises
    ------
    ValueError
        If there are no such blocks.
    """

    def __init__(
        self,
        width: int,
        depth: int,
        heads: int,
        layers: Sequence[int],
        pretrained_grid: int = 37,
    ) -> None:
        super().__init__()
        if len(layers) != 4 or not all(0 <= layer < depth for layer in layers):
            raise ValueError(f"layers are four blocks below {depth}, not {layers}")
        self.layers = tuple(layers)
        self.patch_embed = PatchEmbed(None, PATCH, 3, width, flatten=False)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, pretrained_grid**2 + 1, width))
        self.blocks = nn.ModuleList(
            Block(width, heads, 4, qkv_bias=True, init_values=1.0) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width, eps=1e-6)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)

    def forward(
        self, images: Tensor, check: Callable[[], None] = lambda: None
    ) -> list[Tensor]:
        """Encode (B, 3, S, S) images into four (B, width, S / 14, S / 14) maps.

        Parameters
        ----------
        check
            Called before each block; it may raise.
        """
        patches = self.patch_embed(images)
        grid = patches.shape[2:]
        tokens = patches.flatten(2).transpose(1, 2) + self._positions(grid)
        first = (self.cls_token + self.pos_embed[:, :1]).expand(len(tokens), -1, -1)
        tokens = torch.cat([first, tokens], 1)
        maps = []
        for number, block in enumerate(self.blocks[: max(self.layers) + 1]):
            check()
            tokens = block(tokens)
            if number in self.layers:
                found = self.norm(tokens)[:, 1:].transpose(1, 2)
                maps.append(found.reshape(patches.shape))
        return maps

    def _positions(self, grid: Sequence[int]) -> Tensor:
        """Interpolate the positions of patches to another grid: (1, h x w, width)."""
        known = self.pos_embed[:, 1:].transpose(1, 2)
        side = round(known.shape[2] ** 0.5)
        known = known.reshape(1, -1, side, side)
        if tuple(grid) != (side, side):
            known = F.interpolate(
                known, tuple(grid), mode="bicubic", align_corners=False
            )
        return known.flatten(2).transpose(1, 2)
