"""Self-attention that is corrected when a few of its tokens change.

A softmax is a ratio of two sums over keys: what some keys had contributed is taken
away, and what they contribute now is added. All queries are answered at the price of as
many keys as have changed; the rows that changed, and those that had looked at little
else, are computed anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from napari_segnext.models.fast.workspace import (
    Block,
    Take,
    add_linear,
    add_mlp,
    fresh,
    linear,
)

# What is left after a share r is taken away has an error r / (1 - r) times that of the
# share, so that a row that loses more than half would lose digits; and a factor beyond
# the last would overflow.
_MOST_REMOVED, _MOST_ADDED = 0.5, 10.0


@dataclass(slots=True)
class Attended:
    """The first half of a transformer block, up to the projection, and its inputs.

    See `finish` for the rest.

    Attributes
    ----------
    tokens
        (N, C) inputs.
    qkv
        (N, 3 C) queries, keys and values.
    seen
        (N, C) what each query found, heads side by side.
    mass
        (heads, N) logarithm of each query's sum over keys.
    """

    block: Block
    tokens: Tensor
    qkv: Tensor
    seen: Tensor
    mass: Tensor

    @classmethod
    def of(cls, block: Block, tokens: Tensor, qkv: Tensor) -> Attended:
        """Compute it from queries, keys and values."""
        seen, mass = attend(block, *heads(block, qkv))
        return cls(block, tokens, qkv, seen, mass)

    def copy(self, take: Take = fresh) -> Attended:
        """Return one that can be changed apart from this one."""
        qkv = take(0, *self.qkv.shape).copy_(self.qkv)
        return Attended(
            self.block, self.tokens.clone(), qkv, self.seen.clone(), self.mass.clone()
        )

    @property
    def nbytes(self) -> int:
        """Size in memory, in bytes."""
        tensors = (self.tokens, self.qkv, self.seen, self.mass)
        return sum(tensor.nbytes for tensor in tensors)

    def change(self, rows: Tensor, tokens: Tensor) -> None:
        """Replace some tokens, and all that follows from it.

        Parameters
        ----------
        rows
            (n,) their numbers.
        tokens
            (n, C).
        """
        block, before = self.block, self.qkv[rows]
        now = block.attn.qkv(block.norm1(tokens))
        self.tokens[rows], self.qkv[rows] = tokens, now
        asking, keys, values = heads(block, self.qkv)
        stale = self._correct(asking, before, now)
        stale[rows] = True
        rows = stale.nonzero()[:, 0]
        self.seen[rows], self.mass[:, rows] = attend(
            block, asking[:, rows], keys, values
        )

    def _correct(self, asking: Tensor, before: Tensor, now: Tensor) -> Tensor:
        """Exchange keys in all rows; return which rows must be computed anew."""
        number, count, width = asking.shape
        _, old_keys, old_values = heads(self.block, before)
        _, new_keys, new_values = heads(self.block, now)
        scaled, mass = asking * self.block.attn.scale, self.mass[..., None]
        old = torch.baddbmm(mass, scaled, old_keys.transpose(1, 2), beta=-1).exp_()
        new = torch.baddbmm(mass, scaled, new_keys.transpose(1, 2), beta=-1).exp_()
        removed, added = old.sum(2), new.sum(2)
        # `not (a <= b)` is true of NaN as well.
        stale = ~((removed <= _MOST_REMOVED) & (added <= _MOST_ADDED)).all(0)
        left = 1 - removed + added
        seen = self.seen.view(count, number, width).transpose(0, 1)
        total = torch.baddbmm(torch.bmm(new, new_values), old, old_values, alpha=-1)
        seen.add_(total).div_(left[..., None])
        self.mass.add_(left.log())
        return stale


def heads(block: Block, qkv: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(N, 3 C) -> queries, keys and values, each (heads, N, C / heads)."""
    width = qkv.shape[1] // 3
    keys, values = (
        qkv[:, width:]
        .view(len(qkv), 2, block.attn.num_heads, block.attn.head_dim)
        .permute(1, 2, 0, 3)
    )
    return queries(block, qkv[:, :width]), block.attn.k_norm(keys), values


def queries(block: Block, rows: Tensor) -> Tensor:
    """(n, C) -> (heads, n, C / heads)."""
    attn = block.attn
    cut = rows.view(len(rows), attn.num_heads, attn.head_dim).transpose(0, 1)
    return cast("Tensor", attn.q_norm(cut))


def attend(
    block: Block,
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    weights: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return what each query finds, (n, C), and its (heads, n) logarithm of the sum.

    `weights`, (1, 1, n, keys), are added to the products of queries and keys.
    """
    # Fused attention as such does not tell the sums.
    seen, mass = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        queries[None],
        keys[None],
        values[None],
        attn_mask=weights,
        scale=block.attn.scale,
    )
    return seen[0].transpose(0, 1).flatten(1), mass[0]


def finish(block: Block, tokens: Tensor, seen: Tensor, take: Take = fresh) -> Tensor:
    """Return a block's (n, C) outputs from its inputs and what they saw."""
    found = add_linear(block.attn.proj, seen, tokens)
    add_mlp(block, found, take)
    return found


def through(
    block: Block, tokens: Tensor, weights: Tensor | None, take: Take = fresh
) -> Tensor:
    """Run a block on (n, C) tokens, of which some may weigh more as keys."""
    layer, rows = block.attn.qkv, block.norm1(tokens)
    qkv = linear(rows, layer.weight, layer.bias, take(0, len(rows), layer.out_features))
    seen, _ = attend(block, *heads(block, qkv), weights)
    return finish(block, tokens, seen, take)
