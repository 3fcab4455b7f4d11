"""A phrase questions an image embedding; the answer is a map to be added to it.

SegNext (Liu et al., CVPR 2024) encodes phrases with CLIP and relates them to the image
embedding by cross-attention; how is not stated. Here tokens and image look at each
other in turn, as do SAM's prompts and image.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from napari_segnext.models.ois.attention import CrossAttention
from napari_segnext.models.ois.fusion import Positions


def _mlp(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(width),
        nn.Linear(width, 2 * width),
        nn.GELU(),
        nn.Linear(2 * width, width),
    )


class Exchange(nn.Module):
    """Tokens look at the image, then the image at the tokens."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(4))
        self.ask = CrossAttention(width, heads)
        self.answer = CrossAttention(width, heads)
        self.think, self.keep = _mlp(width), _mlp(width)

    def forward(
        self, tokens: Tensor, image: Tensor, absent: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Update (B, L, C) tokens and (B, M, C) image features.

        Parameters
        ----------
        absent
            (B, 1, L): -inf for tokens that a phrase lacks, else 0.
        """
        tokens = tokens + self.ask(self.norms[0](tokens), self.norms[1](image))
        tokens = tokens + self.think(tokens)
        image = image + self.answer(self.norms[2](image), self.norms[3](tokens), absent)
        return tokens, image + self.keep(image)


class TextPath(nn.Module):
    """Phrases and image features in, what to add to the features out.

    Parameters
    ----------
    width, text_width
        Channels of the image features and of the tokens.
    channels, heads, blocks
        Width of both while they meet, heads of every attention, number of blocks.
    """

    def __init__(
        self, width: int, text_width: int, channels: int, heads: int, blocks: int
    ) -> None:
        super().__init__()
        self.words = nn.Sequential(
            nn.LayerNorm(text_width), nn.Linear(text_width, channels)
        )
        self.enter = nn.Conv2d(width, channels, 1)
        self.positions = Positions(channels)
        self.blocks = nn.ModuleList(Exchange(channels, heads) for _ in range(blocks))
        leave = nn.Linear(channels, width, bias=False)
        # It starts as a phrase that changes nothing.
        nn.init.zeros_(leave.weight)
        self.leave = nn.Sequential(nn.LayerNorm(channels), leave)

    def forward(self, features: Tensor, tokens: Tensor, present: Tensor) -> Tensor:
        """Ask.

        Parameters
        ----------
        features
            (B, width, G, G).
        tokens
            (B, L, text_width); rows that a phrase lacks, the last ones, are zero.
        present
            (B, L) bool.

        Returns
        -------
        (B, width, G, G)
        """
        words = self.words(tokens)
        image = self.enter(features).flatten(2).transpose(1, 2)
        image = image + self.positions.grid(features.shape[3])
        absent = torch.zeros_like(present, dtype=image.dtype)
        absent = absent.masked_fill(~present, -math.inf)[:, None]
        for block in self.blocks:
            words, image = block(words, image, absent)
        return self.leave(image).transpose(1, 2).reshape(features.shape)  # type: ignore[no-any-return]
