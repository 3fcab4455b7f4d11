"""Plain vision transformer with windowed and global blocks.

ViTDet (Li et al., ECCV 2022) made a plain ViT usable at 1024 x 1024: most blocks
attend within windows, every few within the whole image. SegNext (Liu et al., CVPR
2024) takes it as image encoder. The blocks are timm's, with fused attention.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast

import torch
from timm.layers.patch_embed import PatchEmbed
from timm.layers.pos_embed_sincos import build_sincos2d_pos_embed
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from napari_segnext.models.fast.workspace import answers_at_once, run

# Windows are cut so that each has at least this many tokens a side.
LEAST_WINDOW = 14


def window_of(grid: int) -> int:
    """Return the side of a window, in tokens, for a square grid of tokens.

    The grid is cut into ``grid // 14`` equal windows a side: 16 x 16 tokens for the
    64 x 64 of a 1024 image, 14 x 14 for the 28 x 28 of a 448 image. A grid under 28
    is one window.

    Raises
    ------
    ValueError
        If the grid cannot be cut into that many equal windows.
    """
    windows = max(1, grid // LEAST_WINDOW)
    if grid % windows:
        raise ValueError(
            f"{grid} x {grid} tokens cannot be cut into {windows} x {windows} equal "
            "windows; choose another image size (448, 480, 512, 1024 and any below "
            "448 work with patches of 16)"
        )
    return grid // windows


class VisionTransformer(nn.Module):
    """Image encoder: (B, 3, S, S) -> (B, C, S / patch, S / patch).

    Parameters
    ----------
    size
        Side S of the input, in pixels.
    global_every
        Block i (from 1) is global if `global_every` divides i, and the last is.
    """

    def __init__(
        self,
        size: int,
        patch_size: int = 16,
        embed_dim: int = 768,
        depth: int = 12,
        num_heads: int = 12,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        global_every: int = 3,
    ) -> None:
        super().__init__()
        if size % patch_size:
            raise ValueError(f"image size {size} is no multiple of {patch_size}")
        if embed_dim % num_heads:
            raise ValueError(f"{num_heads} heads do not divide {embed_dim} channels")
        if embed_dim % 4:
            raise ValueError(
                f"{embed_dim} channels are no multiple of 4: each axis of an image is "
                "embedded as sines and cosines"
            )
        self.grid = size // patch_size
        self.window = window_of(self.grid)
        self.is_global = [
            i % global_every == 0 or i == depth for i in range(1, depth + 1)
        ]
        self.patch_embed = PatchEmbed(size, patch_size, 3, embed_dim, flatten=False)
        # Row 0 belongs to the class token of the MAE pre-training. Neither it nor
        # `fc_norm` is used; they stay so that published files load as they are.
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + self.grid**2, embed_dim))
        self.fc_norm = nn.LayerNorm(embed_dim, eps=1e-6).requires_grad_(False)
        norm = cast("type[nn.Module]", partial(nn.LayerNorm, eps=1e-6))
        self.blocks = nn.ModuleList(
            Block(embed_dim, num_heads, mlp_ratio, qkv_bias, norm_layer=norm)
            for _ in range(depth)
        )

    @torch.no_grad()
    def start_with_places(self) -> None:
        """Embed positions by sines and cosines at first, as MAE does."""
        channels = self.pos_embed.shape[-1]
        places = build_sincos2d_pos_embed([self.grid, self.grid], channels)
        self.pos_embed[0, 1:] = places

    def forward(self, images: Tensor, check: Callable[[], None]) -> Tensor:
        """Encode images; `check` is called before every block and may raise."""
        tokens = self.patch_embed(images)
        places = self.pos_embed[:, 1:].reshape(1, self.grid, self.grid, -1)
        tokens = self._to_windows(tokens.permute(0, 2, 3, 1) + places)
        lean = answers_at_once(tokens)
        for block, is_global in zip(self.blocks, self.is_global, strict=True):
            check()
            # Attention does not depend on the order of tokens, so a global block
            # takes the windows one after the other: nothing is moved in memory.
            seen = tokens.flatten(1, 2) if is_global else tokens.flatten(0, 1)
            seen = run(block, seen) if lean else block(seen)
            tokens = seen.view_as(tokens)
        return self._from_windows(tokens).permute(0, 3, 1, 2).contiguous()

    def _to_windows(self, tokens: Tensor) -> Tensor:
        """(B, G, G, C) -> (B, windows, tokens of a window, C)."""
        side, count = self.window, self.grid // self.window
        cut = tokens.reshape(len(tokens), count, side, count, side, -1)
        return cut.transpose(2, 3).reshape(len(tokens), count**2, side**2, -1)

    def _from_windows(self, tokens: Tensor) -> Tensor:
        """(B, windows, tokens of a window, C) -> (B, G, G, C)."""
        side, count = self.window, self.grid // self.window
        cut = tokens.reshape(len(tokens), count, count, side, side, -1)
        return cut.transpose(2, 3).reshape(len(tokens), self.grid, self.grid, -1)
