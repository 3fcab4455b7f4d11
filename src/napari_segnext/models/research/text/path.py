"""A phrase questions an image embedding; the answer is a map to be added to it.

SegNext (Liu et al., CVPR 2024) encodes phrases with CLIP and relates them to the image
embedding by cross-attention; how is not stated. Here tokens are the queries and the
cells of the image the keys. An object has many cells, and may have none: there is no
softmax over cells, each of them agrees with the phrase or does not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, gelu, interpolate

from napari_segnext.models.research.ois.fusion import Positions

# Most cells are not what is meant: the logit that a new path gives them.
_UNLIKELY = -2.0


class TextPath(nn.Module):
    """Phrases and image features in, what to add to the features out.

    Parameters
    ----------
    widths
        Channels of the image features, the finest level first.
    text_width
        Channels of the tokens.
    channels
        Width of queries and keys.
    """

    def __init__(self, widths: Sequence[int], text_width: int, channels: int) -> None:
        super().__init__()
        self.queries = nn.Sequential(
            nn.LayerNorm(text_width), nn.Linear(text_width, channels)
        )
        self.enter = nn.Conv2d(sum(widths), 2 * channels, 1)
        self.positions = Positions(2 * channels)
        self.keys = nn.Conv2d(2 * channels, channels, 1)
        self.bias = nn.Parameter(torch.tensor(_UNLIKELY))
        self.mix = nn.Conv2d(channels + 1, channels, 3, padding=1)
        self.leave = nn.ModuleList(
            nn.Conv2d(channels, width, 1, bias=False) for width in widths
        )
        # It starts as a phrase that adds nothing.
        for layer in self.leave:
            assert isinstance(layer, nn.Conv2d)
            nn.init.zeros_(layer.weight)

    def forward(
        self, levels: Sequence[Tensor], tokens: Tensor, present: Tensor
    ) -> tuple[list[Tensor], Tensor]:
        """Ask.

        Parameters
        ----------
        levels
            (B, width, g, g) each; the first has the finest grid G.
        tokens
            (B, L, text_width); rows that a phrase lacks, the last ones, are zero.
        present
            (B, L) bool.

        Returns
        -------
        maps
            What to add to each level.
        agreement
            (B, 1, G, G) logits: where the image is what the phrase says.
        """
        grid = levels[0].shape[2], levels[0].shape[3]
        finest = [interpolate(level, grid, mode="bilinear") for level in levels]
        entered = self.enter(torch.cat(finest, 1))
        places = self.positions.grid(grid[0]).T.reshape(1, -1, *grid)
        keys = self.keys(gelu(entered + places))
        share = present / present.sum(1, keepdim=True)
        query = (self.queries(tokens) * share[..., None]).sum(1)
        products = keys * query[..., None, None]
        scale = math.sqrt(keys.shape[1])
        agreement = products.sum(1, keepdim=True) / scale + self.bias
        answer = gelu(self.mix(torch.cat([products, agreement], 1)))
        maps = [
            adaptive_avg_pool2d(leave(answer), (level.shape[2], level.shape[3]))
            for leave, level in zip(self.leave, levels, strict=True)
        ]
        return maps, agreement
