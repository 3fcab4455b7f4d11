"""Order-aware and object-aware attention of prompts to image features.

Wang et al., "Order-Aware Interactive Segmentation", ICLR 2025, sections 3.2 and 3.3.
What the paper leaves open is chosen here: attention has several heads and the usual
scaling by the square root of their width, and the prompts return to the features by
cross-attention, image to prompts, at the end of each block.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Not stated in the paper: with it a prompt sees a region half the scale away with
# e^-2.5 of the weight.
_FIRST_SIGMA = 5.0


class CrossAttention(nn.Module):
    """Multi-head attention from one set of tokens to another, with a bias.

    Parameters
    ----------
    width
        Channels C of both sets.
    heads
        Must divide the width.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"{heads} heads do not divide {width} channels")
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def weights(self, to: Tensor, source: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return attention weights that sum to one over the source.

        Parameters
        ----------
        to, source
            (B, N, C) and (B, M, C) tokens.
        bias
            (B, N or 1, M), added before the softmax; -inf forbids.

        Returns
        -------
        (B, heads, N, M)
        """
        query, key = self._split(self.query(to)), self._split(self.key(source))
        scores = query @ key.transpose(2, 3) / math.sqrt(query.shape[3])
        if bias is not None:
            scores = scores + bias[:, None]
        return scores.softmax(3)

    def forward(self, to: Tensor, source: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return what each of the (B, N, C) tokens gathers from the source."""
        value = self._split(self.value(source))
        gathered = self.weights(to, source, bias) @ value
        return self.out(gathered.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]

    def _split(self, tokens: Tensor) -> Tensor:
        batch, rows, width = tokens.shape
        split = tokens.reshape(batch, rows, self.heads, width // self.heads)
        return split.transpose(1, 2)


class PromptAttention(nn.Module):
    """One module of a block: attention, LayerNorm and a two-layer MLP."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = CrossAttention(width, heads)
        self.norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width)
        )

    def forward(self, prompts: Tensor, image: Tensor, bias: Tensor | None) -> Tensor:
        """Update (B, N, C) prompts from (B, M, C) image features."""
        prompts = self.norm(self.attention(prompts, image, bias) + prompts)
        return prompts + self.mlp(prompts)  # type: ignore[no-any-return]


class Block(nn.Module):
    """Order-aware, then object-aware attention, then prompts back to the image."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.log_sigma = nn.Parameter(torch.tensor(math.log(_FIRST_SIGMA)))
        self.order = PromptAttention(width, heads)
        self.object = PromptAttention(width, heads)
        self.back = CrossAttention(width, heads)
        self.norm = nn.LayerNorm(width)

    @property
    def sigma(self) -> Tensor:
        """The scale of order maps, equation 3; learned, and always positive."""
        return self.log_sigma.exp()

    def forward(
        self,
        prompts: Tensor,
        image: Tensor,
        order: Tensor | None,
        objects: Tensor | None,
        absent: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Update prompts and image features.

        Parameters
        ----------
        prompts, image
            (B, N, C) and (B, M, C).
        order
            (B, N, M) order maps, 0 where a prompt is; None for plain attention.
        objects
            (B, N, M) from `object_mask`; None for plain attention.
        absent
            (B, N) bool, the rows that the image must not attend to.
        """
        far = None if order is None else -self.sigma * order
        prompts = self.order(prompts, image, far)
        prompts = self.object(prompts, image, objects)
        forbidden = torch.zeros_like(absent, dtype=image.dtype)
        forbidden = forbidden.masked_fill(absent, -math.inf)[:, None]
        return prompts, self.norm(self.back(image, prompts, forbidden) + image)


def object_mask(previous: Tensor, signs: Tensor, grid: int) -> Tensor:
    """Return the mask of object-aware attention, equation 5.

    Positive prompts see the cells that the previous mask touches, negative ones
    those that the background touches; a cell on the outline is both. A row that
    would see nothing, as all positive ones in the first round do, sees everything:
    plain attention.

    Parameters
    ----------
    previous
        (B, 1, S, S) probability of the previous prediction, zero if there is none.
    signs
        (B, N): 1 positive, -1 negative, 0 no prompt, which sees everything.
    grid
        Side G of the image features.

    Returns
    -------
    (B, N, G x G)
        0 where a prompt may look, else -inf.
    """
    foreground = (F.adaptive_max_pool2d(previous, grid) > 0.5).flatten(2)
    background = (F.adaptive_max_pool2d(-previous, grid) >= -0.5).flatten(2)
    rows = signs[..., None]
    seen = torch.where(rows > 0, foreground, torch.where(rows < 0, background, True))
    seen = seen | ~seen.any(2, keepdim=True)
    return torch.zeros_like(seen, dtype=previous.dtype).masked_fill(~seen, -math.inf)
