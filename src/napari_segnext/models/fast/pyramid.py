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
from napari_segnext.models.fast.cells import COARSE, FINE, neighbourhoods, upsampling
from napari_segnext.models.fast.merging import Merging
from napari_segnext.models.fast.workspace import Take, fresh, linear

# Cells whose pixels at stride 4 stay in a processor's cache through the head.
_AT_ONCE = 32
_ROWS_AT_ONCE = 1024
# In which a product with half of a symmetric matrix is cut.
_BLOCKS = 4


def _deviation(
    sums: Tensor, mass: Tensor, count: int, eps: float
) -> tuple[float, float]:
    """Return the mean of all values and 1 / their deviation.

    Parameters
    ----------
    sums
        (2, n) sums of each row's values and of their squares.
    mass
        (n,) how often each row counts.
    count
        Values of a row.
    """
    mean, square = ((sums.double() @ mass) / (count * mass.sum())).tolist()
    return mean, (max(square - mean**2, 0.0) + eps) ** -0.5


@dataclass(frozen=True, slots=True)
class _Norm:
    """Normalisation over all values, and GELU."""

    weight: Tensor
    bias: Tensor
    eps: float

    @classmethod
    def of(cls, norm: nn.GroupNorm) -> _Norm:
        return cls(norm.weight, norm.bias, norm.eps)

    def affine(self, rows: Tensor, mass: Tensor) -> tuple[Tensor, Tensor]:
        """Return factor and addend of each channel; as many rows for each of `mass`."""
        values = rows.view(len(mass), -1)
        squares = torch.linalg.vector_norm(values, dim=1) ** 2
        sums = torch.stack([values.sum(1), squares])
        mean, scale = _deviation(sums, mass, values.shape[1], self.eps)
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
        self, up: nn.ConvTranspose2d, norm: nn.GroupNorm, mix: nn.Conv2d
    ) -> None:
        self._eps = norm.eps
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

    def __call__(self, rows: Tensor, mass: Tensor, found: Tensor) -> Tensor:
        """Write (rows, 4 D); return (4 rows, D)."""
        first, second = self._constants
        squares = rows @ self._cross
        parts, sums = (torch.split(t, _ROWS_AT_ONCE) for t in (rows, squares))
        for part, into in zip(parts, sums, strict=True):
            for columns in self._columns:
                upper = part[:, : columns.stop] @ self._square[: columns.stop, columns]
                into.add_(torch.linalg.vecdot(upper, part[:, columns]))
        each = torch.stack([rows @ self._linear + first, squares + second])
        both = each.view(2, len(mass), -1).sum(2)
        count = self._values * (len(rows) // len(mass))
        mean, scale = _deviation(both, mass, count, self._eps)
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
    """What turns fused tokens into logits at stride 4.

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
        self._norm_up, self._norm_4 = _Norm.of(four[1]), _Norm.of(four[6])
        self._mix_4 = _Folded(four[3], four[4], four[5])
        self._mix_8 = _Folded(eight[0], eight[1], eight[2])
        self._same, self._half = _dense(same[0]), _dense(half[0])
        # Of a cell whose four tokens are one.
        self._merged_half = self._half[0].view(len(self._half[0]), 4, -1).sum(1)
        self._norm_half, self._mix_32 = _Norm.of(half[1]), _dense(half[2])
        self._norms = [_Norm.of(norm) for norm in (eight[3], same[1], half[3])]
        self._levels = [_dense(cast("Any", level).conv) for level in head.convs]
        mixing = head.fusion_conv.conv
        self._parts = list(_dense(mixing)[0].chunk(4, 1))
        self._bias = cast("Tensor", mixing.bias)
        self._last = _dense(head.seg_conv)
        self._upsampling, self._around = upsampling(), neighbourhoods(cells)
        # How often cells count where each has one row.
        self._alike = torch.ones(self.cells).double()

    def __call__(self, tokens: Tensor, merging: Merging, take: Take = fresh) -> Tensor:
        """Return (cells, 64) logits at stride 4, from the (rows, C) of `merging`."""
        coarse = self._coarse(tokens, merging, take)
        fine, affine = self._fine(tokens, merging.mass, take)
        found = tokens.new_empty(self.cells, FINE**2)
        pixels, width = FINE**2, fine.shape[1]
        own = pixels * len(merging.fine)
        four = fine[:own].view(-1, pixels, width)
        once = fine[own:].view(-1, pixels // 4, width)
        self._draw(merging.fine, four, affine, coarse, found)
        self._draw(merging.merged, once, affine, coarse, found)
        return found

    def _coarse(self, tokens: Tensor, merging: Merging, take: Take) -> Tensor:
        """Return what the levels at strides 8, 16 and 32 add to the head's sum.

        Returns
        -------
        (21 cells, width)
            See `_levels_of`.
        """
        eight = take(0, len(tokens), self._mix_8.width)
        eight = self._mix_8(tokens, merging.mass, eight)
        same = F.linear(tokens, *self._same)
        half = self._halved(tokens, merging)
        width = len(self._bias)
        found = take(2, sum(side**2 for side in COARSE) * self.cells, width)
        mass = merging.mass
        for norm, counted, rows, (weight, bias), part, into in zip(
            self._norms,
            (mass, mass, self._alike),
            (eight, same, half),
            self._levels[1:],
            self._parts[1:],
            _levels_of(found),
            strict=True,
        ):
            _activate(rows, norm.affine(rows, counted))
            hidden = linear(rows, weight, bias, take(1, len(rows), width)).relu_()
            every = into.flatten(0, 1)
            if len(rows) == len(every):
                torch.mm(hidden, part.T, out=every)
            else:
                merging.spread(hidden @ part.T, into)
        return found

    def _halved(self, tokens: Tensor, merging: Merging) -> Tensor:
        """Return the level at stride 32: a row for each cell."""
        weight, bias = self._half
        four = tokens[: merging.own].view(-1, weight.shape[1])
        half = torch.empty(self.cells, len(bias))
        half[merging.fine] = F.linear(four, weight, bias)
        half[merging.merged] = F.linear(tokens[merging.own :], self._merged_half, bias)
        affine = self._norm_half.affine(half, self._alike)
        return F.linear(_normal(half, affine), *self._mix_32)

    def _fine(
        self, tokens: Tensor, mass: Tensor, take: Take
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return the level at stride 4 before its last normalisation, and that."""
        weight, bias = self._up
        rows = linear(tokens, weight, bias, take(0, len(tokens), len(bias)))
        rows = rows.view(4 * len(tokens), -1)
        _activate(rows, self._norm_up.affine(rows, mass))
        found = take(1, len(rows), self._mix_4.width)
        found = self._mix_4(rows, mass, found)
        return found, self._norm_4.affine(found, mass)

    def _draw(
        self,
        cells: Tensor,
        fine: Tensor,
        affine: tuple[Tensor, Tensor],
        coarse: Tensor,
        found: Tensor,
    ) -> None:
        """Write the logits of some cells.

        Parameters
        ----------
        cells
            Their numbers.
        fine, affine
            (cells, 64 or 16, C) and what normalises it, from `_fine`; written over.
        coarse
            From `_coarse`.
        found
            (all cells, 64).
        """
        weights, (weight, bias) = self._upsampling, self._last
        for first in range(0, len(cells), _AT_ONCE):
            some = slice(first, first + _AT_ONCE)
            near = coarse.index_select(0, self._around[cells[some]].flatten())
            near = near.view(-1, weights.shape[1], coarse.shape[1])
            rows = _activate(fine[some].flatten(0, 1), affine)
            rows = F.linear(rows, *self._levels[0]).relu_()
            total = torch.addmm(self._bias, rows, self._parts[0].T)
            total = total.view(len(near), fine.shape[1], -1)
            if fine.shape[1] < FINE**2:
                # One token's pixels for each of four.
                total = total.repeat(1, 4, 1)
            total.baddbmm_(weights.expand(len(near), -1, -1), near)
            found[cells[some]] = total.relu_() @ weight[0] + bias


def _normal(rows: Tensor, affine: tuple[Tensor, Tensor]) -> Tensor:
    """Normalise, in place."""
    return torch.addcmul(affine[1], rows, affine[0], out=rows)


def _levels_of(coarse: Tensor) -> list[Tensor]:
    """Return views of the levels at strides 8, 16, 32, each (cells, pixels, width)."""
    pixels = [side**2 for side in COARSE]
    cells = len(coarse) // sum(pixels)
    parts = torch.split(coarse, [cells * count for count in pixels])
    return [part.view(cells, -1, coarse.shape[1]) for part in parts]
