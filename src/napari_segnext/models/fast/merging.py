"""Tokens that stand for themselves, and tokens that stand for all four of a cell.

Far from prompts and from the mask a finer grid than one token a cell changes the answer
little: merging tokens is what ToMe (Bolya et al., ICLR 2023) does for whole networks.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# Tokens of a cell.
_FOUR = 4


@dataclass(frozen=True, slots=True)
class Merging:
    """Which cells keep their tokens, and which have one in place of four.

    Rows are those of the former, four a cell in the order of cells, then one for each
    of the latter.

    Attributes
    ----------
    fine, merged
        (F,) and (M,) int64 numbers of cells, ascending.
    """

    fine: Tensor
    merged: Tensor

    @classmethod
    def but(cls, near: Tensor) -> Merging:
        """Merge the tokens of all cells but those where (cells,) `near` is true."""
        return cls(near.nonzero()[:, 0], (~near).nonzero()[:, 0])

    @property
    def own(self) -> int:
        """How many rows stand for themselves: 4 F."""
        return _FOUR * len(self.fine)

    @property
    def mass(self) -> Tensor:
        """How many tokens each row stands for: (4 F + M,) float64."""
        own, merged = torch.ones(self.own), torch.full((len(self.merged),), _FOUR)
        return torch.cat([own, merged]).double()

    @property
    def weights(self) -> Tensor | None:
        """What keys weigh more for their mass, to be added to logits; None if equal.

        (1, 1, rows, rows) float32.
        """
        if not len(self.merged):
            return None
        log = self.mass.log().float()
        return log.expand(1, 1, len(log), len(log))

    def rows(self, tokens: Tensor) -> Tensor:
        """Merge (4 cells, C) tokens: (4 F + M, C)."""
        if not len(self.merged):
            return tokens
        cells = tokens.view(-1, _FOUR, tokens.shape[1])
        means = cells[self.merged].mean(1)
        return torch.cat([cells[self.fine].flatten(0, 1), means])

    def spread(self, rows: Tensor, into: Tensor) -> None:
        """Give every cell what was computed of its row or rows.

        Parameters
        ----------
        rows
            (k (4 F + M), C): k for each row.
        into
            (cells, 4 k, C).
        """
        each, width = into.shape[1:]
        own = len(self.fine) * each
        into[self.fine] = rows[:own].view(-1, each, width)
        once = rows[own:].view(-1, 1, each // _FOUR, width)
        into[self.merged] = once.expand(-1, _FOUR, -1, -1).flatten(1, 2)
