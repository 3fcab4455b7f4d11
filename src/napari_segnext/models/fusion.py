"""Fusion of image and prompt features."""

from __future__ import annotations

from typing import cast

import torch
from timm.layers.attention import Attention
from timm.models.vision_transformer import Block
from torch import Tensor, nn


class DenseFusion(nn.ModuleList):
    """Addition, then self-attention blocks over all tokens of the image.

    SegNext has `depth` 0, 1 or 2. It runs at every prompt and is most of the time of
    a click. There is no second positional embedding.
    """

    def __init__(
        self, depth: int, embed_dim: int, num_heads: int, mlp_ratio: float, bias: bool
    ) -> None:
        super().__init__(
            # timm's own default norm has eps 1e-6; these blocks were trained at 1e-5.
            Block(embed_dim, num_heads, mlp_ratio, bias, norm_layer=nn.LayerNorm)
            for _ in range(depth)
        )

    @torch.no_grad()
    def start_with_likeness(self) -> None:
        """Let untrained blocks hand on what a token knows to those that are like it.

        Queries equal keys, values pass unchanged (Trockman and Kolter, "Mimetic
        initialization of self-attention layers", ICML 2023). From attention that is
        the same everywhere it takes a training long to find what a click is for.
        """
        for block in self:
            attention = cast("Attention", block.attn)
            queries, keys, values = attention.qkv.weight.chunk(3)
            keys.copy_(queries.normal_(std=queries.shape[1] ** -0.5))
            nn.init.eye_(values)
            nn.init.eye_(attention.proj.weight)

    def forward(self, image: Tensor, prompts: Tensor) -> Tensor:
        """Fuse two (B, C, G, G) maps into one."""
        fused = image + prompts
        tokens = fused.flatten(2).transpose(1, 2)
        for block in self:
            tokens = block(tokens)
        return tokens.transpose(1, 2).reshape(fused.shape)
