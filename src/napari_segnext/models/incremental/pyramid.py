"""Feature pyramid and head of a SegNext, on rows instead of maps.

The numbers are those of `SimpleFPN` and `MLPHead`. Convolutions of size 1, and those
whose stride is their size, are products of matrices on rows in the order of cells; a
normalisation between two of them needs its input's mean and variance alone, which
follow from the rows before both, so that the two become one.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_segnext.models.decoder import MLPHead, SimpleFPN
from napari_segnext.models.incremental.cells import COARSE, neighbourhoods, upsampling
from napari_segnext.models.lean import Take, fresh, linear

# Cells whose pixels at stride 4 stay in a processor's cache through the head.
_AT_ONCE = 32
_ROWS_AT_ONCE = 1024
# In which a product with half of a symmetric matrix is cut.
_BLOCKS = 4


class Moments:
    """Sums and sums of squares of each cell, of which a normalisation needs the total.

    Parameters
    ----------
    cells
        Of the whole image.
    """

    def __init__(self, cells: int) -> None:
        self._sums: dict[str, Tensor] = {}
        self._cells = cells

    def normaliser(
        self, name: str, which: Tensor | None, sums: Tensor, count: int, eps: float
    ) -> tuple[float, float]:
        """Replace the sums of some cells (all: None); return mean and 1 / deviation.

        Parameters
        ----------
        name
            Of the normalisation.
        sums
            (2, cells) sums of the values and of their squares.
        count
            Values of one cell.
        """
        kept = self._sums.get(name)
        if which is None or kept is None:
            kept = self._sums[name] = sums.double()
        else:
            kept[:, which] = sums.double()
        mean, square = (kept.sum(1) / (count * self._cells)).tolist()
        return mean, (max(square - mean**2, 0.0) + eps) ** -0.5

    def copy(self) -> Moments:
        """Return moments that change apart from these."""
        other = Moments(self._cells)
        other._sums = {name: sums.clone() for name, sums in self._sums.items()}
        return other


def _sums(rows: Tensor, cells: int) -> Tensor:
    values = rows.view(cells, -1)
    return torch.stack([values.sum(1), torch.linalg.vector_norm(values, dim=1) ** 2])


@dataclass(frozen=True, slots=True)
class _Norm:
    """Normalisation over all values, and GELU."""

    name: str
    weight: Tensor
    bias: Tensor
    eps: float

    @classmethod
    def of(cls, name: str, norm: nn.GroupNorm) -> _Norm:
        return cls(name, norm.weight, norm.bias, norm.eps)

    def affine(
        self, rows: Tensor, moments: Moments, which: Tensor | None, cells: int
    ) -> tuple[Tensor, Tensor]:
        """Return factor and addend of each channel of (rows, C)."""
        sums, count = _sums(rows, cells), rows.numel() // cells
        mean, scale = moments.normaliser(self.name, which, sums, count, self.eps)
        factor = self.weight * scale
        return factor, self.bias - mean * factor


def _activate(rows: Tensor, affine: tuple[Tensor, Tensor]) -> Tensor:
    """Normalise and GELU, in place."""
    activated: Tensor = torch.ops.aten.gelu_(_normal(rows, affine))
    return activated


class _Folded:
    """Transposed convolution, normalisation and 1 x 1 convolution as one product.

    With the first one's outputs z = W f + b for the four quarters of a row f, sums of z
    and of its squares are v f and f M f, with v the column sums of W, M = W' W.
    """

    def __init__(
        self, name: str, up: nn.ConvTranspose2d, norm: nn.GroupNorm, mix: nn.Conv2d
    ) -> None:
        self._name, self._eps = name, norm.eps
        weight, bias = _rows_of(up)
        self._values = weight.shape[0]
        self._linear = weight.sum(0)
        # f M f of a symmetric M needs its upper half alone, taken in blocks.
        square = weight.T @ weight
        self._square = square.triu(1).mul_(2) + square.diag().diag()
        ends = [len(square) * (n + 1) // _BLOCKS for n in range(_BLOCKS)]
        self._columns = [slice(*ends) for ends in pairwise([0, *ends])]
        self._cross = 2 * (bias @ weight)
        self._constants = bias.sum(), bias @ bias
        mixing = mix.weight[:, :, 0, 0] * norm.weight
        quarters = weight.view(4, -1, weight.shape[1])
        self._product = torch.matmul(mixing, quarters).flatten(0, 1)
        self.width = len(self._product)
        self._scaled = mixing @ cast("Tensor", up.bias)
        self._shifted = mixing.sum(1)
        self._fixed = mix.weight[:, :, 0, 0] @ norm.bias + cast("Tensor", mix.bias)

    def __call__(
        self,
        rows: Tensor,
        moments: Moments,
        which: Tensor | None,
        cells: int,
        found: Tensor,
    ) -> Tensor:
        """Write (rows, 4 D); return (4 rows, D)."""
        first, second = self._constants
        squares = rows @ self._cross
        parts, sums = (torch.split(t, _ROWS_AT_ONCE) for t in (rows, squares))
        for part, into in zip(parts, sums, strict=True):
            for columns in self._columns:
                upper = part[:, : columns.stop] @ self._square[: columns.stop, columns]
                into.add_(torch.linalg.vecdot(upper, part[:, columns]))
        each = torch.stack([rows @ self._linear + first, squares + second])
        both = each.view(2, cells, -1).sum(2)
        count = self._values * (len(rows) // cells)
        mean, scale = moments.normaliser(self._name, which, both, count, self._eps)
        bias = scale * (self._scaled - mean * self._shifted) + self._fixed
        linear(rows, self._product * scale, bias.repeat(4), found)
        return found.view(4 * len(rows), -1)


def _rows_of(up: nn.ConvTranspose2d) -> tuple[Tensor, Tensor]:
    """Return a transposed convolution of stride 2 as weight (4 D, C) and bias (4 D)."""
    weight = up.weight.permute(2, 3, 1, 0).flatten(0, 2).contiguous()
    return weight, cast("Tensor", up.bias).repeat(4)


def _dense(convolution: nn.Conv2d) -> tuple[Tensor, Tensor]:
    """Return a convolution whose stride is its size as weight and bias for rows."""
    weight = convolution.weight.permute(0, 2, 3, 1).flatten(1).contiguous()
    return weight, cast("Tensor", convolution.bias)


class FoldedDecoder:
    """What turns fused tokens into logits at stride 4, for all cells or for some.

    Parameters
    ----------
    neck, head
        Whose numbers are used; they must not change afterwards.
    cells
        Along a side of the image.
    """

    def __init__(self, neck: SimpleFPN, head: MLPHead, cells: int) -> None:
        self.cells = cells**2
        four, eight, same, half = (
            list[Any](level)
            for level in (neck.down_4, neck.down_8, neck.down_16, neck.down_32)
        )
        self._up = _rows_of(four[0])
        self._mix_4 = _Folded("4b", four[3], four[4], four[5])
        self._mix_8 = _Folded("8a", eight[0], eight[1], eight[2])
        self._same, self._half = _dense(same[0]), _dense(half[0])
        self._mix_32 = _dense(half[2])
        self._norms = {
            name: _Norm.of(name, norm)
            for name, norm in (
                ("4a", four[1]),
                ("4c", four[6]),
                ("8b", eight[3]),
                ("16", same[1]),
                ("32a", half[1]),
                ("32b", half[3]),
            )
        }
        self._levels = [_dense(cast("Any", level).conv) for level in head.convs]
        mixing = head.fusion_conv.conv
        self._parts = list(_dense(mixing)[0].chunk(4, 1))
        self._bias = cast("Tensor", mixing.bias)
        self._last = _dense(head.seg_conv)
        self._upsampling, self._around = upsampling(), neighbourhoods(cells)

    def coarse(
        self,
        tokens: Tensor,
        moments: Moments,
        which: Tensor | None = None,
        take: Take = fresh,
    ) -> Tensor:
        """Return what the levels at strides 8, 16 and 32 add to the head's sum.

        Parameters
        ----------
        tokens
            (4 cells, C) of some cells.
        which
            (cells,) their numbers; None for all.

        Returns
        -------
        (21 cells, width)
            See `levels`.
        """
        cells = len(tokens) // 4

        def norm(name: str, rows: Tensor) -> tuple[Tensor, Tensor]:
            return self._norms[name].affine(rows, moments, which, cells)

        eight = take(0, len(tokens), self._mix_8.width)
        eight = self._mix_8(tokens, moments, which, cells, eight)
        same = F.linear(tokens, *self._same)
        half = F.linear(tokens.view(cells, -1), *self._half)
        half = F.linear(_normal(half, norm("32a", half)), *self._mix_32)
        width = len(self._bias)
        found = take(2, sum(side**2 for side in COARSE) * cells, width)
        for name, rows, conv, part, into in zip(
            ("8b", "16", "32b"),
            (eight, same, half),
            self._levels[1:],
            self._parts[1:],
            levels(found),
            strict=True,
        ):
            _activate(rows, norm(name, rows))
            hidden = linear(rows, *conv, take(1, len(rows), width)).relu_()
            torch.mm(hidden, part.T, out=into.flatten(0, 1))
        return found

    def fine(
        self,
        tokens: Tensor,
        moments: Moments,
        which: Tensor | None = None,
        take: Take = fresh,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return the level at stride 4 before its last normalisation, and that."""
        cells = len(tokens) // 4
        weight, bias = self._up
        rows = linear(tokens, weight, bias, take(0, len(tokens), len(bias)))
        rows = rows.view(4 * len(tokens), -1)
        _activate(rows, self._norms["4a"].affine(rows, moments, which, cells))
        found = take(1, len(rows), self._mix_4.width)
        found = self._mix_4(rows, moments, which, cells, found)
        return found, self._norms["4c"].affine(found, moments, which, cells)

    def logits(
        self,
        fine: Tensor,
        affine: tuple[Tensor, Tensor],
        coarse: Tensor,
        which: Tensor | None = None,
    ) -> Tensor:
        """Return (cells, 64) logits at stride 4.

        Parameters
        ----------
        fine, affine
            From `fine`, for these cells.
        coarse
            From `coarse`, for all cells. `fine` is written over.
        """
        around = self._around if which is None else self._around[which]
        found = fine.new_empty(len(around), 64)
        per_cell = fine.view(len(around), 64, -1)
        weights = self._upsampling
        for first in range(0, len(around), _AT_ONCE):
            some = slice(first, first + _AT_ONCE)
            near = coarse.index_select(0, around[some].flatten())
            near = near.view(-1, weights.shape[1], coarse.shape[1])
            rows = _activate(per_cell[some].flatten(0, 1), affine)
            rows = F.linear(rows, *self._levels[0]).relu_()
            total = torch.addmm(self._bias, rows, self._parts[0].T)
            total = total.view(len(near), 64, -1)
            total.baddbmm_(weights.expand(len(near), -1, -1), near)
            weight, bias = self._last
            torch.add(total.relu_() @ weight[0], bias, out=found[some])
        return found


def _normal(rows: Tensor, affine: tuple[Tensor, Tensor]) -> Tensor:
    """Normalise, in place."""
    return torch.addcmul(affine[1], rows, affine[0], out=rows)


def levels(coarse: Tensor) -> list[Tensor]:
    """Return views of the levels at strides 8, 16, 32, each (cells, pixels, width)."""
    pixels = [side**2 for side in COARSE]
    cells = len(coarse) // sum(pixels)
    parts = torch.split(coarse, [cells * count for count in pixels])
    return [part.view(cells, -1, coarse.shape[1]) for part in parts]
