"""Self-attention that is corrected when a few of its tokens change.

A softmax is a ratio of two sums over keys: what some keys had contributed is taken
away, and what they contribute now is added. All queries are answered at the price of as
many keys as have changed; the rows that changed, and those that had looked at little
else, are computed anew.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from napari_segnext.models.lean import Block, Take, add_linear, add_mlp, fresh, linear

# A row of which this share of the attention is taken away, or this multiple is added,
# would lose digits; and a factor beyond the last would overflow.
_MOST_REMOVED, _MOST_ADDED = 0.9, 10.0


@dataclass(slots=True)
class Attended:
    """The first half of a transformer block, up to the projection, and its inputs.

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
    def to(cls, block: Block, tokens: Tensor, take: Take = fresh) -> Attended:
        """Compute it for all tokens."""
        layer, rows = block.attn.qkv, block.norm1(tokens)
        found = take(0, len(rows), layer.out_features)
        return cls.of(block, tokens, linear(rows, layer.weight, layer.bias, found))

    @classmethod
    def of(cls, block: Block, tokens: Tensor, qkv: Tensor) -> Attended:
        """Compute it from queries, keys and values."""
        queries, keys, values = _heads(block, qkv)
        seen, mass = _attend(block, queries, keys, values)
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
        queries, keys, values = _heads(block, self.qkv)
        stale = self._correct(queries, before, now)
        stale[rows] = True
        rows = stale.nonzero()[:, 0]
        self.seen[rows], self.mass[:, rows] = _attend(
            block, queries[:, rows], keys, values
        )

    def _correct(self, queries: Tensor, before: Tensor, now: Tensor) -> Tensor:
        """Exchange keys in all rows; return which rows must be computed anew."""
        heads, count, width = queries.shape
        _, old_keys, old_values = _heads(self.block, before)
        _, new_keys, new_values = _heads(self.block, now)
        scaled, mass = queries * self.block.attn.scale, self.mass[..., None]
        old = torch.baddbmm(mass, scaled, old_keys.transpose(1, 2), beta=-1).exp_()
        new = torch.baddbmm(mass, scaled, new_keys.transpose(1, 2), beta=-1).exp_()
        removed, added = old.sum(2), new.sum(2)
        # `not (a <= b)` is true of NaN as well.
        stale = ~((removed <= _MOST_REMOVED) & (added <= _MOST_ADDED)).all(0)
        left = 1 - removed + added
        seen = self.seen.view(count, heads, width).transpose(0, 1)
        total = torch.baddbmm(torch.bmm(new, new_values), old, old_values, alpha=-1)
        seen.add_(total).div_(left[..., None])
        self.mass.add_(left.log())
        return stale

    def outputs(self, rows: Tensor | None = None, take: Take = fresh) -> Tensor:
        """Compute the block's (n, C) outputs for some tokens, from what they saw."""
        tokens = self.tokens if rows is None else self.tokens[rows]
        seen = self.seen if rows is None else self.seen[rows]
        found = add_linear(self.block.attn.proj, seen, tokens)
        add_mlp(self.block, found, take)
        return found


def _heads(block: Block, qkv: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(N, 3 C) -> queries, keys and values, each (heads, N, C / heads)."""
    attn = block.attn
    cut = qkv.view(len(qkv), 3, attn.num_heads, attn.head_dim).permute(1, 2, 0, 3)
    return attn.q_norm(cut[0]), attn.k_norm(cut[1]), cut[2]


def _attend(
    block: Block, queries: Tensor, keys: Tensor, values: Tensor
) -> tuple[Tensor, Tensor]:
    """Return what each query finds, (n, C), and its (heads, n) logarithm of the sum."""
    # Fused attention as such does not tell the sums.
    seen, mass = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        queries[None], keys[None], values[None], scale=block.attn.scale
    )
    return seen[0].transpose(0, 1).flatten(1), mass[0]
