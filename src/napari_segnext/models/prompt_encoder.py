"""The dense map of prompts as patch features."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn


class DenseEncoder(nn.Module):
    """One strided convolution: the prompts on the image's grid of tokens.

    (B, 3, S, S), of previous mask, positive and negative, -> (B, C, S / patch,
    S / patch).
    """

    def __init__(self, patch_size: int, embed_dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, embed_dim, patch_size, patch_size)

    def forward(self, dense: Tensor) -> Tensor:
        """Encode dense maps."""
        return cast("Tensor", self.proj(dense))
