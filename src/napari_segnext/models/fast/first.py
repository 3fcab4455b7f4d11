"""The first block, in which prompts reach an image: what they do not change is kept.

A click changes few tokens, so that attention is only corrected. A previous mask changes
all of them, but by a linear map of each patch's pixels; what a normalisation does to a
sum follows from means and deviations, so that queries, keys and values are those kept,
scaled, plus a product with the few pixels of a patch in place of all channels.
"""

from __future__ import annotations

from functools import cached_property
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_segnext.models.fast.attention import (
    Attended,
    attend,
    finish,
    heads,
    queries,
)
from napari_segnext.models.fast.cells import to_cells
from napari_segnext.models.fast.merging import Merging
from napari_segnext.models.fast.workspace import Block, Take, fresh

# Correcting the attention for more than this share of the tokens costs as much as
# computing it.
_FEW = 1 / 8


class Projection:
    """How patches of the dense map become part of the tokens.

    Parameters
    ----------
    convolution
        Of a `DenseEncoder`; its weights must not change afterwards.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        self.patch = convolution.kernel_size[0]
        self.weight = convolution.weight.flatten(1)
        self.bias = cast("Tensor", convolution.bias)

    def unprompted(self, image: Tensor) -> Tensor:
        """(C, G, G) features -> (N, C) tokens as no prompt would leave them."""
        return to_cells(image) + self.bias

    def __call__(self, prompts: Tensor, start: int = 0) -> Tensor:
        """Return what (n, 3 * patch * patch) patches add to their tokens.

        With `start` these are patches without the channels before it.
        """
        return F.linear(prompts, self.weight[:, start * self.patch**2 :])


class FirstBlock:
    """A fusion's first block, for prompts after prompts.

    Parameters
    ----------
    projection, block
        Their weights must not change afterwards.
    """

    def __init__(self, projection: Projection, block: Block) -> None:
        self.projection, self.block = projection, block
        self._pixels = projection.patch**2
        self._mask = projection.weight[:, : self._pixels]
        qkv, norm = block.attn.qkv, block.norm1
        scaled = qkv.weight * norm.weight
        fixed = F.linear(norm.bias, qkv.weight, qkv.bias)
        columns = [scaled @ self._mask, fixed[:, None], scaled.sum(1, keepdim=True)]
        self._folded = torch.cat(columns, 1).T.contiguous()

    def on(self, image: Tensor) -> Unprompted:
        """Compute what no prompt changes of (C, G, G) features."""
        return Unprompted(self.block, self.projection.unprompted(image))

    def __call__(
        self, kept: Unprompted, prompts: Tensor, merging: Merging, take: Take = fresh
    ) -> Tensor:
        """Let (N, 3 * patch * patch) patches of a dense map reach an image.

        Every token is looked at, whether merged or not; what looks, and goes on, are
        the rows of `merging`: (rows, C).
        """
        rows = prompts.any(1).nonzero()[:, 0]
        if len(rows) > _FEW * len(prompts):
            return self._masked(kept, prompts, merging, take)
        attended = kept.attended.copy(take)
        if len(rows):
            tokens = kept.tokens[rows] + self.projection(prompts[rows])
            attended.change(rows, tokens)
        looking, seen = merging.rows(attended.tokens), merging.rows(attended.seen)
        return finish(self.block, looking, seen, take)

    def _masked(
        self, kept: Unprompted, prompts: Tensor, merging: Merging, take: Take
    ) -> Tensor:
        mask, marks = prompts[:, : self._pixels], prompts[:, self._pixels :]
        tokens = torch.addmm(kept.tokens, mask, self._mask.T)
        mean, scale = _moments(self.block, tokens)
        ratio = scale / kept.scale
        moved = (kept.mean - mean) * scale
        given = torch.cat([mask * scale, 1 - ratio, moved], 1)
        qkv = torch.mul(kept.qkv, ratio, out=take(0, *kept.qkv.shape))
        qkv.addmm_(given, self._folded)
        rows = marks.any(1).nonzero()[:, 0]
        if len(rows):
            tokens[rows] += self.projection(marks[rows], start=1)
            qkv[rows] = _project(self.block, tokens[rows])
        _, keys, values = heads(self.block, qkv)
        asking = queries(self.block, merging.rows(qkv[:, : tokens.shape[1]]))
        seen, _ = attend(self.block, asking, keys, values)
        return finish(self.block, merging.rows(tokens), seen, take)


class Unprompted:
    """An image in the first block, without prompts.

    Attributes
    ----------
    tokens, qkv
        (N, C) and (N, 3 C).
    mean, scale
        (N, 1) of each token: what the normalisation subtracts, and multiplies with.
    """

    def __init__(self, block: Block, tokens: Tensor) -> None:
        self._block, self.tokens = block, tokens
        self.qkv = _project(block, tokens)
        self.mean, self.scale = _moments(block, tokens)

    @cached_property
    def attended(self) -> Attended:
        """Its attention, which only clicks without a previous mask make use of."""
        return Attended.of(self._block, self.tokens, self.qkv)

    @property
    def nbytes(self) -> int:
        """Size in memory, in bytes."""
        if "attended" in vars(self):
            return self.attended.nbytes
        return self.tokens.nbytes + self.qkv.nbytes


def _project(block: Block, tokens: Tensor) -> Tensor:
    return cast("Tensor", block.attn.qkv(block.norm1(tokens)))


def _moments(block: Block, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Return each row's mean and 1 / deviation."""
    norm = block.norm1
    _, mean, scale = torch.native_layer_norm(
        tokens, norm.normalized_shape, None, None, norm.eps
    )
    return mean, scale
